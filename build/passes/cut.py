"""Ends a network behind one of its layers."""

from __future__ import annotations

from dataclasses import replace

from bitfold.models.network import Network, Node


def cut_behind(network: Network, node: Node) -> Network:
    """`network` up to `node`, whose output becomes the network's; there is no head then.

    Needs: `node` is one of the network's nodes. Leaves: all tensors up to there as they were.
    """
    kept = network.nodes[: network.nodes.index(node) + 1]
    return replace(network, nodes=kept, output=node.output, head=(), labels=())
