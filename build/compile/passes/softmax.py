"""Pass: lets the overlay turn scores into probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitfold.build.compile.passes.argmax import check_head
from bitfold.models.encoding import Encoding
from bitfold.models.errors import OverlayError
from bitfold.models.host import HostOp
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Softmax
from bitfold.models.ops.softmax import MAX_CLASSES, WHOLE, scaled
from bitfold.models.value import Value


def share_on_chip(network: Network, form: str = "reduced") -> Network:
    """`network` with a Softmax of that form behind its last layer, and a head that divides the
    shares by 255.

    Requires 2 to 64 classes and a head that makes scores of the integers by one positive number:
    Mul and Div, for the reduced form also Add and Sub of one number for all, which a softmax does
    not see; a Softmax may end it. Raises OverlayError for any other.
    """
    if network.last.kind == "Softmax":
        return network
    if network.decides_class:
        raise OverlayError(f"{network.name}: it gives the class already; compile its scores")
    size = network.output_value.size
    if size > MAX_CLASSES:
        raise OverlayError(
            f"{network.name}: softmax of {size} classes; the overlay takes at most {MAX_CLASSES}: "
            "leave the scores to the host"
        )
    check_head(network, "shares can't be computed")
    kinds = [step.kind for step in network.head]
    if "Softmax" in kinds[:-1]:
        raise OverlayError(
            f"{network.name}: the shares can't be computed on chip: {kinds[-1]} follows the "
            "model's Softmax; leave the scores to the host"
        )
    if form == "plain" and {"Add", "Sub"} & set(kinds):
        raise OverlayError(
            f"{network.name}: the plain softmax takes scores that are the integers times a number, "
            "but the model adds one; take the range-reduced softmax"
        )
    scale = 1.0
    for step in network.head:
        if step.operands:
            operand = float(np.ravel(step.operands[0])[0])
            scale *= {"Mul": operand, "Div": 1 / operand}.get(step.kind, 1.0)
    multiplier, shift = scaled(scale, form)
    node = Node("softmax", Softmax(multiplier, shift, form), (network.output,), ("shares",))
    shares = Value((size,), Encoding.of(f"UINT{WHOLE.bit_length()}"))
    return replace(
        network,
        values={**network.values, "shares": shares},
        nodes=(*network.nodes, node),
        output="shares",
        head=(HostOp("Div", (np.float32(WHOLE),)),),
    )
