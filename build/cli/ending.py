"""How `bitfold` ends where it is told to: by Ctrl-C, by SIGTERM, or as nobody reads on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
UNREAD = 128 + signal.SIGPIPE

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: it tidies up first."""


def words(interrupt: KeyboardInterrupt) -> tuple[str, int]:
    """What is said of it, and the exit code."""
    number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
    return _WORDS[number], 128 + number


def until_a_command_runs() -> None:
    """From here on a signal ends the process at once, with one line: there is nothing to tidy up,
    and an exception would come out in the middle of some library's import."""
    for number in _WORDS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _leave)


@contextmanager
def while_a_command_runs() -> Iterator[None]:
    """Inside, signals raise KeyboardInterrupt and Terminated where `until_a_command_runs` was
    called; elsewhere they do what they did."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: _terminate}
    ours = [number for number in _WORDS if signal.getsignal(number) is _leave]
    for number in ours:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, f"{_WORDS[signal.Signals(number)]}\n".encode())
    os._exit(128 + number)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
