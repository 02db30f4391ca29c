"""Value: what flows between the nodes of a network, and Parameter: the constants they hold."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from bitfold.models.encoding import Encoding


@dataclass(frozen=True)
class Value:
    """Integers of `shape` a sample, each within `encoding`.

    `shape` is (features,), or (height, width, channels) of a feature map.
    """

    shape: tuple[int, ...]
    encoding: Encoding

    @property
    def size(self) -> int:
        """Integers a sample."""
        return prod(self.shape)

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape))} of {self.encoding}"


@dataclass(frozen=True)
class Parameter:
    """Constants that one or more nodes name: weights (rows, columns) or thresholds.

    `values` is int32; two nodes that name one parameter share it.
    """

    values: np.ndarray
    encoding: Encoding


@dataclass(frozen=True)
class Range:
    """The least and the largest integer of each element: two int64 arrays of a value's shape."""

    low: np.ndarray
    high: np.ndarray

    @staticmethod
    def of(value: Value) -> Range:
        """All that the encoding of `value` can hold."""
        encoding = value.encoding
        low, high = (
            np.full(value.shape, n, np.int64) for n in (encoding.minimum, encoding.maximum)
        )
        return Range(low, high)

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the largest of all."""
        return int(self.low.min()), int(self.high.max())
