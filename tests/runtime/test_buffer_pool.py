"""The pool of a board's buffers: what is kept, and what makes room."""

from __future__ import annotations

import pytest

from bitfold.runtime import buffer_pool
from bitfold.runtime.buffer_pool import BufferPool

SIZES = (1, 4096, 4097, 100_000, 1 << 20, (1 << 20) + 1, 10_000_000)


class Memory:
    """As much as `size`, of which buffers are made and given back."""

    def __init__(self, size: int):
        self.free, self.made = size, 0

    def allocate(self, size: int) -> Buffer:
        if size > self.free:
            raise RuntimeError("no memory")
        self.free -= size
        self.made += 1
        return Buffer(self, size)


class Buffer:
    def __init__(self, memory: Memory, nbytes: int):
        self.memory, self.nbytes = memory, nbytes

    def freebuffer(self) -> None:
        self.memory.free += self.nbytes


@pytest.mark.parametrize("size", SIZES)
def test_a_buffer_holds_what_was_asked_for_and_serves_again(size):
    pool, memory = BufferPool(), Memory(1 << 30)
    first = pool.take(size, memory.allocate)
    assert size <= first.nbytes < max(2 * size, size + (1 << 20), 4097)
    pool.give_back(first)
    assert pool.take(size, memory.allocate) is first
    assert pool.take(size, memory.allocate) is not first
    assert memory.made == 2


def test_what_is_kept_makes_room_for_what_is_new():
    pool, memory = BufferPool(), Memory(1 << 16)
    for buffer in [pool.take(4096, memory.allocate) for _ in range(4)]:
        pool.give_back(buffer)
    whole = pool.take(1 << 16, memory.allocate)
    assert memory.free == 0
    with pytest.raises(RuntimeError, match="no memory"):
        pool.take(1, memory.allocate)
    pool.give_back(whole)
    assert pool.take(1, memory.allocate).nbytes == 1, "no more than need be"


def test_no_more_is_kept_than_the_limit_and_the_latest_stay(monkeypatch):
    monkeypatch.setattr(buffer_pool, "LIMIT_BYTES", 3 * 4096)
    pool, memory = BufferPool(), Memory(1 << 20)
    buffers = [pool.take(1, memory.allocate) for _ in range(5)]
    for buffer in buffers:
        pool.give_back(buffer)
    assert memory.free == (1 << 20) - 3 * 4096
    assert [pool.take(1, memory.allocate) for _ in range(3)] == buffers[:1:-1]
    assert memory.made == 5
