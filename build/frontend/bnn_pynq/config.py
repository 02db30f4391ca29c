"""config.h: the shape and the folding of each layer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bitfold.build.frontend.bnn_pynq.files import Files
from bitfold.models.errors import FrontendError

CONFIG = "config.h"
MAX_BYTES = 1 << 20
MAX_LAYERS = 64
MAX_SIZE = 1 << 16
"""Of any number in it but memories' words, which follow from the others."""

_DEFINE = re.compile(r"^#define +L([0-9]{1,3})_([A-Z_]+) +([0-9]{1,9})\s*$", re.MULTILINE)
_REMEDY = "take config.h of the network from bnn/src/network of BNN-PYNQ"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer: `rows` sums of `columns` products, at each place of a `size` x `size` image.

    A convolution's columns are (ky, kx, channel) of a `kernel` x `kernel` window; a dense layer has
    kernel 0. `levels` is how many thresholds a row has, if it has any; `pe` and `simd` are how
    BNN-PYNQ's own overlay was folded.
    """

    name: str
    kernel: int
    channels: int
    size: int
    rows: int
    columns: int
    pe: int
    simd: int
    weight_bits: int
    levels: int


def read_config(files: Files) -> list[Layer]:
    """The layers that config.h defines, in order.

    Raises FrontendError for a file that is missing, or numbers that do not go together.
    """
    file = files.path / CONFIG
    text = files.read(CONFIG, MAX_BYTES, "no layers", _REMEDY).decode("latin-1")
    found: dict[int, dict[str, int]] = {}
    for number, key, value in _DEFINE.findall(text):
        found.setdefault(int(number), {})[key] = int(value)
    if not found or sorted(found) != list(range(len(found))) or len(found) > MAX_LAYERS:
        raise FrontendError(
            f"{file}: defines layers {', '.join(map(str, sorted(found)[:9])) or 'none'}, not 0 to "
            f"at most {MAX_LAYERS - 1} without a gap; {_REMEDY}"
        )
    return [_layer(file, number, found[number]) for number in sorted(found)]


def _layer(file: Path, number: int, given: dict[str, int]) -> Layer:
    where = f"{file}: layer {number}"
    convolution = "K" in given
    keys = {"PE", "SIMD", "WPI", "API"}
    keys |= {"K", "IFM_CH", "IFM_DIM", "OFM_CH", "OFM_DIM"} if convolution else {"MW", "MH"}
    missing = sorted(keys - set(given))
    if missing:
        raise FrontendError(f"{where}: does not define {', '.join(missing)}; {_REMEDY}")
    beyond = sorted(key for key in keys if not 1 <= given[key] <= MAX_SIZE)
    if beyond:
        raise FrontendError(
            f"{where}: {beyond[0]} is {given[beyond[0]]}, beyond 1 to {MAX_SIZE}; {_REMEDY}"
        )
    if convolution:
        kernel, channels, size = given["K"], given["IFM_CH"], given["IFM_DIM"]
        rows, columns = given["OFM_CH"], kernel * kernel * channels
        fits = given["OFM_DIM"] == size - kernel + 1
    else:
        kernel, channels, size = 0, given["MW"], 1
        rows, columns, fits = given["MH"], given["MW"], True
    pe, simd, bits = given["PE"], given["SIMD"], given["WPI"]
    fits = fits and rows % pe == 0 and columns % simd == 0 and rows * columns <= 1 << 26
    if not fits or bits > 8 or simd * bits > 64 or given["API"] > 16:
        raise FrontendError(
            f"{where}: {rows} rows and {columns} columns, PE {pe}, SIMD {simd}, weights of {bits} "
            f"bits and {given['API']} thresholds do not go together; {_REMEDY}"
        )
    return Layer(
        name=f"{'conv' if convolution else 'dense'}{number}",
        kernel=kernel,
        channels=channels,
        size=size,
        rows=rows,
        columns=columns,
        pe=pe,
        simd=simd,
        weight_bits=bits,
        levels=given["API"],
    )
