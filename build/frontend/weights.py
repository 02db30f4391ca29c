"""Finds the integers behind a float weight matrix, and the scale of each of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bitfold.build.frontend.operators import encoding_of_range
from bitfold.build.frontend.problems import UnlowerableError
from bitfold.models.encoding import Encoding

MAX_BITS = 8
# A weight is that close to an integer times its scale, of that integer: some roundings of float32.
_TOLERANCE = 1e-6


def integer_rows(matrix: np.ndarray, scales: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Integers int64 (rows, columns) and scales float64 (rows,) whose product is `matrix`.

    `scales` are those of the quantizers that made it. Where there are none, or the constants were
    multiplied afterwards, the scale is found from the values, for the matrix or for each row.
    Raises UnlowerableError for weights that are not quantized, or to more than 8 bits.
    """
    matrix = matrix.astype(np.float64)
    if not np.isfinite(matrix).all():
        raise UnlowerableError("a weight is infinite or not a number", "train it again")
    too_wide = None
    for scale in _candidates(matrix, scales):
        ratio = matrix / scale[:, None]
        integers = np.rint(ratio)
        if (np.abs(ratio - integers) <= _TOLERANCE * np.maximum(np.abs(integers), 1)).all():
            bits = narrowest(integers).bits if np.abs(integers).max() < 2**31 else 33
            if bits <= MAX_BITS:
                return integers.astype(np.int64), scale
            too_wide = too_wide or bits
    if too_wide:
        raise UnlowerableError(
            f"its weights need {too_wide} bits", f"quantize weights to at most {MAX_BITS} bits"
        )
    raise UnlowerableError(
        "its weights are not quantized, with one scale for the layer or one a row",
        "train it with quantized weights of 1 to 8 bits (Brevitas: QuantLinear, QKeras: QDense), "
        "or quantize the file with onnxruntime (docs/frontends.md)",
    )


def narrowest(values: np.ndarray) -> Encoding:
    """The encoding with the fewest bits that holds all `values`."""
    if (np.abs(values) == 1).all():
        return Encoding.of("BIPOLAR")
    return encoding_of_range(int(values.min()), int(values.max()))


def _candidates(matrix: np.ndarray, scales: Sequence[np.ndarray]) -> Iterable[np.ndarray]:
    """Scales (rows,) to try."""
    rows = len(matrix)
    for scale in scales:
        scale = np.abs(np.asarray(scale, np.float64).reshape(-1))
        if scale.size in (1, rows) and scale.all() and np.isfinite(scale).all():
            yield np.broadcast_to(scale, rows)
    largest = np.abs(matrix).max(axis=1)
    largest[largest == 0] = 1
    for extent in (np.full(rows, largest.max()), largest):
        for integer in range(1, 2 ** (MAX_BITS - 1) + 1):
            yield extent / integer
