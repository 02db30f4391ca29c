"""Pass: lets the overlay choose the class, where that is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.errors import OverlayError
from bitfold.models.network import ArgMax, Network, Tensor


def choose_class_on_chip(network: Network) -> Network:
    """`network` with an ArgMax behind its last layer and nothing left to the head.

    Requires a head that `check_head` passes. Raises OverlayError for any other.
    """
    if network.decides_class:
        return network
    check_head(network, "class can't be chosen")
    size = network.tensors[network.output].size
    tensors = {**network.tensors, "class": Tensor(1, Encoding.for_range(0, size - 1))}
    nodes = (*network.nodes, ArgMax("argmax", network.output, "class"))
    return replace(network, tensors=tensors, nodes=nodes, output="class", head=())


def check_head(network: Network, what: str) -> None:
    """Raises OverlayError, saying `what`, unless the head keeps the order of two integers or more:
    Mul and Div by one positive number, Add and Sub of one number for all, Softmax."""
    if network.tensors[network.output].size < 2:
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
