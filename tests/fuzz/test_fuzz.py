"""The fuzzers' fixed budget of every day, and the sandbox that they trust."""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from fuzz.formats import FORMATS
from fuzz.sandbox import Limits
from fuzz.target import Outcome
from fuzz.workers import Job, run

from bitfold.models.errors import BitfoldError, FrontendError, InputError

REPOSITORY = Path(__file__).parents[2]
EVERYDAY = 600
"""Mutated files over all formats, a few seconds each; `make fuzz` reads as many as one likes."""


def fuzz(*options: object) -> subprocess.CompletedProcess:
    """The command, as `make fuzz` calls it."""
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *map(str, options)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "tests")},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("format_", FORMATS)
def test_mutated_files_are_refused_or_exact(format_, tmp_path):
    """So are those of the corpus, and every seed is exact."""
    cases = EVERYDAY * FORMATS[format_] // sum(FORMATS.values())
    options = ("--workers", 1, "--keep", tmp_path / "kept", "--json", tmp_path / "table.json")
    ended = fuzz("--format", format_, "--cases", cases, *options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    table = json.loads((tmp_path / "table.json").read_text())["formats"][format_]
    assert table["cases"] > cases and not table["bad"]
    assert min(table["exact"], table["refused"]) > cases // 20, "the mutations are too mild or wild"


# What ends badly is seen.


def cases(path: Path) -> dict[str, tuple[Outcome, object]]:
    """What reading may do, by name, and how that has to be told."""

    def raises(error: BaseException):
        raise error

    return {
        "exact": (Outcome.EXACT, lambda: None),
        "its own folder": (Outcome.EXACT, lambda: Path("made").write_text("x")),
        "refused": (Outcome.REFUSED, lambda: raises(InputError("x: it is not"))),
        "a list of nodes": (Outcome.REFUSED, lambda: raises(FrontendError("two:\n  a\n  b"))),
        "key": (Outcome.UNTYPED, lambda: {}["x"]),
        "recursion": (Outcome.UNTYPED, lambda: json.loads("[" * 100_000)),
        "exit": (Outcome.UNTYPED, lambda: sys.exit(0)),
        "wrong": (Outcome.WRONG, lambda: raises(AssertionError("1 is not 2"))),
        "abort": (Outcome.CRASHED, os.abort),
        "segmentation fault": (Outcome.CRASHED, lambda: ctypes.string_at(0)),
        "killed": (Outcome.CRASHED, lambda: os.kill(os.getpid(), 9)),
        "sleeps": (Outcome.EXACT, lambda: time.sleep(1.2)),
        "slow": (Outcome.HUNG, _compute),
        "hangs": (Outcome.HUNG, lambda: time.sleep(3600)),
        "large": (Outcome.OUTGREW, lambda: bytearray(400 << 20)),
        "used": (Outcome.OUTGREW, lambda: bytes(b"x" * (150 << 20))),
        "outside": (Outcome.ESCAPED, lambda: Path("../outside").write_text("x")),
        "canary": (Outcome.ESCAPED, lambda: os.truncate("../canary", 0)),
        "the case itself": (Outcome.ESCAPED, lambda: Path("../case/new").touch()),
        "far away": (Outcome.ESCAPED, lambda: (path / "new").mkdir()),
        "gone": (Outcome.ESCAPED, (path / "there").unlink),
        "swallowed": (Outcome.ESCAPED, lambda: _swallow(path / "new")),
        "native": (Outcome.ESCAPED, lambda: ctypes.CDLL(None).creat(b"../native", 0o600)),
        "link": (Outcome.ESCAPED, lambda: Path("../link").symlink_to("x")),
        "system": (Outcome.ESCAPED, lambda: os.system("true")),
        "program": (Outcome.ESCAPED, lambda: subprocess.run(["true"])),
        "trap": (Outcome.ESCAPED, lambda: ctypes.CDLL(None).system(b"touch x")),
        "pickle": (Outcome.ESCAPED, lambda: pickle.loads(b"cos\ngetpid\n(tR.")),
        "allowed program": (Outcome.EXACT, lambda: subprocess.run(["echo"])),
    }


def _compute() -> None:
    end = time.process_time() + 1.1
    while time.process_time() < end:
        pass


def _swallow(path: Path) -> None:
    try:
        path.write_text("x")
    except Exception:
        raise BitfoldError("all is well") from None


@dataclass(frozen=True)
class Misbehaving:
    """Every case is a seed, which does what its name says."""

    name = "misbehaving"
    actions: dict

    def seeds(self) -> list[str]:
        return []

    def copy(self, seed: str, case: Path) -> None:
        raise NotImplementedError

    def may_start(self, command: list[str]) -> bool:
        return command == ["echo"]

    def check(self, case: Path) -> None:
        self.actions[(case / "name").read_text()][1]()


def test_whatever_reading_does_is_told(tmp_path):
    (tmp_path / "there").touch()
    actions = cases(tmp_path)
    known = []
    for name in actions:
        known.append(tmp_path / "known" / name)
        known[-1].mkdir(parents=True)
        (known[-1] / "name").write_text(name)
    job = Job(
        target=Misbehaving(actions),
        seed=0,
        count=0,
        known=tuple(known),
        limits=Limits(seconds=1, megabytes=100),
        keep=tmp_path / "kept",
        workers=3,
    )
    results = {known[result.index].name: result for result in run(job)}
    assert {n: r.outcome.value for n, r in results.items()} == {
        name: outcome.value for name, (outcome, _) in actions.items()
    }
    bad = {result.index for result in results.values() if not result.outcome.good}
    assert {int(kept.name.partition("--")[2]) for kept in (tmp_path / "kept").iterdir()} == {
        -index for index in bad
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "known", "there"]


def test_a_seed_makes_the_same_cases_again(tmp_path):
    runs = [
        fuzz("--format", "tables", "--cases", 40, "--keep", tmp_path, "--json", tmp_path / "json")
        for _ in range(2)
    ]
    assert runs[0].stdout.splitlines()[0] == runs[1].stdout.splitlines()[0]
    figures = json.loads((tmp_path / "json").read_text())["formats"]["tables"]
    assert figures["exact"] > 5 and figures["refused"] > 5
