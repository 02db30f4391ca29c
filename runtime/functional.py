"""Exact integers without hardware: the network itself as a device, with predicted cycles."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from bitfold.models.errors import DeviceError
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle, DataflowBundle, OffloadBundle
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
        self._network: Network | None = getattr(bundle, "network", None)

    def load(self, network: Network) -> None:
        self._network = network

    def run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        if self._network is None:
            raise DeviceError(f"{self.bundle.name}: no network is loaded; load one first")
        outputs = np.empty((len(x), self._network.tensors[self._network.output].size), np.int64)
        for start in range(0, len(x), FRAMES_AT_ONCE):
            part = slice(start, start + FRAMES_AT_ONCE)
            outputs[part] = self._network(x[part])
        cycles = _predicted_cycles(self.bundle, self._network, len(x))
        return outputs, Call(frames=len(x), predicted_cycles=cycles)

    def close(self) -> None:
        pass


@singledispatch
def _predicted_cycles(bundle: Bundle, network: Network, frames: int) -> int:
    raise NotImplementedError


@_predicted_cycles.register
def _(bundle: DataflowBundle, network: Network, frames: int) -> int:
    return call_cycles(bundle, frames, MEMORY_LATENCY_CYCLES)


@_predicted_cycles.register
def _(bundle: OffloadBundle, network: Network, frames: int) -> int:
    steps = split(bundle.engine, network)
    return batch_cycles(bundle.engine, steps, frames, MEMORY_LATENCY_CYCLES)
