"""The integers behind the floats that a file, or the model it was exported from, computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bitfold.build.frontend.comparison import FLOAT32_BITS, as_value, at_input, row_signs
from bitfold.build.frontend.operators import CONVOLUTION, DENSE, QUANTIZER
from bitfold.build.frontend.plan import Direct, Layer, Linear, Plan
from bitfold.build.frontend.source import Source
from bitfold.models.network import Network


@dataclass(frozen=True)
class Trace:
    """Integers (rows, elements) int64 by the name of the network's tensor, and the scores float32.

    `rounded` says which of the sums are only rounded ones in float32. Sums that float32 can't hold
    are left out.
    """

    tensors: Mapping[str, np.ndarray]
    rounded: Mapping[str, np.ndarray]
    scores: np.ndarray


def computed(source: Source, plan: Plan) -> list[Layer]:
    """The layers that a model computes too: sums of products, and quantizers behind the input's, in
    the order of its file."""
    places = {operation.output: place for place, operation in enumerate(source.operations)}
    kinds = CONVOLUTION | DENSE | QUANTIZER
    known = [layer for layer in plan.layers if layer.source and layer.source.kind in kinds]
    return sorted(known, key=lambda layer: places[layer.source.output])


def trace(
    network: Network,
    plan: Plan,
    x: np.ndarray,
    layers: Mapping[str, np.ndarray],
    scores: np.ndarray,
    edge: np.ndarray | None = None,
) -> Trace:
    """The integers behind the float32 of layers, by name; those of additions, pooling and the like
    that are not there follow from the others.

    `x` (rows, *sample_shape) float32 is what they were computed from, and `edge` what the input's
    quantizer gave, where it is known. `plan` is that of the file.
    """
    integers = network.quantize(x)
    if edge is not None:
        integers = plan.input.reals.integers(at_input(network, edge))
    tensors, rounded = {network.input: integers}, {}
    nodes = {node.name: node for node in network.nodes}
    for layer in plan.layers:
        node = nodes[layer.name]
        if layer.name not in layers:
            if isinstance(layer, Direct) and all(name in tensors for name in layer.inputs):
                made = network.apply(node, *(tensors[name] for name in layer.inputs))
                tensors.update(zip(node.outputs, made))
            continue
        reals = as_value(layers[layer.name], network.values[node.output])
        integers = layer.reals.integers(reals)
        if layer.source.kind not in QUANTIZER:
            if network.values[node.output].encoding.bits > FLOAT32_BITS:
                continue
            rounded[node.output] = layer.reals.of(integers) != reals
        if isinstance(layer, Linear):
            weight = network.parameter(node, "weights").values
            integers = integers * row_signs(layer.matrix, weight)
        tensors[node.output] = integers
    return Trace(tensors, rounded, scores.reshape(len(x), -1))
