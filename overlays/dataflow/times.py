"""When beats move: what stages and links share to predict cycles."""

from __future__ import annotations

import numpy as np


def one_a_cycle(ready: np.ndarray, free: int = 0) -> np.ndarray:
    """When beats move that are ready at `ready`, in order, at most one a cycle, the first not
    before `free`."""
    order = np.arange(len(ready), dtype=np.int64)
    return np.maximum(np.maximum.accumulate(ready - order), free) + order
