"""What a sliding window sees of a feature map: the geometry that convolution and pooling share."""

from __future__ import annotations

import numpy as np

from bitfold.models.errors import NetworkError
from bitfold.models.value import Value

NONE = (0, 0, 0, 0)
"""No padding: rows above, rows below, columns to the left, columns to the right."""

BYTES_AT_ONCE = 256 << 20
"""Of the windows that are copied out of feature maps at a time."""


def check_windows(
    value: Value,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int, int]:
    """The (height, width) of what windows of `kernel` make of a feature map (height, width,
    channels).

    Raises NetworkError for another shape, and for windows that can't be or of which none fits.
    """
    if len(value.shape) != 3:
        raise NetworkError(
            f"it slides over (height, width, channels), but its input is {value.shape}"
        )
    if min(*kernel, *stride, *dilation) < 1 or min(padding) < 0:
        raise NetworkError(
            f"kernel {kernel}, stride {stride} and dilation {dilation} are 1 or more, padding "
            f"{padding} 0 or more"
        )
    height, width, _ = value.shape
    rows, columns = ((k - 1) * d + 1 for k, d in zip(kernel, dilation))
    if max(padding[:2]) >= rows or max(padding[2:]) >= columns:
        raise NetworkError(
            f"padding {padding} leaves windows of {rows}x{columns} that see nothing else"
        )
    tall = height + padding[0] + padding[1] - rows
    wide = width + padding[2] + padding[3] - columns
    if tall < 0 or wide < 0:
        raise NetworkError(
            f"a window of {rows}x{columns} does not fit {height}x{width} with padding {padding}"
        )
    return tall // stride[0] + 1, wide // stride[1] + 1


def windows(
    x: np.ndarray,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int] = (1, 1),
    fill: int = 0,
) -> np.ndarray:
    """A view (batch, out_height, out_width, kernel_height, kernel_width, channels) of feature maps
    (batch, height, width, channels), padded with `fill`."""
    if any(padding):
        sides = ((0, 0), padding[:2], padding[2:], (0, 0))
        x = np.pad(x, sides, constant_values=fill)
    rows, columns = ((k - 1) * d + 1 for k, d in zip(kernel, dilation))
    seen = np.lib.stride_tricks.sliding_window_view(x, (rows, columns), axis=(1, 2))
    seen = seen[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return seen.transpose(0, 1, 2, 4, 5, 3)
