"""The integers behind the floats that a file, or the model it was exported from, computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bitfold.build.frontend.comparison import FLOAT32_BITS, row_signs
from bitfold.build.frontend.plan import Activation, Linear, Plan
from bitfold.models.errors import FrontendError
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


def trace(
    network: Network,
    plan: Plan,
    x: np.ndarray,
    layers: Sequence[np.ndarray],
    scores: np.ndarray,
    edge: np.ndarray | None = None,
) -> Trace:
    """The integers behind the float32 of each sum and of each quantizer behind the input's.

    `x` (rows, *sample_shape) float32 is what they were computed from, and `edge` what the input's
    quantizer gave, where it is known. Raises FrontendError where `plan`, that of the file, has
    others.
    """
    if len(layers) != len(plan.layers):
        raise FrontendError(
            f"{network.name}: {len(layers)} layers and quantizers ran, but its QONNX file has "
            f"{len(plan.layers)}; export it again"
        )
    integers = network.quantize(x)
    if edge is not None:
        integers = plan.input.reals.integers(edge.reshape(integers.shape))
    tensors, rounded = {network.input: integers}, {}
    nodes = {node.name: node for node in network.nodes}
    for layer, values in zip(plan.layers, layers):
        node = nodes[layer.name]
        reals = values.reshape(len(x), -1)
        integers = layer.reals.integers(reals)
        if not isinstance(layer, Activation):
            if network.values[node.output].encoding.bits > FLOAT32_BITS:
                continue
            rounded[node.output] = layer.reals.of(integers) != reals
        if isinstance(layer, Linear):
            weight = network.parameter(node, "weights").values
            integers = integers * row_signs(layer.matrix, weight)
        tensors[node.output] = integers
    return Trace(tensors, rounded, scores.reshape(len(x), -1))
