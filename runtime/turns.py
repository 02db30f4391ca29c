"""Turns: one thread at a time uses a device, in the process that opened it, until it is closed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from bitfold.models.errors import DeviceError

Result = TypeVar("Result")


@dataclass
class _Shared:
    """What all share that lead to one piece of hardware."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    calling: bool = False


class Turns:
    """The right to use what an error calls `what`; with those of `beside` it takes turns.

    A thread that has its turn may take it again. Raises DeviceError once `what` was closed, and in
    a fork of the process: what another thread was doing at that moment would never end there.
    """

    def __init__(self, what: str, beside: Turns | None = None):
        self._what = what
        self._shared = beside._shared if beside else _Shared()
        self._process = os.getpid()
        self._open = True

    # Not a context manager: Ctrl-C between one of those and its block would keep the lock for good.
    def take(self, work: Callable[[], Result]) -> Result:
        """What `work` gives, while no other thread does any."""
        if os.getpid() != self._process:
            raise DeviceError(
                f"{self._what} was opened by process {self._process} and can't be used in its fork "
                f"{os.getpid()}; open the bundle again there"
            )
        with self._shared.lock:
            if not self._open:
                raise DeviceError(f"{self._what} was closed; open the bundle again")
            return work()

    def call(self, work: Callable[[], Result]) -> Result:
        """Like `take`, for one call. Raises DeviceError inside of another: that of a signal handler
        would spoil the one that the signal interrupted."""
        return self.take(lambda: self._call(work))

    def _call(self, work: Callable[[], Result]) -> Result:
        if self._shared.calling:
            raise DeviceError(
                f"{self._what} is in the middle of a call of this thread; make the next one when "
                "it has returned, not in a signal handler"
            )
        self._shared.calling = True
        try:
            return work()
        finally:
            self._shared.calling = False

    def close(self, give_back: Callable[[], None] = lambda: None) -> None:
        """Ends all use once the call that runs has ended, then calls `give_back`.

        Closing again does nothing, and closing in a fork neither: it is the other process's.
        """
        if os.getpid() != self._process:
            return
        with self._shared.lock:
            if self._open:
                self._open = False
                give_back()
