"""MaxPool and SumPool: the largest, or the sum, of what a window sees of each channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.models.ops.op import Op
from bitfold.models.ops.windows import NONE, check_windows, windows
from bitfold.models.value import Range


@dataclass(frozen=True)
class _Pool(Op):
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = NONE

    def shapes(self, inputs, parameters):
        shape = check_windows(inputs[0], self.kernel, self.stride, self.padding)
        return ((*shape, inputs[0].shape[-1]),)

    def bounds(self, inputs, parameters):
        # Neither gives less for more.
        x = inputs[0]
        (ends,) = self.evaluate([np.stack([x.low, x.high])], [])
        return (Range(*ends),)


@dataclass(frozen=True)
class MaxPool(_Pool):
    """y[i, j, c] = the largest that the window at (i, j) sees of channel c; padding is never it."""

    def encodings(self, inputs, bounds):
        return (inputs[0].encoding,)

    def evaluate(self, inputs, parameters):
        least = np.iinfo(np.int64).min
        seen = windows(inputs[0], self.kernel, self.stride, self.padding, fill=least)
        return (seen.max(axis=(3, 4)),)


@dataclass(frozen=True)
class SumPool(_Pool):
    """y[i, j, c] = the sum of what the window at (i, j) sees of channel c; padding is 0.

    An average is this, and its divisor a factor of what comes behind.
    """

    def evaluate(self, inputs, parameters):
        seen = windows(inputs[0], self.kernel, self.stride, self.padding)
        return (seen.sum(axis=(3, 4), dtype=np.int64),)
