"""Writes files and folders whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bitfold.models.errors import OutputError


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
