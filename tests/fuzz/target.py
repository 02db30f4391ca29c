"""What a format has to give to be fuzzed, and how a case may end."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from random import Random
from typing import Protocol


class Target(Protocol):
    """One format: seeds, mutators, and a reader whose result is checked."""

    name: str

    def prepare(self, folder: Path, cache: Path) -> None:
        """Makes the seeds in `folder`, and what is built once in `cache`; workers fork then."""

    def may_start(self, command: list[str]) -> bool:
        """Whether reading may start this program. May raise UnbuiltError."""

    def seeds(self) -> list[str]:
        """The names of the seeds."""

    def copy(self, seed: str, case: Path) -> None:
        """Writes the seed itself into the empty folder `case`."""

    def mutate(self, random: Random, case: Path) -> str:
        """Changes the seed in `case`, by `random` alone; says how."""

    def check(self, case: Path) -> None:
        """Reads the case. Returns where the result is exact; fails where it is not.

        Raises BitfoldError where the case is refused. May write to the current folder only.
        """


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """With `folder` as the current one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class Outcome(Enum):
    """How a case ended."""

    EXACT = "exact"
    REFUSED = "refused"
    TOLD = "told"
    """A result that is not exact, and the command says so."""
    UNBUILT = "unbuilt"
    """RTL that is accepted, and was not compiled to save time: only some of it is."""
    UNTYPED = "untyped"
    """An error that is not of the BitfoldError family."""
    WRONG = "wrong"
    """A result that is not exact."""
    CRASHED = "crashed"
    HUNG = "hung"
    OUTGREW = "outgrew"
    """More memory than the limit."""
    ESCAPED = "escaped"
    """Something was written outside, or executed."""

    @property
    def good(self) -> bool:
        return self in (Outcome.EXACT, Outcome.REFUSED, Outcome.TOLD, Outcome.UNBUILT)


class ToldError(Exception):
    """What is wrong was told, without an error: by the exit code of a command."""


class UnbuiltError(BaseException):
    """Stops before what takes too long to be done in every case."""


@dataclass(frozen=True)
class Result:
    """How one case ended. `index` with the seed of the run makes it again."""

    index: int
    outcome: Outcome
    change: str
    said: str
    """The error's text, or where it is none of ours its traceback."""
    seconds: float
    megabytes: float
    """The peak of resident memory above what the worker held before."""

    @property
    def signature(self) -> str:
        """The same for cases that end in the same way at the same place."""
        lines = self.said.strip().splitlines() or [""]
        calls = re.findall(r'File ".*?/(\w+/\w+\.py)", line (\d+)', self.said)
        ours = [f"{file}:{line}" for file, line in calls if not file.startswith("fuzz/")]
        where = f" at {ours[-1]}" if ours else ""
        said = re.sub(r"/[^ ]*/|[0-9a-f]{8,}|\d+", "*", lines[-1])
        return f"{self.outcome.value}{where}: {said[:120]}"
