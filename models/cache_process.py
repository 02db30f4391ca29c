"""A process that uses a cache: what it uses and what it makes, known as long as it lives."""

from __future__ import annotations

import atexit
import fcntl
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bitfold.models.files import scratch_folder

LOCKS, PROCESSES, SCRATCH = "locks", "processes", "scratch"

_known: dict[Path, CacheProcess] = {}
_guard = threading.Lock()


class CacheProcess:
    """This process in the cache at `folder`. Get one from `CacheProcess.of`.

    Its file is locked until it ends, however it ends: by that others tell it from one that was
    killed. Raises OSError where the cache can't be written.
    """

    @staticmethod
    def of(folder: Path) -> CacheProcess:
        """The one of this process, which sweeps the cache when it is made."""
        with _guard:
            known = _known.get(folder)
            # After a fork, or where the cache was removed, there has to be another.
            if known is None or known._pid != os.getpid() or not _is_at(known._file, known._path):
                if known:
                    atexit.unregister(known._leave)
                    os.close(known._file)
                _known[folder] = CacheProcess(folder)
                _known[folder].sweep()
            return _known[folder]

    def __init__(self, folder: Path):
        for part in (LOCKS, PROCESSES, SCRATCH):
            if not (folder / part).is_dir():
                delete(folder / part)
                (folder / part).mkdir(parents=True, exist_ok=True)
        self._folder, self._pid = folder, os.getpid()
        self._id = f"{self._pid}-{secrets.token_hex(8)}"
        self._path = folder / PROCESSES / self._id
        self._file = _open_locked(self._path)
        self._used: set[str] = set()
        atexit.register(self._leave)

    def use(self, entry: str) -> None:
        """Says that this process uses `entry` (KIND/NAME), whose lock the caller holds."""
        if entry not in self._used:
            os.write(self._file, f"{entry}\n".encode())
            self._used.add(entry)

    def in_use(self) -> set[str]:
        """The entries that processes use."""
        said = (self._folder / PROCESSES).iterdir()
        return {line for file in said for line in _text(file).splitlines()}

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A new folder in the cache that is gone in the end."""
        own = self._folder / SCRATCH / self._id
        own.mkdir(exist_ok=True)
        with scratch_folder(own / secrets.token_hex(8)) as folder:
            yield folder

    def sweep(self) -> None:
        """Removes what processes left that did not live to do it."""
        for file in (self._folder / PROCESSES).iterdir():
            with lock(file, wait=False) as free:
                if free:
                    delete(self._folder / SCRATCH / file.name)
                    file.unlink()
        for folder in (self._folder / SCRATCH).iterdir():
            if not (self._folder / PROCESSES / folder.name).exists():
                delete(folder)
        for file in (self._folder / LOCKS).iterdir():  # of what could not be made
            kind, _, name = file.name.partition(".")
            if not os.path.lexists(self._folder / kind / name):
                with lock(file, wait=False) as free:
                    if free and not os.path.lexists(self._folder / kind / name):
                        file.unlink()

    def _leave(self) -> None:
        if self._pid == os.getpid():  # a fork is not this process
            with suppress(OSError):
                delete(self._folder / SCRATCH / self._id)
                self._path.unlink()
                os.close(self._file)


@contextmanager
def lock(path: Path, wait: bool = True) -> Iterator[bool]:
    """Holds the lock file at `path`, against other threads too; gives whether it has it, which it
    always does if it may `wait`."""
    try:
        file = _open_locked(path, wait)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(file)


def delete(path: Path) -> None:
    """Removes what is at `path`, also where its permissions are against it."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    path.chmod(0o700)
    for folder, inside, _ in os.walk(path):
        for child in (Path(folder, name) for name in inside):
            if not child.is_symlink():
                child.chmod(0o700)
    shutil.rmtree(path)


def _open_locked(path: Path, wait: bool = True) -> int:
    """The descriptor of a lock. Raises BlockingIOError where another has it and we don't `wait`."""
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except (IsADirectoryError, PermissionError):
            delete(path)  # something else took its place
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_at(file, path):  # and not removed while we waited
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
