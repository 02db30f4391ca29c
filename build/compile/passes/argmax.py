"""Pass: lets the overlay choose the class, where that is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.errors import OverlayError
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import ArgMax
from bitfold.models.value import Value


def choose_class_on_chip(network: Network) -> Network:
    """`network` with an ArgMax behind its last layer and nothing left to the head.

    Requires a head that `check_head` passes. Raises OverlayError for any other.
    """
    if network.decides_class:
        return network
    check_head(network, "class can't be chosen")
    size = network.output_value.size
    tensors = {**network.values, "class": Value((1,), Encoding.for_range(0, size - 1))}
    nodes = (*network.nodes, Node("argmax", ArgMax(), (network.output,), ("class",)))
    return replace(network, values=tensors, nodes=nodes, output="class", head=())


def check_head(network: Network, what: str) -> None:
    """Raises OverlayError, saying `what`, unless the head keeps the order of two integers or more:
    Mul and Div by one positive number, Add and Sub of one number for all, Softmax."""
    if network.output_value.size < 2:
        raise OverlayError(
            f"{network.name}: one output has no largest; leave the class to the host"
        )
    for step in network.head:
        values = np.unique(np.concatenate([np.ravel(v) for v in step.operands] or [np.ones(1)]))
        alike = len(values) == 1
        positive = alike and values[0] > 0
        if not (
            (step.kind in ("Mul", "Div") and positive)
            or (step.kind in ("Add", "Sub") and alike)
            or step.kind == "Softmax"
        ):
            raise OverlayError(
                f"{network.name}: the {what} on chip: the model's last {step.kind} "
                "treats classes differently or turns them over, so that the largest integer need "
                "not be the largest score; leave the class to the host"
            )
