"""Writes files, folders and streams whole or not at all, and reads what may come from anyone."""

import errno
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bitfold.models.errors import BitfoldError, OutputError

STANDARD_OUTPUT = Path("/dev/stdout")
_standard_output = 1
"""The number of the open file that /dev/stdout stands for."""
_LINKS = 40
"""More links than Linux follows in one path."""


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
    """Gives a temporary path, of the suffix of `path`, whose content goes there if all goes well.

    A file, or what a link points to, is replaced at one stroke; a new one has the mode that the
    umask says, an older one keeps its own. Missing folders are made. Anything else (a pipe, a
    device, /dev/stdout) is written to, once the content is whole. If the block raises, `path` is as
    it was; nothing is left behind. Raises OutputError where the system refuses.
    """
    path = Path(path)
    try:
        if is_stream(path):
            with tempfile.TemporaryDirectory() as scratch:
                partial = Path(scratch) / f"partial{path.suffix}"
                partial.touch()
                yield partial
                _send(partial, path)
            return
        target = _followed(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = _beside(target).with_suffix(target.suffix)
        try:
            partial.touch()  # as the umask says; the block may put another file in its place
            mode = stat.S_IMODE((target if target.exists() else partial).stat().st_mode)
            yield partial
            partial.chmod(mode)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(path, error) from error


@contextmanager
def whole_folder(path: str | Path, marker: str) -> Iterator[Path]:
    """Gives an empty temporary folder, which becomes `path` (or what it links to) if all goes well.

    An older folder at `path` is replaced if it has a file named `marker`, which says that it is one
    of ours; until the block ends it stays as it is. If the block raises, nothing is left behind.
    Raises OutputError where the system refuses, and for anything else that is at `path`.
    """
    path = Path(path)
    try:
        target = _followed(path)
        occupied = os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir()))
        if occupied and not (target / marker).is_file():
            raise OutputError(
                f"{path}: is there already, without a {marker} in it; choose another place"
            )
        if Path.cwd().is_relative_to(target):
            raise OutputError(f"{path}: is the folder you are in; choose another place")
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(_beside(target)) as scratch:
            new, old = scratch / "new", scratch / "old"
            new.mkdir()
            yield new
            if target.exists():
                target.replace(old)
            try:
                new.replace(target)
            except OSError:
                if old.exists():
                    old.replace(target)
                raise
    except OSError as error:
        raise _refused(path, error) from error


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """A new folder at `path`, of the mode that the umask says, which is gone in the end."""
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def is_stream(path: Path) -> bool:
    """Whether `path` is no file that could be replaced: a pipe, a device, an open file such as
    /dev/stdout."""
    if _descriptor(path) is not None:
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def is_standard_output(path: Path) -> bool:
    """Whether what is written to `path` comes out where print writes."""
    return _descriptor(path) == 1


def _followed(path: Path) -> Path:
    """What `path` links to in the end, there or not."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():  # in a circle
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


@contextmanager
def standard_output_for_files() -> Iterator[None]:
    """Inside, only what `whole_file` writes there goes to the standard output: all that is printed,
    also by libraries and by programs that are run, comes out where errors do."""
    global _standard_output
    sys.stdout.flush()
    _standard_output = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(_standard_output, 1)
        os.close(_standard_output)
        _standard_output = 1


def _descriptor(path: Path) -> int | None:
    """The number of the open file that `path` names, by way of links: /dev/fd/3 is 3."""
    own = os.path.realpath("/proc/self/fd")
    for _ in range(_LINKS):
        if path.name.isdecimal() and os.path.realpath(path.parent) == own:
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _send(content: Path, stream: Path) -> None:
    # An open file is used as it is: opening it anew would go back to its beginning.
    number = _descriptor(stream)
    number = _standard_output if number == 1 else number
    opened = os.dup(number) if number is not None else os.open(stream, os.O_WRONLY)
    with content.open("rb") as source, os.fdopen(opened, "wb") as sink:
        shutil.copyfileobj(source, sink)


def _beside(target: Path) -> Path:
    """A path beside `target` that nothing else has."""
    return target.with_name(f".bitfold-{secrets.token_hex(8)}")


def _refused(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: can't be written ({error.strerror or error}); choose another place"
    )
