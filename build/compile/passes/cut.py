"""Ends a network behind one of its nodes."""

from __future__ import annotations

from dataclasses import replace

from bitfold.models.network import Network
from bitfold.models.node import Node


def cut_behind(network: Network, node: Node) -> Network:
    """`network` up to `node`, whose output becomes the network's; there is no head then.

    Needs: `node` is one of the network's nodes. Leaves: what `node` is made of, as it was.
    """
    needed = set(node.inputs)
    kept = [node]
    for other in reversed(network.nodes[: network.nodes.index(node)]):
        if not needed.isdisjoint(other.outputs):
            kept.insert(0, other)
            needed.update(other.inputs)
    made = needed.union(*(other.outputs for other in kept))
    given = {name for other in kept for name in other.parameters}
    return replace(
        network,
        nodes=tuple(kept),
        values={name: value for name, value in network.values.items() if name in made},
        parameters={name: p for name, p in network.parameters.items() if name in given},
        output=node.output,
        head=(),
        labels=(),
    )
