"""Writes files whole or not at all."""

import os
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
