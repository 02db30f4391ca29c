"""Plan: the layers of a file, exact in integers, whose thresholds are still float32 operations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from bitfold.build.frontend.operators import Quantizer
from bitfold.build.frontend.reals import Reals
from bitfold.build.frontend.source import Operation
from bitfold.models.host import HostOp
from bitfold.models.ops import Op

INPUT = "input"
"""The name of the network's input among the values that layers read."""


@dataclass(frozen=True)
class Linear:
    """Exact sums: `matrix` (rows, columns) int64; `reals` is what the sums stand for.

    `input` names the value that it reads, and `source` is the operation that gives those reals.
    """

    name: str
    input: str
    matrix: np.ndarray
    reals: Reals
    source: Operation

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
    """

    name: str
    input: str
    before: Reals
    features: int
    operations: tuple[Operation, ...]
    levels: Quantizer

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)

    @property
    def output(self) -> str:
        """The name of the value that it makes."""
        return self.name.removesuffix(".threshold") + ".activations"

    @property
    def source(self) -> Operation:
        """The operation that gives the reals that `levels` stands for."""
        return self.operations[-1]

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
class Join:
    """Where branches meet: what `op` makes of the integers of `inputs` stands for `reals`."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    reals: Reals
    source: Operation

    @property
    def output(self) -> str:
        """The name of the value that it makes."""
        return f"{self.name}.joined"


Layer = Linear | Activation | Join


@dataclass(frozen=True)
class Plan:
    """A network whose thresholds are still float32 operations.

    `edge` gives the reals that the integers of `input` stand for; None where these are declared.
    `layers` are in the order of the file, `output` names the value of the last one.
    """

    input: Quantizer
    edge: Operation | None
    # How the integers of the input are made of what the source takes.
    quantizer: tuple[HostOp, ...]
    layers: tuple[Layer, ...]
    output: str
    head: tuple[HostOp, ...]

    @property
    def chains(self) -> tuple[tuple[Layer, ...], ...]:
        """The layers in runs without branches: Linear and Activation by turns, each of which reads
        what the one before makes, and nobody else does. A Join is alone.

        In an order in which each run finds its inputs made.
        """
        readers = Counter(name for layer in self.layers for name in layer.inputs)
        readers[self.output] += 1
        chains: dict[str, list[Layer]] = {}  # by the value that the last layer of each makes
        for layer in self.layers:
            first = layer.inputs[0]
            chain = chains.pop(first, []) if readers[first] == 1 else []
            if chain and {type(chain[-1]), type(layer)} != {Linear, Activation}:
                chains[first], chain = chain, []
            chains[layer.output] = [*chain, layer]
        order = {layer.name: place for place, layer in enumerate(self.layers)}
        return tuple(
            tuple(chain) for chain in sorted(chains.values(), key=lambda c: order[c[0].name])
        )
