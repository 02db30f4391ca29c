"""What the tests of `bitfold diff` work with: one network, its foldings, and faults in it."""

from __future__ import annotations

from pathlib import Path

from support.command_line import bitfold, read, works
from support.faults import Fault
from support.random_networks import Shape

from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Dense
from bitfold.overlays.dataflow.fold import Fold

SHAPE = Shape(
    (6, 5, 4, 3), ("UINT4", "UINT2", "BIPOLAR"), ("INT3", "BIPOLAR", "INT4"), None, False, False
)
FOLDED = {"fc0": Fold(5, 3), "fc1": Fold(2, 5), "fc2": Fold(1, 2)}
UNROLLED = {"fc0": Fold(5, 6, 1), "fc1": Fold(4, 5, 2), "fc2": Fold(3, 4, 1)}
FAULTS = [Fault("fc0", 3, 4, 2), Fault("fc1", 1, 2), Fault("fc2", 2, 0, 3)]
LAYERS = [fault.layer for fault in FAULTS]


def keep(network: Network, folder: str) -> None:
    Path(folder).mkdir()
    network.save(Path(folder))


def differ(*arguments: object) -> dict:
    """What --json says of two stages that differ."""
    ran = bitfold("diff", *arguments, "--json", "diff.json")
    assert ran.exit_code == 1, ran.output
    said = read(Path("diff.json"))
    assert said["equal"] is False and said["failed"] is True
    assert said["says"] in ran.stdout
    return said


def equal(*arguments: object) -> dict:
    said = works("diff", *arguments, "--json", "diff.json")
    assert said.startswith("equal: ")
    return read(Path("diff.json"))


def assert_is(said: dict, expected: tuple, network: Network) -> None:
    """That the first place is the expected one of `first_difference`."""
    value, sample, channel, *integers = expected
    (node,) = (node for node in network.nodes if node.output == value)
    first = said["first"]
    assert (first["sample"], first["channel"]) == (sample, channel)
    assert [first["a"]["value"], first["b"]["value"]] == integers
    layer = node if isinstance(node.op, Dense) else behind(network, node)
    assert first["layer"] == layer.name
    assert said["says"].startswith(f"{layer.name}, channel {channel}, sample {sample}: ")


def behind(network: Network, node: Node) -> Node:
    """The layer that a threshold belongs to."""
    return next(other for other in network.nodes if other.output == node.input)
