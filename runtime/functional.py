"""Exact integers without hardware: the network itself as a device, with predicted cycles."""

from __future__ import annotations

import numpy as np

from bitfold.overlays.bundle import Bundle
from bitfold.overlays.dataflow import call_cycles
from bitfold.runtime.device import Call

MEMORY_LATENCY_CYCLES = 20
FRAMES_AT_ONCE = 4096
"""So that any batch runs in bounded memory."""


class FunctionalDevice:
    """Gives what the overlay of `bundle` would give, and what it would cost."""

    name = "functional"

    def __init__(self, bundle: Bundle):
        self.bundle = bundle

    def run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        outputs = np.empty((len(x), self.bundle.output.elements), np.int64)
        for start in range(0, len(x), FRAMES_AT_ONCE):
            part = slice(start, start + FRAMES_AT_ONCE)
            outputs[part] = self.bundle.network(x[part])
        cycles = call_cycles(self.bundle, len(x), MEMORY_LATENCY_CYCLES)
        return outputs, Call(frames=len(x), predicted_cycles=cycles)

    def close(self) -> None:
        pass
