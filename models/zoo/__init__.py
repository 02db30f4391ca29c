"""The topologies that bitfold trains, one a file, and the table of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from bitfold.models.errors import TrainingError
from bitfold.models.quantization import quantization as quantization_named

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Topology:
    """A shape of network, in words, and its data; `name` is also the name of its file.

    All of it is part of the recipe's hash.
    """

    name: str
    dataset: str
    layers: str


_ALL = (
    Topology("irisnet", "iris", "4-30-30-30-3, the 30x30 layer applied twice"),
    Topology("iris_64_32_32", "iris", "4-64-32-32-3"),
    Topology("iris_64_64", "iris", "4-64-64-3"),
    Topology("iris_petals", "iris", "4-8-3; a thermometer has 8 levels, on the petals only"),
    Topology("tfc", "mnist", "784-64-64-64-10"),
    Topology("digits_conv", "digits", "8x8x1, 3x3 convolutions 16 and 32, pool, 128-10"),
    Topology(
        "fashion_conv",
        "fashion-mnist",
        "28x28x1, 3x3 convolutions 16, pool, 32, 32, pool, 512-64-10",
    ),
    Topology("resnet8", "cifar10", "32x32x3, 16, three residual pairs 16, 32, 64, average, 64-10"),
    Topology(
        "separable",
        "cifar10",
        "32x32x3, 16, four depthwise and 1x1 pairs 32, 64, 64, 128, average, 128-10",
    ),
    Topology(
        "cnv",
        "cifar10",
        "32x32x3, 3x3 convolutions 64, 64, pool, 128, 128, pool, 256, 256, 256-512-512-10",
    ),
)
TOPOLOGIES: dict[str, Topology] = {topology.name: topology for topology in _ALL}

ANY_TABLE = Topology("mlp_64_32_32", "table", "features-64-32-32-classes")
"""For tables of any number of features and classes."""


def topology(name: str) -> Topology:
    """The topology of that name. Raises TrainingError, naming all there are."""
    if name == ANY_TABLE.name:
        return ANY_TABLE
    if name not in TOPOLOGIES:
        raise TrainingError(
            f"topology {name!r} is not known; choose one of {', '.join(TOPOLOGIES)}"
        )
    return TOPOLOGIES[name]


def build(
    topology_name: str, quantization_name: str, features: int = 0, classes: int = 0
) -> nn.Module:
    """An untrained module, its weights drawn from torch's global generator.

    It maps (rows, features) float32 to (rows, classes) float32; both numbers are the topology's
    own, and those given only for ANY_TABLE. Raises TrainingError for a name that is not known.
    """
    # Here and not above: the table of names is of use without torch, which takes a second to load.
    file = import_module(f"{__name__}.{topology(topology_name).name}")
    quantization = quantization_named(quantization_name)
    if topology_name == ANY_TABLE.name:
        return file.build(quantization, features, classes)
    return file.build(quantization)
