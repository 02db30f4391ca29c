"""Conv2d: exact sums of products over a sliding window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.models.errors import NetworkError
from bitfold.models.ops.op import Op
from bitfold.models.ops.windows import BYTES_AT_ONCE, NONE, check_windows, windows
from bitfold.models.value import Range


@dataclass(frozen=True)
class Conv2d(Op):
    """acc[i, j, r] = sum over the window at (i, j) of weight[r, ky, kx, c] * x[..., c].

    `weights`: (out_channels, kernel_height, kernel_width, in_channels / groups). Output channel r
    sees the channels of its own group; as many groups as channels are a depthwise convolution.
    `padding` is rows above and below, and columns left and right, all `fill`: the integer that the
    source graph means there.
    """

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = NONE
    fill: int = 0
    groups: int = 1
    dilation: tuple[int, int] = (1, 1)

    roles = ("weights",)

    def shapes(self, inputs, parameters):
        weight = parameters[0].values
        if weight.ndim != 4:
            raise NetworkError(
                f"its weights are {weight.shape}, not (out_channels, kernel height, kernel width, "
                "in_channels / groups)"
            )
        rows, *kernel, channels = weight.shape
        shape = check_windows(inputs[0], tuple(kernel), self.stride, self.padding, self.dilation)
        given = inputs[0].shape[-1]
        if self.groups < 1 or rows % self.groups or channels * self.groups != given:
            raise NetworkError(
                f"{self.groups} groups of {channels} channels for an input of {given}, with {rows} "
                "output channels; the groups divide both"
            )
        return ((*shape, rows),)

    def bounds(self, inputs, parameters):
        x, weight = inputs[0], parameters[0].values.astype(np.int64)
        ends = np.stack([x.low, x.high])
        (rising,) = self.evaluate([ends], [np.maximum(weight, 0)])
        # The padding is the same at both ends: weights on either side of zero each count their own.
        (falling,) = self.evaluate([ends[::-1]], [np.minimum(weight, 0)])
        return (Range(*(rising + falling)),)

    def evaluate(self, inputs, parameters):
        (x,), (weight,) = inputs, parameters
        rows, *kernel, channels = weight.shape
        seen = windows(x, tuple(kernel), self.stride, self.padding, self.dilation, self.fill)
        batch, height, width = seen.shape[:3]
        columns = weight.reshape(self.groups, rows // self.groups, -1)
        largest = max(int(np.abs(x).max(initial=0)), abs(self.fill))
        largest *= int(np.abs(columns).sum(axis=2).max(initial=0))
        exact = np.float32 if largest < 2**24 else np.float64
        columns = columns.transpose(0, 2, 1).astype(exact)
        sums = np.empty((batch, height, width, rows), np.int64)
        each = height * width * columns.shape[1] * self.groups * np.dtype(exact).itemsize
        step = max(1, BYTES_AT_ONCE // max(1, each))
        for first in range(0, batch, step):
            part = seen[first : first + step]
            for group, weights in enumerate(columns):
                mine = part[..., group * channels : (group + 1) * channels]
                mine = mine.astype(exact).reshape(-1, weights.shape[0])
                made = (mine @ weights).reshape(*part.shape[:3], -1)
                place = slice(group * made.shape[-1], (group + 1) * made.shape[-1])
                sums[first : first + step, ..., place] = made
        return (sums,)
