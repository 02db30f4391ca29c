"""Runs a function in a process of its own, with limits on time and memory.

The libraries below (onnx, onnxruntime, qonnx, FINN) can crash, hang or fill the memory on a file
that was made to do so. They are trusted not to do more: the process has the rights of its parent,
but for writing files.

The process is forked, as starting Python and loading the libraries takes a second and forking some
milliseconds. That is safe beside threads: the child runs the calling thread only, and none of its
libraries keeps threads of the parent's (onnxruntime's die with each session, OpenBLAS and Python
have handlers for a fork, and OpenMP, which has none, is not used).
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from bitfold.models.errors import FrontendError

_MIB = 2**20
# Waiting is no work: a busy machine may take this many times longer.
_PATIENCE = 20
_OUT_OF_MEMORY = 77
# Of the parent's when it forks, so that no other child inherits an open end of this one's pipe.
_forking = threading.Lock()


@dataclass(frozen=True)
class Limits:
    """What a call may take: `seconds` of processor time, `memory_bytes` beside what is loaded."""

    seconds: int
    memory_bytes: int

    @staticmethod
    def for_file(path: Path, rows: int = 0) -> Limits:
        """Far more than any network of this size needs, and `rows` samples run through it."""
        try:
            size = path.stat().st_size
        except OSError:
            size = 0
        # Each core has a thread of onnxruntime and of OpenBLAS, with stacks and buffers.
        threads = 64 * _MIB * (os.cpu_count() or 1)
        memory = 640 * _MIB + threads + 64 * size + rows * _MIB
        return Limits(8 + 20 * size // _MIB + rows // 20, memory)


def call(
    what: str,
    limits: Limits,
    function: Callable,
    *arguments: Any,
    progress: Callable[[str], None] | None = None,
) -> Any:
    """`function(*arguments)`, or what it raises, computed in a forked process.

    With `progress` the function gets one more argument, through which it calls `progress` here.
    What it returns has to be something that can be pickled. `what` starts the message of the
    FrontendError for a process that ran into its `limits`, or died.
    """
    step = ""
    with _forking:
        receiver, sender = Pipe(duplex=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of threads; see above
            process = os.fork()
        if not process:
            _forking.release()
            _run(sender, limits, function, arguments, with_progress=progress is not None)
        sender.close()
    deadline = time.monotonic() + limits.seconds * _PATIENCE
    try:
        while receiver.poll(max(0, deadline - time.monotonic())):
            kind, content = receiver.recv()
            if kind == "step":
                step = content
                progress(step)
            elif kind == "result":
                return content
            else:
                error, trace = content
                raise error from _RemoteError(trace)
        status = None
    except EOFError:
        status = _end(process)
        process = None
    finally:
        receiver.close()
        if process:
            _end(process, kill=True)
    raise FrontendError(f"{what}: {_why(status, limits)}{f' (while {step})' if step else ''}")


class _RemoteError(Exception):
    """Where an error was raised, as text: a traceback does not cross processes."""

    def __str__(self) -> str:
        return "\n" + self.args[0]


def _end(process: int, kill: bool = False) -> int:
    """The status of `process` once it is over; 0 where another part of the program asked first."""
    if kill:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    try:
        return os.waitpid(process, 0)[1]
    except ChildProcessError:
        return 0


def _why(status: int | None, limits: Limits) -> str:
    """Why there is no result, and what to do."""
    if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return (
            f"reading took more than {limits.seconds} s of processor time; the file is damaged or "
            "made to do so, or needs larger `limits` (from Python)"
        )
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _OUT_OF_MEMORY:
        return (
            f"reading took more than {limits.memory_bytes // _MIB} MiB of memory; the file is "
            "damaged or made to do so, or needs larger `limits` (from Python)"
        )
    signalled = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    how = f"with {signal.Signals(signalled).name}" if signalled else "without a result"
    return f"the library that reads it ended {how}; the file is damaged: export it again"


def _run(
    sender: Connection,
    limits: Limits,
    function: Callable,
    arguments: tuple,
    with_progress: bool,
) -> NoReturn:
    """The child: never returns."""
    try:
        _confine(limits)
        if with_progress:
            arguments = (*arguments, lambda step: sender.send(("step", step)))
        try:
            message = "result", function(*arguments)
        except MemoryError:
            raise
        except Exception as error:
            message = "error", (error, traceback.format_exc())
        sender.send(message)
        os._exit(0)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    finally:  # whatever else happens, the child does not go on as its parent would
        os._exit(1)


def _confine(limits: Limits) -> None:
    faulthandler.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the child
    for number in (signal.SIGTERM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    data_pages = int(Path("/proc/self/statm").read_text().split()[5])
    memory = data_pages * resource.getpagesize() + limits.memory_bytes
    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_DATA, memory),
    ):
        _, most = resource.getrlimit(what)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(what, (limit, limit + 1 if what == resource.RLIMIT_CPU else limit))
