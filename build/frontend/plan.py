"""Plan: the layers of a file, exact in integers, whose thresholds are still float32 operations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from bitfold.build.frontend.operators import Quantizer
from bitfold.build.frontend.reals import Reals
from bitfold.build.frontend.source import Operation
from bitfold.models.host import HostOp
from bitfold.models.ops import Conv2d, Dense, Flatten, MaxPool, Op, SumPool

INPUT = "input"
"""The name of the network's input among the values that layers read."""


@dataclass(frozen=True)
class Linear:
    """Exact sums: what `op` makes with `weights`, int64 and shaped as it has them, rows in front;
    `reals` is what the sums stand for.

    `input` names the value that it reads, and `source` is the operation that gives those reals.
    """

    name: str
    op: Dense | Conv2d
    input: str
    weights: np.ndarray
    reals: Reals
    source: Operation

    @property
    def matrix(self) -> np.ndarray:
        """The weights (rows, columns)."""
        return self.weights.reshape(len(self.weights), -1)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)

    @property
    def output(self) -> str:
        """The name of the value that it makes."""
        return f"{self.name}.sums"


@dataclass(frozen=True)
class Activation:
    """Integers to integers, by way of the source's own float32 operations.

    `before` is what the integers of `input` stand for, and `levels` the integers that come out.
    `features` are those of each pixel, where the integers are a feature map. `source` is the
    operation that gives the reals that `levels` stands for; None where a pooling stands in between,
    which the source does before its quantizer.
    """

    name: str
    input: str
    before: Reals
    features: int
    operations: tuple[Operation, ...]
    levels: Quantizer
    source: Operation | None

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)

    @property
    def output(self) -> str:
        """The name of the value that it makes."""
        return self.name.removesuffix(".threshold") + ".activations"

    @property
    def reals(self) -> Reals:
        return self.levels.reals

    def __call__(self, integers: np.ndarray) -> np.ndarray:
        """(rows, features) integers to the integers (rows, features) int64 of the source."""
        reals = self.before.of(integers)
        for operation in self.operations:
            reals = operation(reals)
        return self.reals.integers(reals)


@dataclass(frozen=True)
class Direct:
    """What `op`, which has no parameters, makes of the integers of `inputs`: it stands for `reals`.

    `source` is the operation that gives these, None where there is none."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    reals: Reals
    source: Operation | None

    @property
    def output(self) -> str:
        """The name of the value that it makes."""
        return f"{self.name}.{_MADE.get(type(self.op), 'joined')}"


_MADE = {MaxPool: "largest", SumPool: "sums", Flatten: "features"}
Layer = Linear | Activation | Direct


@dataclass(frozen=True)
class Plan:
    """A network whose thresholds are still float32 operations.

    `edge` gives the reals that the integers of `input` stand for, `input_shape` their shape in the
    network; the edge is None where these are declared.
    `layers` are in the order of the file, `output` names the value of the last one.
    """

    input: Quantizer
    input_shape: tuple[int, ...]
    edge: Operation | None
    # How the integers of the input are made of what the source takes.
    quantizer: tuple[HostOp, ...]
    layers: tuple[Layer, ...]
    output: str
    head: tuple[HostOp, ...]

    @property
    def chains(self) -> tuple[tuple[Layer, ...], ...]:
        """The layers in runs without branches: Linear and Activation by turns, each of which reads
        what the one before makes, and nobody else does. A convolution begins one; a Direct is
        alone.

        In an order in which each run finds its inputs made.
        """
        readers = Counter(name for layer in self.layers for name in layer.inputs)
        readers[self.output] += 1
        chains: dict[str, list[Layer]] = {}  # by the value that the last layer of each makes
        for layer in self.layers:
            first = layer.inputs[0]
            chain = chains.pop(first, []) if readers[first] == 1 else []
            convolves = isinstance(layer, Linear) and isinstance(layer.op, Conv2d)
            if chain and (convolves or {type(chain[-1]), type(layer)} != {Linear, Activation}):
                chains[first], chain = chain, []
            chains[layer.output] = [*chain, layer]
        order = {layer.name: place for place, layer in enumerate(self.layers)}
        return tuple(
            tuple(chain) for chain in sorted(chains.values(), key=lambda c: order[c[0].name])
        )
