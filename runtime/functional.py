"""Exact integers without hardware: the network itself as a device, with predicted cycles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from bitfold.models.arguments import as_count, as_folder
from bitfold.models.arrays import as_samples
from bitfold.models.errors import DeviceError
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle, DataflowBundle
from bitfold.runtime import cplusplus
from bitfold.runtime.arithmetic import Applied, CompiledNetwork, layers_of
from bitfold.runtime.dataflow import check_network
from bitfold.runtime.device import Call
from bitfold.runtime.offload.assembler import Program
from bitfold.runtime.offload.disassembler import chain_of
from bitfold.runtime.offload.schedule import batch_cycles
from bitfold.runtime.offload.steps import run_steps, split
from bitfold.runtime.turns import Turns

MEMORY_LATENCY_CYCLES = 20
INTEGERS_AT_ONCE = 1 << 23
"""About how many of a value there are at once, so that any batch runs in bounded memory in NumPy.
"""


class FunctionalDevice:
    """Gives what the overlay of `bundle` would give, and what it would cost.

    Where g++ is installed the arithmetic is compiled, once for all networks, to `cache`; elsewhere
    NumPy does it. `threads` 0 stands for all cores where a batch is worth it. Unlike the other
    devices it checks its input: `run` raises InputError as the network does.
    """

    name = "functional"

    def __init__(self, bundle: Bundle, cache: Path | None = None, threads: int = 0):
        self.bundle = bundle
        self.clock_mhz = bundle.reached_mhz
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
        lowered = lower(self.bundle, network)
        # Calls of one size cost the same, so they share what says so.
        cost = lru_cache(maxsize=256)(lowered.cost)
        chain = lowered.chain if cplusplus.is_installed() else None
        layers = layers_of(network.input_value, chain) if chain else None
        if layers:
            last = chain[-1][0]
            compute = CompiledNetwork(network, layers, last, self._cache, self._threads)
        else:
            compute = partial(_in_numpy, lowered, network)
        self._network, self._compute, self._cost = network, compute, cost

    def _run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        if self._network is None:
            raise DeviceError(f"{self.bundle.name}: no network is loaded; load one first")
        outputs = self._compute(as_samples(x, self._network.name))
        return outputs, self._cost(len(outputs))


@dataclass(frozen=True)
class Lowered:
    """What the overlay does with a network: from integers (frames, elements) to outputs, and what a
    call of so many frames costs. `chain`: its ops one after the other, None where it branches."""

    run: Callable[[np.ndarray], np.ndarray]
    cost: Callable[[int], Call]
    chain: list[Applied] | None


def lower(bundle: Bundle, network: Network) -> Lowered:
    """What the overlay in `bundle` does with `network`. Raises DeviceError or OverlayError."""
    if isinstance(bundle, DataflowBundle):
        check_network(bundle, network)
        design = bundle.design
        return Lowered(
            design,
            lambda frames: Call(
                frames=frames,
                predicted_cycles=design.call_cycles(frames, MEMORY_LATENCY_CYCLES),
            ),
            design.chain,
        )
    steps = split(bundle.engine, network)

    def run_program(program: Program, x: np.ndarray) -> np.ndarray:
        starts = range(0, max(len(x), 1), program.frames)
        return np.concatenate(
            [program(bundle.engine, x[start : start + program.frames]) for start in starts]
        )

    return Lowered(
        lambda x: run_steps(network, steps, x, run_program),
        lambda frames: Call(
            frames=frames,
            predicted_cycles=batch_cycles(bundle.engine, steps, frames, MEMORY_LATENCY_CYCLES),
        ),
        chain_of(bundle.engine, network, steps),
    )


def _in_numpy(lowered: Lowered, network: Network, x: np.ndarray) -> np.ndarray:
    """What NumPy makes of `x`, in bounded memory. Raises InputError as `network` does."""
    x = network.check_input(x).reshape(len(x), network.input_value.size)
    step = max(1, INTEGERS_AT_ONCE // max(value.size for value in network.values.values()))
    parts = [lowered.run(x[start : start + step]) for start in range(0, len(x), step)]
    return np.concatenate(parts) if parts else lowered.run(x)
