"""Takes in what a caller gives for samples: an array that is safe to compute with, or one error."""

from __future__ import annotations

import numpy as np

from bitfold.models.errors import InputError


def as_samples(x: object, name: str) -> np.ndarray:
    """`x` as an array of integers or of floats, of any shape, in the machine's own byte order.

    Raises InputError, which begins with `name`, for what is no such array: ragged lists, other
    dtypes, integers beyond 64 bits, and masked values, whose mask an array would lose.
    """
    try:
        array = np.asarray(x)
        masked = np.ma.is_masked(x)
    except Exception as error:  # of NumPy, or of the `__array__` of what was given
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{name}: input is no array ({reason}); give samples of equal length, such as a list "
            "of lists of numbers"
        ) from error
    if masked:
        raise InputError(f"{name}: input has masked values; fill them in, or drop their samples")
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name}: input has dtype {_short(array.dtype)}; give floats or integers")
    return np.require(array, array.dtype.newbyteorder("="), "A")


def _short(dtype: np.dtype) -> str:
    """Without the fields of a structured one."""
    return str(dtype) if dtype.names is None else "of a structure"
