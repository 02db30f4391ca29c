"""Kernel: what one piece of hardware computes. Networks are fused into kernels here, for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import ArgMax, Conv2d, Dense, Flatten, Op, Softmax, SumPool, Threshold

AnyOp = TypeVar("AnyOp", bound=Op)

_FUSES: dict[type[Op], tuple[type[Op], ...]] = {
    Flatten: (Dense,),
    Dense: (Threshold, ArgMax, Softmax),
    Conv2d: (Threshold,),
    SumPool: (Threshold,),
}
"""What takes its input from an op, where nobody else reads it."""


@dataclass(frozen=True)
class Kernel:
    """Nodes of which each takes what the one before makes, and nobody else does."""

    nodes: tuple[Node, ...]

    @property
    def name(self) -> str:
        """What the user calls the layer: the name of its product, or else of its first node."""
        return (self.product or self.nodes[0]).name

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the values that it reads."""
        return self.nodes[0].inputs

    @property
    def output(self) -> str:
        """The name of the value that it makes."""
        return self.nodes[-1].output

    @property
    def product(self) -> Node | None:
        """The node that multiplies by weights; None if there is none."""
        return self.part(Dense) or self.part(Conv2d)

    def part(self, op: type[Op]) -> Node | None:
        """The node in it with an operation of that type; None if there is none."""
        return next((node for node in self.nodes if isinstance(node.op, op)), None)


def products(network: Network) -> tuple[str, ...]:
    """The layers that multiply by weights, in order."""
    return tuple(kernel.name for kernel in fuse(network) if kernel.product)


def dense_layers(network: Network) -> tuple[str, ...]:
    """Those of them that are dense, which can become logic."""
    return tuple(kernel.name for kernel in fuse(network) if kernel.part(Dense))


def weights_of(network: Network, kernel: Kernel) -> np.ndarray:
    """The weights (rows, columns) of a kernel's Dense, for inputs as they lie in memory: what a
    Flatten in front of it moves, its columns move instead."""
    weights = network.parameter(kernel.product, "weights").values
    if kernel.part(Flatten) is None:
        return weights
    moved = np.empty_like(weights)
    moved[:, flattened_order(network, kernel)] = weights
    return moved


def flattened_order(network: Network, kernel: Kernel) -> np.ndarray:
    """Which element of its input, as that lies in memory, each column of a Dense behind a Flatten
    takes."""
    flatten = kernel.part(Flatten)
    value = network.values[flatten.input]
    ((order,),) = flatten.op.evaluate([np.arange(value.size).reshape(1, *value.shape)], [])
    return order


def fuse(network: Network) -> tuple[Kernel, ...]:
    """The kernels of `network`, in an order in which each finds its inputs made."""
    groups: dict[str, list[Node]] = {}  # by the value that the last node of each makes
    for node in network.nodes:
        group = groups.get(node.inputs[0])
        if group and _takes_over(network, group[-1], node):
            del groups[node.inputs[0]]
            groups[node.output] = [*group, node]
        else:
            groups[node.outputs[0]] = [node]
    order = {node.name: place for place, node in enumerate(network.nodes)}
    return tuple(
        Kernel(tuple(group))
        for group in sorted(groups.values(), key=lambda group: order[group[0].name])
    )


def _takes_over(network: Network, producer: Node, node: Node) -> bool:
    """Whether only `node` reads what `producer` makes, and the two can be fused."""
    value = producer.outputs[0]
    alone = network.output != value and len(network.readers(value)) == 1
    return alone and isinstance(node.op, _FUSES.get(type(producer.op), ()))
