"""Makes a Network of a plan, with the weights that FINN gives and thresholds that are checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from bitfold.build.frontend.plan import INPUT, Activation, Direct, Layer, Linear, Plan
from bitfold.build.frontend.problems import Problem, UnlowerableError, refuse
from bitfold.build.frontend.source import Source
from bitfold.build.frontend.streamlining import streamline
from bitfold.build.frontend.thresholds import (
    falling_feature,
    falling_features,
    negated,
    switching_points,
)
from bitfold.build.frontend.weights import MAX_BITS, narrowest
from bitfold.models.encoding import Encoding
from bitfold.models.host import features_behind
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Conv2d, Op, Threshold
from bitfold.models.value import Parameter, Value

_LARGEST_SUM = 2**31 - 2  # one more is the threshold that is never reached


def lower(
    source: Source, plan: Plan, name: str, info: dict[str, str], progress: Callable[[str], None]
) -> Network:
    """Raises FrontendError for layers that fit the limits only as the source has them."""
    lowering = _Lowering(source, plan)
    for chain in plan.chains:
        lowering.add(chain, progress)
    refuse(str(source.path), lowering.problems)
    outputs = features_behind(plan.head, lowering.values[plan.output].size)
    labels = source.names("class_names")
    return Network(
        name=name,
        sample_shape=source.sample_shape,
        quantizer=plan.quantizer,
        input=INPUT,
        output=plan.output,
        values=lowering.values,
        parameters=lowering.parameters,
        nodes=lowering.in_order(plan.layers),
        head=plan.head,
        labels=labels if len(labels) == outputs else (),
        info=info,
    )


class _Lowering:
    """A network while it grows, chain by chain."""

    def __init__(self, source: Source, plan: Plan):
        self.values = {INPUT: Value(plan.input_shape, plan.input.encoding)}
        self.parameters: dict[str, Parameter] = {}
        self.nodes: dict[str, Node] = {}
        self.problems: list[Problem] = []
        # Which integers each value holds, and the signs but for which they are those of the source.
        self.ranges = {INPUT: (plan.input.minimum, plan.input.maximum)}
        self.signs = {INPUT: np.int64(1)}
        self.names: dict[tuple, str] = {}

    def add(self, chain: Sequence[Layer], progress: Callable[[str], None]) -> None:
        """Adds layers of which each reads what the one before makes."""
        first = chain[0]
        if isinstance(first, Direct):
            with self._noting(first):
                self._add_node(first, first.op)
            return
        if isinstance(first, Activation):
            with self._noting(first):
                chain = (self._rising(first), *chain[1:])
        constants = streamline(chain, self.values[first.input].encoding, progress)
        for layer, constant in zip(chain, constants, strict=True):
            progress(f"checking {layer.name} against the source")
            with self._noting(layer):
                if isinstance(layer, Linear):
                    self._add_linear(layer, constant)
                else:
                    self._add_threshold(layer, constant)

    def in_order(self, layers: Sequence[Layer]) -> tuple[Node, ...]:
        """The nodes of `layers`, each behind what negates its input."""
        names = (name for layer in layers for name in (_negation(layer), layer.name))
        return tuple(self.nodes[name] for name in names if name in self.nodes)

    @contextmanager
    def _noting(self, layer: Layer) -> Iterator[None]:
        try:
            yield
        except UnlowerableError as error:
            name, kind = layer.name, type(layer).__name__
            if layer.source:
                name, kind = layer.source.name, layer.source.kind
            self.problems.append(Problem(name, kind, error.reason, error.remedy))

    def _rising(self, layer: Activation) -> Activation:
        """`layer` behind what negates the channels of a feature map that fall: behind weights FINN
        negates their rows, here there are none."""
        falling = falling_features(layer, *self.ranges[layer.input])
        if not falling.any():
            return layer
        if len(self.values[layer.input].shape) == 1:
            raise falling_feature(falling)
        signs = np.where(falling, -1, 1)
        op = Conv2d(groups=layer.features)
        reals = replace(layer.before, zero=layer.before.zero * signs)
        weights = signs.reshape(-1, 1, 1, 1)
        negation = Linear(_negation(layer), op, layer.input, weights, reals, layer.operations[0])
        weight = self._parameter(negation, "weight", weights, narrowest(weights))
        self._add_node(negation, op, weight)
        self.signs[negation.output] = signs
        return replace(layer, input=negation.output)

    def _add_linear(self, layer: Linear, signs: np.ndarray) -> None:
        matrix = layer.matrix * signs[:, None]
        encoding = narrowest(matrix)
        weight = self._parameter(layer, "weight", matrix.reshape(layer.weights.shape), encoding)
        self._add_node(layer, layer.op, weight)
        self.signs[layer.output] = signs
        if encoding.bits > MAX_BITS:
            raise UnlowerableError(
                f"a row with {matrix.min()}..{matrix.max()} is negated by a negative scale behind "
                f"it, and needs {encoding.bits} bits",
                "quantize the weights in the narrow range, without the lowest value",
            )

    def _add_threshold(self, layer: Activation, guess: np.ndarray) -> None:
        rising = negated(layer, self.signs[layer.input])
        levels, limits = layer.levels, self.ranges[layer.input]
        self.values[layer.output] = Value(self.values[layer.input].shape, levels.encoding)
        self.ranges[layer.output] = (levels.minimum, levels.maximum)
        self.signs[layer.output] = np.int64(1)
        points = switching_points(rising, *limits, guess)
        if (points == points[0]).all():
            points = points[:1]
        encoding = Encoding.for_range(int(points.min()), int(points.max()))
        name = self._parameter(layer, "thresholds", points, encoding)
        op = Threshold(levels.minimum, levels.encoding.step)
        self.nodes[layer.name] = Node(layer.name, op, layer.inputs, (layer.output,), (name,))

    def _add_node(self, layer: Linear | Direct, op: Op, *parameters: str) -> None:
        """Adds a node that makes sums, as narrow as its inputs and parameters allow."""
        self.nodes[layer.name] = Node(layer.name, op, layer.inputs, (layer.output,), parameters)
        self.signs[layer.output] = np.int64(1)
        inputs = [self.values[name] for name in layer.inputs]
        given = [self.parameters[name] for name in parameters]
        low, high = op.reach(inputs, given)[0].ends
        (shape,) = op.shapes(inputs, given)
        if max(high, -low) > _LARGEST_SUM:
            self.values[layer.output] = Value(shape, Encoding.of("INT32"))
            self.ranges[layer.output] = (-_LARGEST_SUM, _LARGEST_SUM)
            raise UnlowerableError(
                f"its sums reach {low}..{high}, beyond 32 bits",
                "use fewer inputs, or fewer bits for weights or activations",
            )
        (self.values[layer.output],) = op.infer(inputs, given)
        self.ranges[layer.output] = (low, high)

    def _parameter(
        self, layer: Linear | Activation, what: str, values: np.ndarray, encoding: Encoding
    ) -> str:
        """The name of the parameter with these values: equal values are one parameter, shared."""
        values = values.astype(np.int32)
        key = (what, values.shape, values.tobytes())
        if key not in self.names:
            name = f"{layer.name.removesuffix('.threshold')}.{what}"
            self.names[key] = name
            self.parameters[name] = Parameter(values, encoding)
        return self.names[key]


def _negation(layer: Layer) -> str:
    """The name of what negates the channels that `layer` takes and that fall there."""
    return f"{layer.name}.negation"
