"""Writes files and folders whole or not at all, and reads what may come from anyone."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bitfold.models.errors import BitfoldError, OutputError


def check_file(
    path: str | Path, most_bytes: int, error: type[BitfoldError], what: str, remedy: str
) -> int:
    """The size of the regular file at `path`.

    Raises `error`, which names `path`, `what`, the reason and `remedy`, for one that is missing or
    larger than `most_bytes`, and for a folder, a pipe or a device, which may never end.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as reason:
        said = getattr(reason, "strerror", None) or reason
        raise error(f"{path}: {what} ({said}); {remedy}") from reason
    if not stat.S_ISREG(status.st_mode):
        raise error(f"{path}: {what} (it is a {_kind(status.st_mode)}, not a file); {remedy}")
    if status.st_size > most_bytes:
        raise error(f"{path}: {what} ({status.st_size} bytes, more than {most_bytes}); {remedy}")
    return status.st_size


def read_file(
    path: str | Path, most_bytes: int, error: type[BitfoldError], what: str, remedy: str
) -> bytes:
    """The content of the file at `path`; raises as `check_file` does."""
    check_file(path, most_bytes, error, what, remedy)
    try:
        return Path(path).read_bytes()
    except OSError as reason:
        raise error(f"{path}: {what} ({reason.strerror or reason}); {remedy}") from reason


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` to write to, which becomes `path` if all goes well.

    Missing folders are made. If the block raises, `path` is as it was and nothing is left behind.
    Raises OutputError where the system refuses.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: can't be written ({error.strerror or error}); choose another place"
        ) from error


@contextmanager
def whole_folder(path: str | Path, marker: str) -> Iterator[Path]:
    """Gives an empty temporary folder beside `path`, which becomes `path` if all goes well.

    An older folder at `path` is replaced if it has a file named `marker`, which says that it is one
    of ours. If the block raises, `path` is as it was and nothing is left behind. Raises OutputError
    where the system refuses, and for anything else that is at `path`.
    """
    path = Path(path)
    try:
        occupied = path.is_file() or (path.is_dir() and any(path.iterdir()))
        if occupied and not (path / marker).is_file():
            raise OutputError(
                f"{path}: is there already, without a {marker} in it; choose another place"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            yield new
            if path.exists():
                path.replace(Path(scratch) / "old")
            new.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: can't be written ({error.strerror or error}); choose another place"
        ) from error
