"""Reads the cases of one format in forked workers, and outlives what they do."""

from __future__ import annotations

import faulthandler
import json
import os
import selectors
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from fuzz.sandbox import Limits, Sandbox
from fuzz.target import Outcome, Result, Target

GRACE = 4
"""A case that takes this many times its limit by the clock has its worker killed."""


@dataclass(frozen=True)
class Job:
    """Which cases of a target: those from `first` up to `count`, or until `seconds` are over.

    `known` are folders of cases that are read as they are, before the mutated ones.
    """

    target: Target
    seed: int
    count: int
    seconds: float = float("inf")
    first: int = 0
    known: tuple[Path, ...] = ()
    limits: Limits = field(default_factory=Limits)
    shared: tuple[Path, ...] = ()
    keep: Path = Path("failures")
    workers: int = 1

    @property
    def plain(self) -> list[str]:
        """What is read unchanged: seeds, which must be exact, and known cases."""
        return [*self.target.seeds(), *(path.name for path in self.known)]


def run(job: Job) -> Iterator[Result]:
    """The results as they come. Cases that are read unchanged have an index below zero."""
    end = time.monotonic() + job.seconds
    with tempfile.TemporaryDirectory(prefix="fuzz.") as folder:
        root = Path(folder).resolve()
        start = job.first - (len(job.plain) if job.first == 0 else 0)
        crew = [_Worker(job, root / str(i), start + i) for i in range(job.workers)]
        with selectors.DefaultSelector() as selector:
            for worker in crew:
                worker.fork()
                selector.register(worker.pipe, selectors.EVENT_READ, worker)
            while selector.get_map():
                for key, _ in selector.select(1):
                    yield from key.data.receive()
                for worker in crew:
                    if worker.over and worker.pipe in selector.get_map():
                        selector.unregister(worker.pipe)
                        yield from worker.bury(time.monotonic() > end)
                        if worker.pid:
                            selector.register(worker.pipe, selectors.EVENT_READ, worker)
                    worker.watch(end)


class _Worker:
    """A process that reads every n-th case, and one after it where it dies."""

    def __init__(self, job: Job, root: Path, index: int):
        self.job, self.root, self.index = job, root, index
        self.pid = 0
        self.over = False
        self._stopped = False

    def fork(self) -> None:
        """Starts a process that goes on with the case `index`."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.pipe, sends = os.pipe()
        self.over, self._part, self._change = False, b"", "being made"
        self._since = time.monotonic()
        self._killed = False
        self.pid = os.fork()
        if not self.pid:
            os.close(self.pipe)
            try:
                _work(self.job, self.root, self.index, sends)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        os.close(sends)

    def receive(self) -> Iterator[Result]:
        """What has come since."""
        got = os.read(self.pipe, 1 << 16)
        self.over = not got
        *lines, self._part = (self._part + got).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "outcome" in said:
                self._since, self._change = time.monotonic(), "being made"
                self.index += self.job.workers
                yield Result(**{**said, "outcome": Outcome(said["outcome"])})
            else:
                self._since, self._change = time.monotonic(), said["change"]

    def watch(self, end: float) -> None:
        """Kills a worker whose case takes too long, or whose time is over."""
        now = time.monotonic()
        if self.pid and not self.over and not self._killed:
            hangs = now - self._since > GRACE * self.job.limits.seconds
            self._stopped = now > end
            if hangs or self._stopped:
                self._killed = True
                _signal(self.pid, signal.SIGABRT)  # which prints where it was

    def bury(self, last: bool) -> Iterator[Result]:
        """The result of the case that a worker died of, if it did; then starts the next."""
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        _signal(self.pid, signal.SIGKILL)  # what it started
        self.pid, self.pipe, self.over = 0, -1, False
        if status == 0 or self._stopped:
            return
        outcome = Outcome.HUNG if self._killed else Outcome.CRASHED
        ended = signal.Signals(status & 127).name if status & 127 else f"status {status >> 8}"
        log = self.root.with_name(f"{self.root.name}.log")
        said = f"{log.read_text(errors='replace')[-3000:]}\n{ended}"
        seconds = time.monotonic() - self._since
        result = Result(self.index, outcome, self._change, said, seconds, 0.0)
        _keep(self.job, self.root / "case", result)
        yield result
        self.index += self.job.workers
        if not last:
            self.fork()


def _work(job: Job, root: Path, index: int, pipe: int) -> None:
    """Reads case after case, in a process of its own."""
    os.setsid()
    root.mkdir(parents=True)
    log = os.open(root.parent / f"{root.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.enable()
    sandbox = Sandbox(root, job.shared, job.target, job.limits)

    def send(said: dict) -> None:
        os.write(pipe, json.dumps(said).encode() + b"\n")

    while index < job.count:
        case = sandbox.empty()
        change = make(job, index, case)
        send({"change": change})
        result = sandbox.read(index, change)
        if result.outcome is not Outcome.EXACT and index < -len(job.known):
            seed = f"the seed itself is not exact: {result.said}"
            outcome = Outcome.WRONG if result.outcome is Outcome.REFUSED else result.outcome
            result = Result(index, outcome, change, seed, result.seconds, result.megabytes)
        if not result.outcome.good:
            _keep(job, case, result)
        os.ftruncate(log, 0)
        send({**asdict(result), "outcome": result.outcome.value, "said": result.said[:4000]})
        index += job.workers


def make(job: Job, index: int, case: Path) -> str:
    """Writes the case of that index into the empty folder `case`; says what was changed."""
    if index < -len(job.known):
        name = job.plain[index]
        job.target.copy(name, case)
        return f"{name}, as it is"
    if index < 0:
        shutil.copytree(job.known[index], case, dirs_exist_ok=True, symlinks=True)
        return f"{job.known[index].name}, as it is"
    random = Random(f"{job.target.name} {job.seed} {index}")
    name = random.choice(job.target.seeds())
    job.target.copy(name, case)
    return f"{name}, {job.target.mutate(random, case)}"


def _keep(job: Job, case: Path, result: Result) -> None:
    """Leaves the case where it can be read again."""
    folder = job.keep / f"{job.target.name}-{job.seed}-{result.index}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        shutil.copytree(case, folder / "case", symlinks=True)
    except OSError as error:  # some of what a case holds can't be copied, as a FIFO
        (folder / "not-copied.txt").write_text(str(error))
    (folder / "report.txt").write_text(
        f"{result.outcome.value}: {result.change}\n\n{result.said}\n\nRead it again with\n"
        f"    make fuzz FUZZ='--format {job.target.name} --seed {job.seed} "
        f"--only {result.index}'\n",
        errors="backslashreplace",
    )


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
