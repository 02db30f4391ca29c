"""When beats move: what stages and links share to predict cycles."""

from __future__ import annotations

import numpy as np


def one_a_cycle(
    ready: np.ndarray, free: int | None = None, slots: np.ndarray | None = None
) -> np.ndarray:
    """When beats move that are ready at `ready`, in order, at most one a cycle, the first not
    before `free`. Where what moves them is at work between them, `slots` says how many cycles
    after the first each can move at the earliest."""
    order = np.arange(len(ready), dtype=np.int64) if slots is None else slots
    moved = np.maximum.accumulate(ready - order)
    return (moved if free is None else np.maximum(moved, free)) + order


def most_waiting(pushed: np.ndarray, left: np.ndarray) -> int:
    """How many beats wait at once at most, that come at `pushed` and make room at `left`: one that
    leaves does so for what comes a cycle later. Both ascend, a cycle a beat."""
    gone = np.searchsorted(left, pushed, side="left")
    return int((np.arange(1, len(pushed) + 1) - gone).max())
