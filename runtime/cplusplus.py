"""Runs the g++ of this machine, and names what decides what it makes."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from bitfold.models.errors import ToolError

_LONGEST_CAUSE = 500
"""Characters of a tool's own message that an error repeats."""


def is_installed() -> bool:
    return shutil.which("g++") is not None


def compiler() -> str:
    """What g++ calls itself. Raises ToolError where there is none."""
    if not is_installed():
        raise ToolError("g++ is not installed; install it (Debian, Ubuntu: apt install g++)")
    return run_tool(["g++", "--version"]).splitlines()[0]


@lru_cache(maxsize=1)
def cpu() -> str:
    """What decides which instructions -march=native takes: a library made here may not run on
    another CPU that shares the cache."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = ("flags", "Features", "model", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(named)})) + (
        platform.machine() + platform.processor()
    )


def digest(parts: Iterable[bytes | str]) -> str:
    """A name in hex, 32 digits, for what `parts` are."""
    sha256 = hashlib.sha256()
    for part in parts:
        sha256.update((part.encode() if isinstance(part, str) else part) + b"\0")
    return sha256.hexdigest()[:32]


def run_tool(
    command: Sequence, more_environment: Mapping[str, str] | None = None, told: str = ""
) -> str:
    """What `command` prints when it is `told` that. Raises ToolError with what it said where it
    fails."""
    result = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(more_environment or {})},
        input=told,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if result.returncode:
        raise failure(Path(command[0]).name, result)
    return result.stdout


def failure(tool: str, result: subprocess.CompletedProcess) -> ToolError:
    """The error of a tool that failed: the first line in which it says "error", or else its last,
    and all of its output as the log."""
    log = result.stdout + result.stderr
    lines = [line.strip() for line in log.splitlines() if line.strip()] or ["it said nothing"]
    cause = next((line for line in lines if "error" in line.lower()), lines[-1])
    return ToolError(f"{tool} failed with {result.returncode}: {cause[:_LONGEST_CAUSE]}", log)
