"""Keeps what FINN and qonnx print, warn of and log from the user's terminal."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet(heard: list[str] | None = None) -> Iterator[None]:
    """What FINN's log warns of is added to `heard`, if given; all else is lost."""
    log = logging.getLogger("finn_logger")
    before = log.disabled, log.propagate
    log.disabled, log.propagate = heard is None, False
    listener = _Listener([] if heard is None else heard)
    log.addHandler(listener)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.removeHandler(listener)
        log.disabled, log.propagate = before


class _Listener(logging.Handler):
    def __init__(self, heard: list[str]):
        super().__init__(logging.WARNING)
        self.heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(" ".join(record.getMessage().split()))
