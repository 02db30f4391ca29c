"""The integers of the input that a user or a file declares, in place of a quantizer's."""

from __future__ import annotations

import numpy as np

from bitfold.build.frontend.operators import Quantizer
from bitfold.build.frontend.reals import Reals
from bitfold.build.frontend.source import Source
from bitfold.build.frontend.weights import MAX_BITS
from bitfold.models.encoding import Encoding
from bitfold.models.errors import FrontendError, NetworkError
from bitfold.models.host import HostOp


def given_input(source: Source, encoding: str | None, scale: float | None) -> Quantizer | None:
    """The input integers that the user or else the file declares; None where neither does.

    Raises FrontendError for integers that the hardware can't take.
    """
    if encoding is None:
        if scale is not None:
            raise FrontendError(
                f"input_scale={scale} says what an integer is worth, but not which integers there "
                "are; give input_encoding too (pixels: UINT8)"
            )
        encoding, where = source.input_datatype, f"{source.path}: its input"
        if encoding is None:
            return None
    else:
        where = "input_encoding"
    scale = 1.0 if scale is None else scale
    if not (np.isfinite(scale) and scale > 0):
        raise FrontendError(f"input_scale={scale} is not a positive number")
    try:
        integers = Encoding.of(encoding)
    except NetworkError as error:
        raise FrontendError(f"{where}: {error}") from None
    if integers.bits > MAX_BITS:
        raise FrontendError(
            f"{where}: {encoding} has {integers.bits} bits; use at most {MAX_BITS} bits"
        )
    return Quantizer(integers, integers.minimum, integers.maximum, Reals(np.float64(scale)))


def declared_steps(integers: Quantizer) -> tuple[HostOp, ...]:
    """From reals to the integers that the user says the hardware takes; none where each is worth 1,
    so that the reals are the integers already."""
    if integers.reals.scale == 1:
        return ()
    if integers.encoding.is_bipolar:
        return (HostOp("BipolarQuant"),)
    return (HostOp.of("Quant", integers.reals.scale, 0, integers.minimum, integers.maximum),)
