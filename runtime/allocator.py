"""Hands out parts of a memory: to any thread, and given back in any order."""

from __future__ import annotations

import threading
from collections import deque


class Allocator:
    """`size` bytes in whole grains of `grain` bytes; each part is the first gap that holds it."""

    def __init__(self, size: int, grain: int):
        self.size, self._grain = size, grain
        self._lock = threading.Lock()
        self._taken: dict[int, int] = {}  # bytes, by their first
        # A finalizer may give back in the middle of `take`, in the same thread: it never waits.
        self._returned: deque[int] = deque()

    def take(self, size: int) -> int:
        """The first of `size` bytes, which nobody else has. Raises MemoryError if no gap holds
        them."""
        size = -(-max(size, 1) // self._grain) * self._grain
        with self._lock:
            self._settle()
            start = 0
            for taken in sorted(self._taken):
                if taken - start >= size:
                    break
                start = taken + self._taken[taken]
            if start + size > self.size:
                raise MemoryError(f"no {size} contiguous bytes are free of {self.size}")
            self._taken[start] = size
            return start

    def give_back(self, start: int) -> None:
        """Frees what `take` gave, once."""
        self._returned.append(start)

    @property
    def used(self) -> int:
        """Bytes that somebody has."""
        with self._lock:
            self._settle()
            return sum(self._taken.values())

    def _settle(self) -> None:
        while self._returned:
            del self._taken[self._returned.popleft()]
