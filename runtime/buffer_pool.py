"""Keeps memory that calls have used for the next ones: a board takes long to find new memory."""

from __future__ import annotations

import threading
from collections.abc import Callable

LIMIT_BYTES = 32 << 20
"""Kept for later at most, of the 128 MiB that a board has by default."""
_STEP_BYTES = 1 << 20


class BufferPool:
    """Lends buffers of pynq, and keeps those that come back as they are: what was written to one
    and not flushed may still be in the cache.

    `allocate(size)` makes one of `size` bytes, or raises what pynq raises.
    """

    def __init__(self):
        self._kept: list = []  # the latest last
        self._lock = threading.Lock()

    def take(self, size: int, allocate: Callable[[int], object]):
        """A buffer of `size` bytes or more: the latest that came back of the right size, or a new
        one. Where there is no room, all that are kept give way, and it is no larger than need be.
        """
        rounded = _rounded(size)
        with self._lock:
            for i in reversed(range(len(self._kept))):
                if self._kept[i].nbytes == rounded:
                    return self._kept.pop(i)
        try:
            return allocate(rounded)
        except (RuntimeError, MemoryError, OSError):
            self.clear()
            return allocate(size)

    def give_back(self, buffer) -> None:
        """Keeps `buffer`, which nobody looks at any more; those that were not used for longest go
        where all would be more than LIMIT_BYTES."""
        with self._lock:
            self._kept.append(buffer)
            while sum(kept.nbytes for kept in self._kept) > LIMIT_BYTES:
                self._kept.pop(0).freebuffer()

    def clear(self) -> bool:
        """Frees all that are kept; whether there were any."""
        with self._lock:
            kept, self._kept = self._kept, []
        for buffer in kept:
            buffer.freebuffer()
        return bool(kept)


def _rounded(size: int) -> int:
    """The size of the buffer for `size` bytes: few sizes, so that one serves many calls."""
    if size > _STEP_BYTES:
        return -(-size // _STEP_BYTES) * _STEP_BYTES
    return max(4096, 1 << (size - 1).bit_length())
