"""The memory of an emulated board: what the overlay sees of it, and what the CPU's cache holds."""

from __future__ import annotations

import numpy as np

from bitfold.runtime.allocator import Allocator

PAGE_BYTES = 4096
LINE_BYTES = 32
"""Of the Cortex-A9's cache."""


class EmulatedMemory:
    """`size` bytes from byte address `base` on, handed out in pages, as contiguous memory is."""

    def __init__(self, base: int, size: int):
        self.base, self.size = base, size
        self.beats = np.zeros(size // 8, np.uint64)
        self._bytes = self.beats.view(np.uint8)
        self._allocator = Allocator(size, PAGE_BYTES)

    def take(self, size: int) -> int:
        """The address of `size` bytes, all 0. Raises MemoryError if no gap is that large."""
        address = self.base + self._allocator.take(size)
        self.at(address, size)[:] = 0
        return address

    def give_back(self, address: int) -> None:
        """Frees what was taken there."""
        self._allocator.give_back(address - self.base)

    def at(self, address: int, size: int) -> np.ndarray:
        """The `size` bytes at `address` as the overlay sees them, a uint8 view."""
        return self._bytes[address - self.base :][:size]


class Cache:
    """What the CPU sees of `size` bytes at `address`: its own copy, until told otherwise.

    A real cache may write a changed line back at any time. This one does it when that hurts most:
    not before a flush if the overlay waits for the data, and just before an invalidate if the
    overlay has put its own there. A line counts as changed when its bytes differ from when it was
    last in step with the memory, so that writing the same again changes none until a flush.
    """

    def __init__(self, memory: EmulatedMemory, address: int, size: int):
        self._memory, self._address = memory, address
        self._in_step = memory.at(address, size).copy()
        self.bytes = self._in_step.copy()
        """The CPU's copy, uint8."""

    def flush(self, start: int, size: int) -> None:
        """Writes the lines of `size` bytes from offset `start` back: all of them, as Python may
        have written again what was there already."""
        self._write_back(self._lines(start, size))

    def invalidate(self, start: int, size: int) -> None:
        """Takes the lines of `size` bytes from offset `start` anew from the memory, once those that
        changed are written back."""
        part = self._lines(start, size)
        changed = self.bytes[part] != self._in_step[part]
        starts = np.arange(0, changed.size, LINE_BYTES)
        for first in starts[np.add.reduceat(changed, starts) > 0] + part.start:
            self._write_back(slice(first, min(first + LINE_BYTES, part.stop)))
        self.bytes[part] = self._memory.at(self._address, self.bytes.size)[part]
        self._in_step[part] = self.bytes[part]

    def _write_back(self, part: slice) -> None:
        self._memory.at(self._address, self.bytes.size)[part] = self.bytes[part]
        self._in_step[part] = self.bytes[part]

    def _lines(self, start: int, size: int) -> slice:
        end = -(-(start + size) // LINE_BYTES) * LINE_BYTES
        return slice(start // LINE_BYTES * LINE_BYTES, min(end, self.bytes.size))
