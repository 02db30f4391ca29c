"""Exact integers without hardware: the network itself as a device, with predicted cycles."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from bitfold.models.arguments import as_count, as_folder
from bitfold.models.arrays import as_samples
from bitfold.models.errors import DeviceError, InputError
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle, DataflowBundle
from bitfold.overlays.dataflow import call_cycles
from bitfold.runtime import cplusplus
from bitfold.runtime.arithmetic import CompiledNetwork, layers_of
from bitfold.runtime.device import Call
from bitfold.runtime.offload.schedule import batch_cycles
from bitfold.runtime.offload.steps import split
from bitfold.runtime.turns import Turns

MEMORY_LATENCY_CYCLES = 20
FRAMES_AT_ONCE = 4096
"""So that any batch runs in bounded memory in NumPy."""


class FunctionalDevice:
    """Gives what the overlay of `bundle` would give, and what it would cost.

    Where g++ is installed the arithmetic is compiled, once for all networks, to `cache`; elsewhere
    NumPy does it. `threads` 0 stands for all cores where a batch is worth it. Unlike the other
    devices it checks its input: `run` raises InputError as the network does.
    """

    name = "functional"

    def __init__(self, bundle: Bundle, cache: Path | None = None, threads: int = 0):
        self.bundle = bundle
        self.clock_mhz = bundle.clock_mhz
        self._cache = as_folder(cache, "cache")
        self._threads = as_count(threads, "threads", 0, 1024)
        self._network: Network | None = None
        self.turns = Turns("the functional device")
        if isinstance(bundle, DataflowBundle):
            self.load(bundle.network)

    def load(self, network: Network) -> None:
        self.turns.take(lambda: self._load(network))

    def run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        return self.turns.take(lambda: self._run(x))

    def close(self) -> None:
        self.turns.close()

    def _load(self, network: Network) -> None:
        if network is self._network:
            return
        # Calls of one size cost the same, so they share what says so.
        cost = lru_cache(maxsize=256)(_cost_of(self.bundle, network))
        layers = layers_of(network) if cplusplus.is_installed() else None
        if layers:
            compute = CompiledNetwork(network, layers, self._cache, self._threads)
        else:
            compute = partial(in_numpy, network)
        self._network, self._compute, self._cost = network, compute, cost

    def _run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        if self._network is None:
            raise DeviceError(f"{self.bundle.name}: no network is loaded; load one first")
        outputs = self._compute(as_samples(x, self._network.name))
        return outputs, self._cost(len(outputs))


def in_numpy(network: Network, x: np.ndarray) -> np.ndarray:
    """What NumPy makes of `x`."""
    if x.ndim < 2 or len(x) <= FRAMES_AT_ONCE:
        return network(x)
    outputs = np.empty((len(x), network.tensors[network.output].size), np.int64)
    for start in range(0, len(x), FRAMES_AT_ONCE):
        part = slice(start, start + FRAMES_AT_ONCE)
        try:
            outputs[part] = network(x[part])
        except InputError:
            network.check_input(x)  # which tells the index in all of it
            raise
    return outputs


def _cost_of(bundle: Bundle, network: Network) -> Callable[[int], Call]:
    """What a batch of so many frames costs; a program is assembled once for all batches."""
    if isinstance(bundle, DataflowBundle):
        return lambda frames: Call(frames, call_cycles(bundle, frames, MEMORY_LATENCY_CYCLES))
    steps = split(bundle.engine, network)
    return lambda frames: Call(
        frames, batch_cycles(bundle.engine, steps, frames, MEMORY_LATENCY_CYCLES)
    )
