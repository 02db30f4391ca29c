"""The cache: what can be made again, named by its content, verified when taken, bounded in size.

    KIND/NAME/           an entry: files that never change
    KIND/NAME/.entry     JSON: which entry this is, and the sha256 of each of its files
    locks/KIND.NAME      locked while the entry is looked at, made or removed
    processes/ID         locked by a process while it lives; names the entries that it uses
    scratch/ID/          what that process is making

An entry is made in scratch and then renamed, so there is all of it or none. Whatever a process
leaves when it is killed goes when another one opens the cache: the lock tells that it is gone.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bitfold.models.cache_process import LOCKS, CacheProcess, delete, lock
from bitfold.models.errors import OutputError

KINDS = {
    "verilated": "simulations of RTL",
    "runtime": "Verilator's own C++, compiled",
    "functional": "compiled arithmetic",
    "bundles": "zipped bundles, unpacked",
    "engines": "offload overlays of the default size",
    "emulated": "bitstreams of the emulated board",
    "synthesis": "synthesised netlists",
    "timing": "frequencies of placed and routed cores",
    "tools": "Yosys and nextpnr as machine code, and their models",
}
LIMIT_BYTES = 2_000_000_000
RECORD = ".entry"


def default_cache() -> Path:
    """`bitfold` in $XDG_CACHE_HOME, or else in ~/.cache. Raises OutputError without a home."""
    stated = os.environ.get("XDG_CACHE_HOME", "")
    if Path(stated).is_absolute():  # others are to be ignored, says the XDG specification
        return Path(stated) / "bitfold"
    try:
        return Path.home() / ".cache" / "bitfold"
    except RuntimeError as error:
        raise OutputError(
            "there is no home folder to keep a cache in; set HOME or XDG_CACHE_HOME"
        ) from error


@dataclass(frozen=True)
class Entry:
    """What is kept under a kind and a name. `used_at`: when it was last taken, Unix seconds."""

    kind: str
    name: str
    path: Path
    size_bytes: int
    used_at: float


class Cache:
    """The cache in `folder`, by default `default_cache()`.

    When something is made and all takes more than `limit_bytes`, what was not used for longest
    goes, but never what a running process uses.
    """

    def __init__(self, folder: Path | None = None, limit_bytes: int = LIMIT_BYTES):
        self.folder = Path(folder or default_cache()).resolve()
        self.limit_bytes = limit_bytes

    def keep(self, kind: str, name: str, make: Callable[[Path], None]) -> Path:
        """The folder of the entry `name`, which stays as long as this process lives.

        Where there is none, or one that is not as it was made, `make` fills an empty folder: one
        process at a time, and the others wait for it. A cache that can only be read serves what it
        has. Raises OutputError where it has to be written and can't be.
        """
        path = self._path(kind, name)
        try:
            new = self._take(kind, name, make)
        except OSError as error:
            if _is_whole(path):
                return path
            raise self._refused(error) from error
        if new:
            self.shrink(self.limit_bytes)
        return path

    def latest(self, kind: str, prefix: str) -> Path | None:
        """Of the entries whose names begin with `prefix` the one that was used last, if any."""
        found = [entry for entry in self._entries(kind) if entry.name.startswith(prefix)]
        for entry in sorted(found, key=lambda entry: -entry.used_at):
            if _is_whole(entry.path):
                return self.keep(kind, entry.name, _gone)
        return None

    def entries(self) -> list[Entry]:
        """All that is kept, the least recently used first."""
        found = (entry for kind in KINDS for entry in self._entries(kind))
        return sorted(found, key=lambda entry: entry.used_at)

    def shrink(self, limit_bytes: int) -> list[Entry]:
        """Removes what was not used for longest until the rest takes at most `limit_bytes`; all
        where that is 0.

        Gives what went: what a process uses stays. Raises OutputError where nothing can be changed.
        """
        if not self.folder.is_dir():
            return []
        removed, entries = [], self.entries()
        total = sum(entry.size_bytes for entry in entries)
        try:
            process = CacheProcess.of(self.folder)
            process.sweep()
        except OSError as error:
            raise self._refused(error) from error
        for entry in entries:
            if total <= limit_bytes and limit_bytes:
                break
            if self._remove(entry, process):
                removed.append(entry)
                total -= entry.size_bytes
        return removed

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.folder}: the cache can't be written ({error.strerror or error}); make room "
            "there, or set XDG_CACHE_HOME to a folder that can"
        )

    def _path(self, kind: str, name: str) -> Path:
        assert kind in KINDS, kind
        return self.folder / kind / name

    def _lock(self, kind: str, name: str) -> Path:
        return self.folder / LOCKS / f"{kind}.{name}"

    def _take(self, kind: str, name: str, make: Callable[[Path], None]) -> bool:
        """Whether the entry had to be made."""
        path, process = self._path(kind, name), CacheProcess.of(self.folder)
        file = self._lock(kind, name)
        with lock(file):
            try:
                new = not _is_whole(path)
                if new:
                    self._make(path, process, make)
                process.use(f"{kind}/{name}")
                os.utime(path / RECORD)
            finally:
                if not os.path.lexists(path):
                    file.unlink()
        return new

    def _make(self, path: Path, process: CacheProcess, make: Callable[[Path], None]) -> None:
        """Puts a new entry in the place of whatever is at `path`, whose lock the caller holds."""
        with process.scratch() as scratch:
            made = scratch / "made"
            made.mkdir()
            make(made)
            record = _record(made, f"{path.parent.name}/{path.name}")
            (made / RECORD).write_text(json.dumps(record, indent=1) + "\n")
            if not path.parent.is_dir():
                delete(path.parent)
                path.parent.mkdir(exist_ok=True)
            delete(path)
            made.rename(path)

    def _remove(self, entry: Entry, process: CacheProcess) -> bool:
        """Whether `entry` went: it stays while a process uses, makes or looks at it, and where the
        system refuses."""
        file = self._lock(entry.kind, entry.name)
        try:
            with lock(file, wait=False) as free:
                if not free or f"{entry.kind}/{entry.name}" in process.in_use():
                    return False
                with process.scratch() as scratch:
                    if entry.path.is_dir() and not entry.path.is_symlink():
                        entry.path.chmod(0o700)  # or it can't be moved
                    entry.path.rename(scratch / "old")
                    delete(scratch / "old")
                file.unlink()
        except OSError:
            return False
        return True

    def _entries(self, kind: str) -> Iterator[Entry]:
        folder = self.folder / kind
        for path in folder.iterdir() if folder.is_dir() else ():
            with suppress(FileNotFoundError):  # another process takes it away
                record = path / RECORD
                used_at = record.lstat().st_mtime if os.path.lexists(record) else 0.0
                yield Entry(kind, path.name, path, _size_bytes(path), used_at)


def _is_whole(path: Path) -> bool:
    """Whether the entry at `path` is as it was made."""
    try:
        record = json.loads(_content(path / RECORD))
        return record == _record(path, f"{path.parent.name}/{path.name}")
    except (OSError, ValueError, RecursionError):
        return False


def _record(folder: Path, name: str) -> dict:
    """What an entry's record says of the files in `folder`. Raises ValueError for what is none."""
    files = (file for file in sorted(folder.rglob("*")) if not _is_folder(file))
    return {
        "entry": name,
        "files": {
            file.relative_to(folder).as_posix(): hashlib.sha256(_content(file)).hexdigest()
            for file in files
            if file != folder / RECORD
        },
    }


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _content(file: Path) -> bytes:
    """The bytes of a file. Raises ValueError for a link, a pipe or anything else."""
    if not stat.S_ISREG(file.lstat().st_mode):
        raise ValueError(f"{file}: is no file")
    return file.read_bytes()


def _size_bytes(path: Path) -> int:
    """Bytes of all files in `path`, or of the file that it is."""
    if not _is_folder(path):
        return path.lstat().st_size
    return sum(
        Path(folder, name).lstat().st_size for folder, _, names in os.walk(path) for name in names
    )


def _gone(folder: Path) -> None:
    raise FileNotFoundError(f"{folder}: went meanwhile")
