"""The weight matrix of a layer, and the integers and scales of its rows that are behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bitfold.build.frontend.operators import CONVOLUTION, encoding_of_range
from bitfold.build.frontend.problems import UnlowerableError
from bitfold.build.frontend.windows import kernels_and_term
from bitfold.models.encoding import Encoding

if TYPE_CHECKING:
    from bitfold.build.frontend.source import Operation

MAX_BITS = 8
# A weight is that close to an integer times its scale, of that integer: some roundings of float32.
_TOLERANCE = 1e-6


def matrix_and_term(operation: Operation) -> tuple[np.ndarray, np.ndarray]:
    """The layer as y = matrix @ x + term, (rows, columns) and (rows,) or a scalar, in float64.

    Raises UnlowerableError for what is no such layer.
    """
    attributes = operation.attributes
    matrix = operation.operand(1)
    if matrix is None or attributes.get("transA", 0):
        raise UnlowerableError(
            "its weights stand on the left of the activations", "multiply activations by weights"
        )
    if matrix.ndim < 2 or matrix.size != matrix.shape[-1] * matrix.shape[-2]:
        raise UnlowerableError(
            f"its weights of shape {matrix.shape} are no matrix", "use a matrix of weights"
        )
    matrix = matrix.reshape(matrix.shape[-2:]).astype(np.float64)
    if not attributes.get("transB", 0):
        matrix = matrix.T
    if operation.sample[0].size != matrix.shape[1]:
        raise UnlowerableError(
            f"it is applied to samples of shape {operation.shape}, along the last axis only",
            "flatten samples in front of it",
        )
    matrix = matrix * attributes.get("alpha", 1.0)
    if not np.isfinite(matrix).all():
        raise UnlowerableError("a weight is infinite or not a number", "train it again")
    bias = operation.operand(2)
    if bias is None:
        return matrix, np.float64(0)
    if bias.size not in (1, len(matrix)) or (bias.ndim and bias.size != bias.shape[-1]):
        raise UnlowerableError(f"its bias has shape {bias.shape}", "use one value a row")
    bias = bias.astype(np.float64).reshape(-1) * attributes.get("beta", 1.0)
    return matrix, bias if bias.size > 1 else bias[0]


def weights_and_term(operation: Operation) -> tuple[np.ndarray, np.ndarray]:
    """The weights of a layer, shaped as a network has them, and its bias, one value a row or a
    scalar; float64. Raises UnlowerableError for what is no such layer."""
    if operation.kind in CONVOLUTION:
        return kernels_and_term(operation)
    return matrix_and_term(operation)


def integer_rows(matrix: np.ndarray, scales: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Integers int64 (rows, columns) and scales float64 (rows,) whose product is `matrix`.

    `scales` are those of the quantizers that made it. Where there are none, or the constants were
    multiplied afterwards, the scale is found from the values, for the matrix or for each row.
    Raises UnlowerableError for weights that are not quantized, or to more than 8 bits.
    """
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
