"""Memory images: what they are called, how many words each holds, and the check that it does.

An image is named by the position of its stage, never by a layer: names are data, and stand in no
path and in no text of the hardware.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bitfold.models.errors import BundleError

IMAGE_NAME = re.compile(r"stage_[0-9]{1,6}\.(weights|thresholds)\.hex", re.ASCII)
MAX_WORDS = 1 << 24
MAX_BITS = 1 << 24
_HEX = re.compile(rb"(?:[0-9a-f]+\n)+")


@dataclass(frozen=True)
class ImageShape:
    """`words` of `bits` each, a hexadecimal word a line, as $readmemh reads it."""

    words: int
    bits: int

    def __post_init__(self):
        if not (0 < self.words <= MAX_WORDS and 0 < self.bits <= MAX_BITS):
            raise ValueError(f"no image has {self.words:.3e} words of {self.bits:.3e} bits")

    @property
    def digits(self) -> int:
        """Of a word."""
        return -(-self.bits // 4)


BUILD_ID_NAME = "build_id.hex"
BUILD_ID = ImageShape(1, 128)


def image_name(stage: int, memory: str) -> str:
    """The file that holds `memory`, "weights" or "thresholds", of the stage at that position."""
    return f"stage_{stage}.{memory}.hex"


def _weight_shape(parameters: Mapping[str, int]) -> ImageShape:
    """The image that an instance of mvau.sv or convolution.sv with these parameters reads."""
    p = parameters
    words = p["GROUPS"] * (p["ROWS"] // p["PE"]) * (p["COLUMNS"] // p["SIMD"])
    return ImageShape(words, p["PE"] * p["SIMD"] * p["WEIGHT_BITS"])


def _threshold_shape(parameters: Mapping[str, int]) -> ImageShape:
    """The image that an instance of threshold.sv with these parameters reads."""
    p = parameters
    if not all(0 < p[name] <= MAX_WORDS for name in ("PE", "FOLDS", "BITS")):
        raise ValueError("PE, FOLDS and BITS are above zero")
    address_bits = (p["PE"] - 1).bit_length() + (p["FOLDS"] - 1).bit_length() + p["BITS"]
    return ImageShape(1 << min(address_bits, 99), p["THRESHOLD_BITS"])


@dataclass(frozen=True)
class ImageReader:
    """How a module reads an image: the parameter that names it, its memory, and its shape."""

    parameter: str
    memory: str
    shape: Callable[[Mapping[str, int]], ImageShape]


IMAGES = {
    "convolution": ImageReader("WEIGHTS", "weights", _weight_shape),
    "mvau": ImageReader("WEIGHTS", "weights", _weight_shape),
    "threshold": ImageReader("THRESHOLDS", "thresholds", _threshold_shape),
}
"""The modules that read one."""


def read_words(file: Path, shape: ImageShape) -> list[int]:
    """The words of an image. Raises BundleError where the file is no image of that shape."""
    wrong = (
        f"{file}: not an image of {shape.words} words of {shape.bits} bits, a hexadecimal word a "
        "line; compile the bundle again"
    )
    try:
        if file.stat().st_size != shape.words * (shape.digits + 1):
            raise BundleError(wrong)
        content = file.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{file}: can't be read ({error.strerror or error}); compile the bundle again"
        ) from error
    lines = content.split(b"\n")
    words = [int(line, 16) for line in lines[:-1]] if _HEX.fullmatch(content) else []
    even = all(len(line) == shape.digits for line in lines[:-1])
    if len(words) != shape.words or not even or any(word >> shape.bits for word in words):
        raise BundleError(wrong)
    return words
