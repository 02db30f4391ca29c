"""Which layer of one network is which of another: by place, as exporters differ in names."""

from __future__ import annotations

from dataclasses import dataclass

from bitfold.build.inspect.diff.stages import Stage
from bitfold.models.errors import InputError
from bitfold.models.network import Network
from bitfold.models.node import Node

KINDS = {
    "Dense": "accumulator",
    "Conv2d": "accumulator",
    "Threshold": "activation",
    "ArgMax": "class",
    "Softmax": "share",
    "Add": "sum",
    "SumPool": "sum",
}
"""What the integers of an op are, in a word; of any other they are its values."""


@dataclass(frozen=True)
class Layer:
    """What both networks compute at one place, in the order of the stages.

    `name` is the first one's, or "input"; `kind` says in a word what the integers are; `nodes` is
    empty for the input.
    """

    name: str
    kind: str
    tensors: tuple[str, str]
    nodes: tuple[Node, ...] = ()

    def reads(self, other: Layer) -> bool:
        """Whether it takes what `other` makes."""
        return bool(self.nodes) and other.tensors[0] in self.nodes[0].inputs

    @property
    def has_weights(self) -> bool:
        return self.kind == "accumulator"

    @property
    def is_threshold(self) -> bool:
        return self.kind == "activation"


def align(a: Stage, b: Stage) -> list[Layer]:
    """The layers that both stages have, from the input on. Where only one goes on with an argmax or
    softmax, that is left out.

    Raises InputError for networks of another shape.
    """
    networks = a.network, b.network
    sizes = [network.input_value.size for network in networks]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"{a.label} takes {sizes[0]} features, {b.label} {sizes[1]}: they are not one network"
        )
    layers = [Layer("input", "input", (a.network.input, b.network.input))]
    same = {a.network.input: b.network.input}
    for nodes in zip(a.network.nodes, b.network.nodes):
        shapes = [_shape(network, node) for network, node in zip(networks, nodes)]
        if shapes[0] != shapes[1]:
            names = dict.fromkeys(node.name for node in nodes)
            raise InputError(
                f"{a.label} has {shapes[0]} where {b.label} has {shapes[1]} "
                f"({' and '.join(names)}): they are not one network"
            )
        if tuple(same[name] for name in nodes[0].inputs) != nodes[1].inputs:
            raise InputError(
                f"{nodes[0].name} in {a.label} reads other values than {nodes[1].name} in "
                f"{b.label}: they are not one network"
            )
        same.update(zip(nodes[0].outputs, nodes[1].outputs))
        kind = KINDS.get(nodes[0].kind, "value")
        layers.append(Layer(nodes[0].name, kind, tuple(node.output for node in nodes), nodes))
    longer, shorter = sorted((a, b), key=lambda stage: -len(stage.network.nodes))
    for node in longer.network.nodes[len(layers) - 1 :]:
        if not node.op.ends_network:
            raise InputError(
                f"{longer.label} goes on with {node.name} where {shorter.label} ends: they are not "
                "one network"
            )
    return layers


def _shape(network: Network, node: Node) -> str:
    size = network.values[node.output].size
    return f"a {node.kind} with {size} output{'s' if size > 1 else ''}"
