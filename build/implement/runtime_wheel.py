"""Writes the wheel of the runtime: the three rooms that a board needs, and NumPy to run them."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import bitfold.models
import bitfold.overlays
import bitfold.runtime

NAME = "bitfold_runtime"
ROOMS = (bitfold.models, bitfold.overlays, bitfold.runtime)
# The first moment that a zip can hold: the same files make the same wheel, at any time.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def write_runtime_wheel(folder: Path) -> Path:
    """Writes the wheel into an existing `folder`, from the files of the bitfold that runs now.

    It needs Python 3.10 and NumPy 1.21 or later, and nothing else. Source: the Python Packaging
    User Guide, "Binary distribution format".
    """
    installed = distribution("bitfold")
    information = f"{NAME}-{installed.version}.dist-info"
    licence = installed.read_text("licenses/LICENSE") or installed.read_text("LICENSE") or ""
    content = {
        f"{room.__name__.replace('.', '/')}/{name}": data
        for room in ROOMS
        for name, data in _files(Path(room.__file__).parent).items()
    }
    content[f"{information}/licenses/LICENSE"] = licence.encode()
    content[f"{information}/METADATA"] = _lines(
        "Metadata-Version: 2.1",
        f"Name: {NAME.replace('_', '-')}",
        f"Version: {installed.version}",
        "Summary: Runs bitfold's overlays on a board",
        f"License: {installed.metadata['License']}",
        f"Requires-Python: {installed.metadata['Requires-Python']}",
        *(f"Requires-Dist: {need}" for need in installed.requires if "extra ==" not in need),
    )
    content[f"{information}/WHEEL"] = _lines(
        "Wheel-Version: 1.0",
        "Generator: bitfold",
        "Root-Is-Purelib: true",
        "Tag: py3-none-any",
    )
    record = f"{information}/RECORD"
    content[record] = _lines(*map(_recorded, content.items()), f"{record},,")
    path = folder / f"{NAME}-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, TIMESTAMP)
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return path


def _files(room: Path) -> dict[str, bytes]:
    """The files of a room by their path in it, without what Python compiled."""
    return {
        file.relative_to(room).as_posix(): file.read_bytes()
        for file in sorted(room.rglob("*"))
        if file.is_file() and file.suffix != ".pyc"
    }


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _recorded(entry: tuple[str, bytes]) -> str:
    name, data = entry
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}"
