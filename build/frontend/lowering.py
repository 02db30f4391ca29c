"""Makes a Network of a plan, with the weights that FINN gives and thresholds that are checked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bitfold.build.frontend.layers import Activation, Linear, Plan
from bitfold.build.frontend.problems import Problem, UnlowerableError, refuse
from bitfold.build.frontend.source import Source
from bitfold.build.frontend.streamlining import streamline
from bitfold.build.frontend.thresholds import negated, switching_points
from bitfold.build.frontend.weights import MAX_BITS, narrowest
from bitfold.models.encoding import Encoding
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Dense, Threshold
from bitfold.models.ops.dense import accumulator_range
from bitfold.models.value import Parameter, Value

_LARGEST_SUM = 2**31 - 2  # one more is the threshold that is never reached


def lower(
    source: Source, plan: Plan, name: str, info: dict[str, str], progress: Callable[[str], None]
) -> Network:
    """Raises FrontendError for layers that fit the limits only as the source has them."""
    lowering = _Lowering(plan)
    constants = streamline(plan, progress)
    for layer, constant in zip(plan.layers, constants, strict=True):
        progress(f"checking {layer.name} against the source")
        try:
            lowering.add(layer, constant)
        except UnlowerableError as error:
            node = layer.source
            lowering.problems.append(Problem(node.name, node.kind, error.reason, error.remedy))
    refuse(str(source.path), lowering.problems)
    outputs = lowering.values[lowering.tensor].size
    labels = source.names("class_names")
    return Network(
        name=name,
        sample_shape=source.sample_shape,
        quantizer=plan.quantizer,
        input="input",
        output=lowering.tensor,
        values=lowering.values,
        parameters=lowering.parameters,
        nodes=tuple(lowering.nodes),
        head=plan.head,
        labels=labels if len(labels) == outputs else (),
        info=info,
    )


class _Lowering:
    def __init__(self, plan: Plan):
        self.tensor = "input"
        first = plan.layers[0]
        size = first.matrix.shape[1] if isinstance(first, Linear) else first.features
        self.values = {self.tensor: Value((size,), plan.input.encoding)}
        self.parameters: dict[str, Parameter] = {}
        self.nodes: list[Node] = []
        self.problems: list[Problem] = []
        # What the integers of `tensor` are in the source, but for these signs, and their range.
        self.signs = np.int64(1)
        self.range = (plan.input.minimum, plan.input.maximum)
        self.names: dict[tuple, str] = {}

    def add(self, layer: Linear | Activation, constant: np.ndarray) -> None:
        if isinstance(layer, Linear):
            self._add_dense(layer, constant)
        else:
            self._add_threshold(layer, constant)

    def _add_dense(self, layer: Linear, signs: np.ndarray) -> None:
        self.signs = signs
        matrix = layer.matrix * signs[:, None]
        encoding = narrowest(matrix)
        self.range = accumulator_range(matrix, self.values[self.tensor].encoding)
        weight = self._parameter(f"{layer.name}.weight", matrix, encoding)
        output = f"{layer.name}.sums"
        self.nodes.append(Node(layer.name, Dense(), (self.tensor,), (output,), (weight,)))
        low, high = self.range
        if max(high, -low) > _LARGEST_SUM:
            self.values[output] = Value((len(matrix),), Encoding.of("INT32"))
            self.tensor, self.range = output, (-_LARGEST_SUM, _LARGEST_SUM)
            raise UnlowerableError(
                f"its sums reach {low}..{high}, beyond 32 bits",
                "use fewer inputs, or fewer bits for weights or activations",
            )
        self.values[output] = Value((len(matrix),), Encoding.for_range(low, high))
        self.tensor = output
        if encoding.bits > MAX_BITS:
            raise UnlowerableError(
                f"a row with {matrix.min()}..{matrix.max()} is negated by a negative scale behind "
                f"it, and needs {encoding.bits} bits",
                "quantize the weights in the narrow range, without the lowest value",
            )

    def _add_threshold(self, layer: Activation, guess: np.ndarray) -> None:
        points = switching_points(negated(layer, self.signs), *self.range, guess)
        if (points == points[0]).all():
            points = points[:1]
        encoding = Encoding.for_range(int(points.min()), int(points.max()))
        thresholds = self._parameter(f"{layer.name}s", points, encoding)
        output = layer.name.removesuffix(".threshold") + ".activations"
        self.nodes.append(
            Node(
                layer.name,
                Threshold(layer.output.minimum, layer.output.encoding.step),
                (self.tensor,),
                (output,),
                (thresholds,),
            )
        )
        self.values[output] = Value((layer.features,), layer.output.encoding)
        self.tensor, self.signs = output, np.int64(1)

    def _parameter(self, name: str, values: np.ndarray, encoding: Encoding) -> str:
        """The name of the parameter with these values: equal values are one parameter, shared."""
        values = values.astype(np.int32)
        key = (name.rpartition(".")[2], values.shape, values.tobytes())
        if key not in self.names:
            self.names[key] = name
            self.parameters[name] = Parameter(values, encoding)
        return self.names[key]
