"""A stage: anything that computes a network, and what of its tensors it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from bitfold.build.workflows.samples import Samples
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.overlays.bundle import Bundle


@dataclass(frozen=True)
class Shown:
    """What a stage shows of a batch: integers (rows, elements) or (rows, *shape) int64 by the
    tensor's name.

    `rounded` says, likewise and bool, which of these sums the stage itself has only as a rounded
    float32. `scores` are the model's own, where the stage makes them.
    """

    tensors: Mapping[str, np.ndarray]
    scores: np.ndarray | None = None
    rounded: Mapping[str, np.ndarray] = field(default_factory=dict)


class Stage(Protocol):
    """Something that computes `network`, whose names are those of its tensors."""

    label: str
    """What the user calls it."""
    network: Network
    bundle: Bundle | None
    """The overlay that it is, or runs on, where there is one."""

    def run(self, samples: Samples) -> Shown:
        """What it makes of the samples.

        The input and the output are always shown. Raises a BitfoldError.
        """

    def parameter(self, node: Node) -> np.ndarray | None:
        """The weights or thresholds that it has for `node`; None where nobody can tell."""


def parameter_of(network: Network, node: Node) -> np.ndarray | None:
    """The weights or thresholds of `node`; None where it has none."""
    return network.parameters[node.parameters[0]].values if node.parameters else None


@dataclass(frozen=True)
class NetworkStage:
    """The integer network itself, the reference."""

    label: str
    network: Network
    bundle: Bundle | None = None

    def run(self, samples: Samples) -> Shown:
        tensors = self.network.trace(samples.integers(self.network))
        return Shown(tensors, self.network.scores(tensors[self.network.output]))

    def parameter(self, node: Node) -> np.ndarray | None:
        return parameter_of(self.network, node)
