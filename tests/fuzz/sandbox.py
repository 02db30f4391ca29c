"""Reads one case within limits, and sees what it writes, starts and takes.

A worker lives in a folder of its own:

    case/        the files that are read; no byte of them may change
    out/         the current folder, which reading may write to
    cache/ home/ tmp/   likewise
    bin/         in front of PATH: programs that tell that they were run
    canary       and all else here: nothing of it may change
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fuzz.mutate import MARK
from fuzz.target import Outcome, Result, Target, ToldError, UnbuiltError

from bitfold.models.errors import BitfoldError

FREE = ("out", "cache", "home", "tmp")
"""The folders of a worker that reading may write to."""
TRAPS = ("touch", "curl", "wget", "nc", "id", "xcalc", "vivado")


@dataclass(frozen=True)
class Limits:
    """`seconds` are the processor's, `megabytes` those that are taken beside what was held."""

    seconds: float = 10
    megabytes: int = 1024


class EscapeError(RuntimeError):
    """Reading tried to write outside or to start a program."""


class Sandbox:
    """A worker's folder, and the hook that watches what Python does while a case is read.

    `shared` are further places that reading may write to, as caches are. Made in the worker itself:
    the hook stays for as long as the process lives.
    """

    def __init__(self, root: Path, shared: tuple[Path, ...], target: Target, limits: Limits):
        self.root, self.target, self.limits = root, target, limits
        self._free = tuple(str(path) + os.sep for path in (*(root / f for f in FREE), *shared))
        self._watching = False
        self._caught: list[str] = []
        for folder in (*FREE, "case", "bin"):
            (root / folder).mkdir(parents=True)
        (root / "canary").write_text("untouched\n")
        for name in TRAPS:
            trap = root / "bin" / name
            trap.write_text(f'#!/bin/sh\n: > "{root}/{MARK}-{name}"\n')
            trap.chmod(0o755)
        os.environ["HOME"], os.environ["TMPDIR"] = str(root / "home"), str(root / "tmp")
        os.environ["PATH"] = f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.addaudithook(self._hook)

    def empty(self) -> Path:
        """The folder of the next case, with nothing left of the last."""
        os.chdir(self.root)
        for folder in ("case", "out", "tmp", "home"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
            (self.root / folder).mkdir(exist_ok=True)
        shutil.rmtree(self.root / "cache", ignore_errors=True)
        (self.root / "cache").mkdir(exist_ok=True)
        os.chdir(self.root / "out")
        return self.root / "case"

    def read(self, index: int, change: str) -> Result:
        """Has the target check what lies in `case`."""
        before, self._caught = self._listing(), []
        held, children = _forget_peak(), _children_peak()
        start = _processor_seconds()
        outcome, said = self._judge()
        seconds = _processor_seconds() - start
        peaks = [_status("VmHWM"), *(peak for peak in [_children_peak()] if peak > children)]
        megabytes = max(0.0, max(peaks) - held)
        escapes = [*self._caught, *self._written(before)]
        if escapes:
            outcome, said = Outcome.ESCAPED, f"{said}\n{'; '.join(escapes[:5])}"
        elif megabytes > self.limits.megabytes:
            outcome, said = Outcome.OUTGREW, f"{said}\n{megabytes:.0f} MB"
        elif seconds > self.limits.seconds:
            outcome, said = Outcome.HUNG, f"{said}\n{seconds:.1f} s"
        return Result(index, outcome, change, said, seconds, megabytes)

    def _judge(self) -> tuple[Outcome, str]:
        try:
            self._watching = True
            with self._limited():
                self.target.check(self.root / "case")
            return Outcome.EXACT, ""
        except BitfoldError as error:
            return Outcome.REFUSED, f"{type(error).__name__}: {error}"
        except ToldError as error:
            return Outcome.TOLD, str(error)
        except UnbuiltError as error:
            return Outcome.UNBUILT, str(error)
        except MemoryError:
            return Outcome.OUTGREW, traceback.format_exc()
        except AssertionError:
            return Outcome.WRONG, traceback.format_exc()
        except BaseException:  # SystemExit and KeyboardInterrupt are no typed errors either
            return Outcome.UNTYPED, _short(traceback.format_exc())
        finally:
            self._watching = False

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """No more address space than the limit beside what is held now."""
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = int((_status("VmSize") + self.limits.megabytes) * 2**20)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

    def _listing(self) -> dict[str, tuple]:
        """Every file of the worker that must not change, and every one with the MARK anywhere."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            place = Path(folder)
            free = place != self.root and place.relative_to(self.root).parts[0] in FREE
            for name in (*folders, *files):
                path = place / name
                if place == self.root and name in FREE:
                    continue
                # What a zip names like that, and is unpacked below its own folder, is no harm.
                made = name == MARK and len(path.relative_to(self.root).parts) < 4
                if made or not free:
                    stat = path.lstat()
                    changes = (stat.st_size, stat.st_mtime_ns) if name in files else ()
                    found[str(path)] = (stat.st_mode, stat.st_ino, *changes)
        return found

    def _written(self, before: dict[str, tuple]) -> list[str]:
        after = self._listing()
        changed = (path for path in before | after if before.get(path) != after.get(path))
        return [f"changed {Path(path).relative_to(self.root)}" for path in changed]

    def _hook(self, event: str, arguments: tuple) -> None:
        if self._watching and event in _JUDGES:
            self._watching = False  # what the judgement itself does is not watched
            try:
                found = _JUDGES[event](self, arguments)
            finally:
                self._watching = True
            if found:
                self._caught.append(f"{event}: {found}")
                (self.root / f"caught-{event}").touch()  # a child's list is its own
                raise EscapeError(f"{event}: {found}")

    # Each says what is wrong with the event's arguments, or nothing.

    def _opens(self, arguments: tuple) -> str | None:
        path, mode, flags = arguments
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
        if (flags or 0) & writes or any(c in (mode or "") for c in "wax+"):
            return self._place(path)
        return None

    def _changes(self, arguments: tuple) -> str | None:
        paths = [part for part in arguments[:2] if isinstance(part, (str, bytes, os.PathLike))]
        return next(filter(None, map(self._place, paths)), None)

    def _place(self, path: object) -> str | None:
        """The path, where it leads to a place that must not be written to."""
        if isinstance(path, int):
            return None
        real = os.path.realpath(os.fsdecode(path))
        if (real + os.sep).startswith(self._free) or real in ("/dev/null", "/proc/self/clear_refs"):
            return None
        return real

    def _starts(self, arguments: tuple) -> str | None:
        command = [os.fsdecode(part) for part in arguments[1]]
        return None if self.target.may_start(command) else " ".join(command)[:500]

    def _anything(self, arguments: tuple) -> str:
        return repr(arguments)[:500]

    def _from_case(self, arguments: tuple) -> str | None:
        path = str(arguments[0] if isinstance(arguments[0], str) else arguments)
        return path if str(self.root / "case") in path else None

    def _unpickles(self, arguments: tuple) -> str | None:
        module, name = arguments
        known = str(module).split(".")[0] in ("bitfold", "numpy", "fuzz", "pathlib", "collections")
        return None if known else f"{module}.{name}"

    def _connects(self, arguments: tuple) -> str | None:
        return repr(arguments[1:]) if isinstance(arguments[-1], tuple) else None


_JUDGES = {
    "open": Sandbox._opens,
    **dict.fromkeys(
        ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "os.chmod"),
        Sandbox._changes,
    ),
    "os.symlink": lambda self, arguments: self._place(arguments[1]),
    "subprocess.Popen": Sandbox._starts,
    "os.posix_spawn": Sandbox._starts,
    "os.exec": Sandbox._starts,
    "os.system": Sandbox._anything,
    "pty.spawn": Sandbox._anything,
    "ctypes.dlopen": Sandbox._from_case,
    "import": Sandbox._from_case,
    "pickle.find_class": Sandbox._unpickles,
    "socket.connect": Sandbox._connects,
    "socket.getaddrinfo": Sandbox._anything,
}


def _short(trace: str) -> str:
    """A traceback without its middle: one of a recursion has a thousand calls."""
    lines = trace.splitlines()
    return "\n".join(lines if len(lines) < 60 else [*lines[:20], "...", *lines[-30:]])


def _processor_seconds() -> float:
    """Of this process and of those that it waited for: other work on the machine does not count."""
    return sum(os.times()[:4])


def _forget_peak() -> float:
    """Resident memory now, in MB, from where on the peak counts."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _children_peak() -> float:
    """The most that any child had, in MB; one that was forked has what its parent held, too."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _status(key: str) -> float:
    """A line of /proc/self/status in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(key)
