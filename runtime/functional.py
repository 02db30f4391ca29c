"""Exact integers without hardware: the network itself as a device, with predicted cycles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bitfold.models.errors import DeviceError
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle, DataflowBundle
from bitfold.overlays.dataflow import call_cycles
from bitfold.runtime.device import Call
from bitfold.runtime.offload.schedule import batch_cycles
from bitfold.runtime.offload.steps import split

MEMORY_LATENCY_CYCLES = 20
FRAMES_AT_ONCE = 4096
"""So that any batch runs in bounded memory."""


class FunctionalDevice:
    """Gives what the overlay of `bundle` would give, and what it would cost."""

    name = "functional"

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self._network: Network | None = None
        if isinstance(bundle, DataflowBundle):
            self.load(bundle.network)

    def load(self, network: Network) -> None:
        self._cycles = _cycles_of(self.bundle, network)
        self._network = network

    def run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        if self._network is None:
            raise DeviceError(f"{self.bundle.name}: no network is loaded; load one first")
        outputs = np.empty((len(x), self._network.tensors[self._network.output].size), np.int64)
        for start in range(0, len(x), FRAMES_AT_ONCE):
            part = slice(start, start + FRAMES_AT_ONCE)
            outputs[part] = self._network(x[part])
        return outputs, Call(frames=len(x), predicted_cycles=self._cycles(len(x)))

    def close(self) -> None:
        pass


def _cycles_of(bundle: Bundle, network: Network) -> Callable[[int], int]:
    """What a batch of so many frames costs; a program is assembled once for all batches."""
    if isinstance(bundle, DataflowBundle):
        return lambda frames: call_cycles(bundle, frames, MEMORY_LATENCY_CYCLES)
    steps = split(bundle.engine, network)
    return lambda frames: batch_cycles(bundle.engine, steps, frames, MEMORY_LATENCY_CYCLES)
