"""Fold: how much of a layer is done in one cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Fold:
    """`pe` rows and `simd` columns a cycle.

    A layer whose rows and columns are all done at once may be unrolled: its weights become logic,
    `unrolled` cycles deep (0: it is not).
    """

    pe: int
    simd: int = 1
    unrolled: int = 0


Folding = Mapping[str, Fold]
"""A Fold for each layer that has a choice: every Dense, and what takes thresholds, sums or parts of
values that no Dense makes."""
