"""Reads .npy and .npz files that may come from anyone: bounded, one typed error for all else."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from bitfold.models.errors import BitfoldError, shown
from bitfold.models.files import check_file

MAX_BYTES = 512 << 20
"""Of all arrays of a file, unpacked."""

MAX_ARRAYS = 10_000
_MAX_HEADER_BYTES = 10_000
_HEADERS = {
    (1, 0): (2, np.lib.format.read_array_header_1_0),
    (2, 0): (4, np.lib.format.read_array_header_2_0),
}


def read_npy(path: Path | str, error: type[BitfoldError], what: str, remedy: str) -> np.ndarray:
    """The array in an .npy file: of booleans, integers, floats or text.

    Raises `error`, which names the file, `what`, the reason and `remedy`, for anything else: also
    for a file whose header promises another size than it has, or more than MAX_BYTES.
    """
    held_bytes = check_file(path, MAX_BYTES, error, what, remedy)
    with _naming(path, error, what, remedy), Path(path).open("rb") as file:
        return _array(file, held_bytes, MAX_BYTES)


def read_npz(
    path: Path | str, error: type[BitfoldError], what: str, remedy: str
) -> dict[str, np.ndarray]:
    """The arrays in an .npz file by name, each as `read_npy` reads it; raises the same."""
    check_file(path, MAX_BYTES, error, what, remedy)
    arrays: dict[str, np.ndarray] = {}
    left_bytes = MAX_BYTES
    with _naming(path, error, what, remedy), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_ARRAYS:
            raise ValueError(f"{len(members)} arrays, more than {MAX_ARRAYS}")
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in arrays:
                raise ValueError(f"two arrays are named {name}")
            with archive.open(member) as file:
                arrays[name] = _array(file, member.file_size, left_bytes)
            left_bytes -= arrays[name].nbytes
    return arrays


@contextmanager
def _naming(path: Path | str, error: type[BitfoldError], what: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except Exception as reason:  # zipfile, zlib and NumPy have many
        said = " ".join(str(getattr(reason, "strerror", None) or reason).split())
        said = shown(said or type(reason).__name__, 200)
        raise error(f"{path}: {what} ({said}); {remedy}") from reason


def _array(file: IO[bytes], held_bytes: int, most_bytes: int) -> np.ndarray:
    """The array in a file of `held_bytes`; nothing is allocated before its header is checked."""
    file.seek(0)
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the format")
    length_bytes, read_header = _HEADERS[version]
    start = file.tell()
    length = int.from_bytes(file.read(length_bytes), "little")
    if length > _MAX_HEADER_BYTES:
        raise ValueError(f"a header of {length} bytes")
    file.seek(start)
    shape, _, dtype = read_header(file)
    if dtype.kind not in "biufU" or any(size < 0 for size in shape):
        raise ValueError(f"an array of {dtype} and shape {shape}")
    promised = prod(shape) * dtype.itemsize
    if promised > most_bytes:
        raise ValueError(f"{promised} bytes of arrays, more than {most_bytes}")
    held_bytes -= file.tell()
    if promised != held_bytes:
        raise ValueError(f"{promised} bytes are promised, and {held_bytes} there")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
