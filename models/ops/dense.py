"""Dense: exact sums of products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.errors import NetworkError
from bitfold.models.ops.op import Op, features_of
from bitfold.models.value import Range, Value


@dataclass(frozen=True)
class Dense(Op):
    """acc[r] = sum over c of weight[r, c] * x[c]; the exact sum, before any threshold.

    `weights`: (rows, columns).
    """

    roles = ("weights",)

    def shapes(self, inputs, parameters):
        columns = features_of(inputs[0], "a dense layer")
        weight = parameters[0].values
        if weight.shape[1] != columns:
            raise NetworkError(
                f"its weights are {weight.shape[0]}x{weight.shape[1]}, but its input has "
                f"{columns} elements"
            )
        return ((weight.shape[0],),)

    def bounds(self, inputs, parameters):
        return (sums_range(parameters[0].values, inputs[0]),)

    def evaluate(self, inputs, parameters):
        (x,), (weight,) = inputs, parameters
        # A float product runs in BLAS, tens of times faster than an integer one, and is exact
        # while every partial sum fits the mantissa.
        largest = int(np.abs(x).max(initial=0)) * int(np.abs(weight).sum(axis=1).max(initial=0))
        exact = np.float32 if largest < 2**24 else np.float64
        return ((x.astype(exact) @ weight.T.astype(exact)).astype(np.int64),)


def sums_range(weight: np.ndarray, x: Range) -> Range:
    """The sums of each row of `weight` (rows, columns) that inputs within `x` can reach."""
    positive, negative = np.maximum(weight, 0).astype(np.int64), np.minimum(weight, 0)
    low, high = positive @ x.low + negative @ x.high, positive @ x.high + negative @ x.low
    return Range(low, high)


def accumulator_range(weight: np.ndarray, source: Encoding) -> tuple[int, int]:
    """The least and the largest sum that any input within `source` can reach, over all rows."""
    return sums_range(weight, Range.of(Value(weight.shape[1:], source))).ends
