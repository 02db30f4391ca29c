"""The integers behind the floats that a file, or the model it was exported from, computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bitfold.build.frontend import operators
from bitfold.build.frontend.comparison import FLOAT32_BITS, execute, read_plan, row_signs
from bitfold.build.frontend.layers import Linear, Plan
from bitfold.build.frontend.source import Source
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


@dataclass(frozen=True)
class Traceable:
    """A QONNX file, and the `network` that read_qonnx made of it."""

    network: Network
    source: Source
    plan: Plan

    @staticmethod
    def read(path: Path, network: Network) -> Traceable:
        """Raises FrontendError."""
        return Traceable(network, *read_plan(path, network))

    def execute(self, x: np.ndarray) -> Trace:
        """What qonnx's executor makes of `x` (rows, *sample_shape) float32.

        Raises FrontendError.
        """
        tensors = execute(self.source, x)
        choice = next((o for o in self.source.chain if o.kind in operators.CHOICE), None)
        scores = tensors[choice.input if choice else self.source.model.graph.output[0].name]
        return self.integers(
            x, [tensors[layer.source.output] for layer in self.plan.layers], scores
        )

    def integers(self, x: np.ndarray, layers: Sequence[np.ndarray], scores: np.ndarray) -> Trace:
        """The integers behind what the model gave that was exported to the file.

        `layers`: float32 of each sum and of each quantizer behind the input's, in order. Raises
        FrontendError where the file has others.
        """
        network = self.network
        if len(layers) != len(self.plan.layers):
            raise FrontendError(
                f"{network.name}: {len(layers)} layers and quantizers ran, but its QONNX file has "
                f"{len(self.plan.layers)}; export it again"
            )
        tensors, rounded = {network.input: network.quantize(x)}, {}
        for layer, node, values in zip(self.plan.layers, network.nodes, layers):
            reals = values.reshape(len(x), -1)
            integers = layer.reals.integers(reals)
            if isinstance(layer, Linear):
                if network.tensors[node.output].encoding.bits > FLOAT32_BITS:
                    continue
                rounded[node.output] = layer.reals.of(integers) != reals
                weight = network.parameters[node.weight].values
                integers = integers * row_signs(layer.matrix, weight)
            tensors[node.output] = integers
        return Trace(tensors, rounded, scores.reshape(len(x), -1))
