"""What the runtime asks of a device, whatever is behind it: a board, the RTL, or arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from bitfold.models.network import Network
from bitfold.runtime.turns import Turns


@dataclass(frozen=True, kw_only=True)
class Call:
    """What one call on a device cost, in clock cycles.

    Measured figures come from the overlay's counters and are None on a device that has none;
    `latency_cycles` and `initiation_interval` are the core's.
    """

    frames: int
    predicted_cycles: int
    cycles: int | None = None
    latency_cycles: int | None = None
    initiation_interval: float | None = None
    busy_cycles: Mapping[str, int] = field(default_factory=dict)
    stalled_cycles: Mapping[str, int] = field(default_factory=dict)


@runtime_checkable
class Device(Protocol):
    """Runs frames of integers through the overlay of one bundle, for one thread after the other.

    Once closed it raises DeviceError, and so it does in a fork of its process.
    """

    name: str
    clock_mhz: float
    """The overlay's clock: of a board what it is set to, else what the bundle states."""

    turns: Turns
    """Each load and each run is one; take one for several that belong together."""

    def load(self, network: Network) -> None:
        """Makes `network` the one that runs.

        Raises DeviceError or OverlayError where the overlay can't run it.
        """

    def run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        """Integers (frames, in_features), or of the shape of the network's input, to integers
        (frames, outputs) int64, and the cost.

        Raises DeviceError.
        """

    def close(self) -> None:
        """Gives back what the device holds, once a call that runs has ended; and only once."""


class Buffer(Protocol):
    """Memory that the overlay reaches."""

    address: int
    """Where the overlay sees it, in bytes; a multiple of 8."""
    beats: np.ndarray
    """Where Python sees it: uint64, one a beat."""

    def flush(self) -> None:
        """Makes what Python wrote visible to the overlay."""

    def invalidate(self) -> None:
        """Makes what the overlay wrote visible to Python."""

    def free(self) -> None:
        """Gives the memory back, once; it goes back by itself where nobody holds the buffer."""


class Port(Protocol):
    """The way to an overlay's registers and memory.

    Several drivers may share it: each call is one turn.
    """

    turns: Turns
    memory_latency_cycles: int
    """From an address to its data, as predictions take it."""

    def read(self, offset: int) -> int:
        """The 32-bit register at byte `offset`."""

    def write(self, offset: int, value: int) -> None:
        """Sets the 32-bit register at byte `offset`."""

    def allocate(self, beats: int) -> Buffer:
        """Memory of `beats` 8-byte beats. Raises MemoryFullError if there is not enough."""

    def wait(self) -> None:
        """Returns once the overlay interrupts, and anyway after a fraction of a second."""
