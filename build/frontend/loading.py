"""Reads the bytes of an ONNX file, and of the weights that it keeps in files beside it."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from bitfold.models.errors import FrontendError, shown

MAX_FILE_BYTES = 256 * 2**20
"""Of a file with its external data: that of a network at the limits has some tens of MB."""


def load(path: Path) -> onnx.ModelProto:
    """The file as it is written, with external data in place. Raises FrontendError."""
    if not path.is_file():
        raise FrontendError(f"{path}: there is no such file; export the network to it first")
    if path.suffix == ".safetensors":
        command = shlex.join(["bitfold", "export", str(path)])
        raise FrontendError(f"{path}: a checkpoint and not QONNX; first `{command}`")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise _too_large(path, size)
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except (DecodeError, ValueError, TypeError) as error:
        raise FrontendError(
            f"{path}: not a readable ONNX file ({shown(error)}); it is truncated, damaged or of "
            "another format: export it again"
        ) from error
    if not model.graph.node:
        raise FrontendError(
            f"{path}: not an ONNX graph, or one without nodes; it is truncated, damaged or of "
            "another format: export it again"
        )
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            size += _take_in(path, tensor)
            if size > MAX_FILE_BYTES:
                raise _too_large(path, size)
    return model


def _too_large(path: Path, size: int) -> FrontendError:
    return FrontendError(
        f"{path}: has {size} bytes with its weights; at most {MAX_FILE_BYTES} are read: use a "
        "smaller network"
    )


def _take_in(path: Path, tensor: onnx.TensorProto) -> int:
    """Puts a tensor's external data into it; gives the number of bytes.

    Only a regular file in the model's own folder is opened, and no link to another.
    """
    given = {entry.key: entry.value for entry in tensor.external_data}
    location = given.get("location", "")
    where = f"{path}: {shown(tensor.name)}: its external data {shown(location)!r}"
    if not location or location in (".", "..") or "/" in location or "\0" in location:
        raise FrontendError(
            f"{where} is not a file beside the model; keep it in the same folder, named without one"
        )
    try:
        offset, length = int(given.get("offset") or 0), int(given.get("length") or -1)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(path.parent / location, flags), "rb") as file:
            found = os.fstat(file.fileno())
            if length < 0:
                length = found.st_size - offset
            inside = 0 <= offset <= offset + length <= found.st_size
            if not stat.S_ISREG(found.st_mode) or not inside or length > MAX_FILE_BYTES:
                raise ValueError(f"it has no bytes {offset} to {offset + length}")
            file.seek(offset)
            tensor.raw_data = file.read(length)
    except (OSError, ValueError) as error:
        raise FrontendError(
            f"{where} can't be read ({shown(error)}); keep the file beside the model, as it was "
            "exported"
        ) from error
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]
    return length
