"""Pass: what an overlay makes of its last layer's integers, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bitfold.build.compile.passes.argmax import choose_class_on_chip
from bitfold.build.compile.passes.softmax import share_on_chip
from bitfold.models.network import Network

HEADS: dict[str, Callable[[Network], Network]] = {
    "scores": lambda network: network,
    "argmax": choose_class_on_chip,
    "softmax": share_on_chip,
    "plain-softmax": partial(share_on_chip, form="plain"),
}
"""The integers themselves, the class, or 8-bit shares: range-reduced, or as published."""


def head_of(network: Network) -> str:
    """Which of HEADS was made of the network's last layer."""
    if network.last.kind == "Softmax":
        return "plain-softmax" if network.last.op.form == "plain" else "softmax"
    return "argmax" if network.decides_class else "scores"
