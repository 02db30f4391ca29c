"""What the numbers of a sample mean, by name: measurements, pixels, or the network's own integers.

"measurements" are the numbers that the source model takes, whatever their dtype; they become
float32, in which the source computes. "pixels" are whole numbers of 0..255, of which the source
takes the reals p / 255 in float32, as torchvision's ToTensor gives them. "integers" are quantized
already: whole numbers of the encoding of the network's input. Nothing is guessed from a dtype.
"""

from __future__ import annotations

import numpy as np

from bitfold.models.arguments import shown
from bitfold.models.errors import InputError

MEANINGS = MEASUREMENTS, PIXELS, INTEGERS = "measurements", "pixels", "integers"
LARGEST_PIXEL = 255


def check_meaning(inputs: object, name: str) -> None:
    """Raises InputError, which begins with `name`, for what is none of MEANINGS."""
    if not isinstance(inputs, str) or inputs not in MEANINGS:
        raise InputError(f"{name}: inputs is {shown(inputs)}; choose one of {', '.join(MEANINGS)}")


def as_reals(x: np.ndarray, inputs: str, name: str) -> np.ndarray:
    """The numbers float32 that the source takes for the measurements or pixels `x`.

    Raises InputError, which begins with `name`, for numbers that float32 does not hold, and for
    pixels that are none.
    """
    if inputs == PIXELS:
        remedy = f"pixels are whole numbers of 0..{LARGEST_PIXEL}: give inputs={MEASUREMENTS!r}"
        _refuse(x, ~((x == np.rint(x)) & (x >= 0) & (x <= LARGEST_PIXEL)), name, remedy)
        return x.astype(np.float32) / np.float32(LARGEST_PIXEL)
    with np.errstate(over="ignore"):
        reals = x.astype(np.float32)
    _refuse(x, ~np.isfinite(reals), name, "replace or drop such samples")
    return reals


def as_whole(x: np.ndarray, name: str, remedy: str) -> np.ndarray:
    """The same numbers as integers. Raises InputError, which ends with `remedy`, for fractions."""
    if x.dtype.kind in "iu":
        return x
    with np.errstate(over="ignore"):  # a limit beyond float16 is infinity
        whole = (x == np.rint(x)) & (np.abs(x) < 2.0**63)
    _refuse(x, ~whole, name, remedy)
    return x.astype(np.int64)


def may_be_pixels(x: np.ndarray) -> bool:
    """Whether measurements look like what cameras give: integers of 0..255, more than 0 and 1."""
    return bool(x.dtype.kind in "iu" and x.size and x.min() >= 0 and 1 < x.max() <= LARGEST_PIXEL)


def _refuse(x: np.ndarray, bad: np.ndarray, name: str, remedy: str) -> None:
    """Raises InputError, which says where the first of the numbers that are `bad` is."""
    if bad.any():
        sample, *feature = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{name}: input is {x[(sample, *feature)]} at sample {sample}, feature "
            f"{', '.join(map(str, feature))}; {remedy}"
        )
