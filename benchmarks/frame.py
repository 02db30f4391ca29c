"""What all benchmarks share: results, medians over several runs, and the machine they ran on."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROUNDS = 9
ROUND_SECONDS = 0.1
INSTRUCTIONS = ("avx2", "avx512bw", "avx512_vpopcntdq", "avx512_vnni")


@dataclass(frozen=True)
class Result:
    """One line of a benchmark's table: `what` was measured, `value` in `unit`, and a `note`."""

    what: str
    value: float
    unit: str
    note: str = ""


def calls_a_second(
    functions: Mapping[str, Callable[[], object]],
    rounds: int = ROUNDS,
    round_seconds: float = ROUND_SECONDS,
) -> dict[str, float]:
    """The median rate of each function over `rounds`, in each of which it runs `round_seconds`.

    The functions take turns, so that what else the machine does falls on all of them.
    """
    rates: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()  # what is only done once
    for _ in range(rounds):
        for name, function in functions.items():
            calls, start = 0, time.perf_counter()
            while (took := time.perf_counter() - start) < round_seconds:
                function()
                calls += 1
            rates[name].append(calls / took)
    return {name: statistics.median(measured) for name, measured in rates.items()}


def machine() -> dict[str, str]:
    """CPU, cores and the instructions that matter here; Python."""
    said = ""
    if Path("/proc/cpuinfo").is_file():
        said = Path("/proc/cpuinfo").read_text()
    fields = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    flags = fields.get("flags", "").split()
    return {
        "CPU": fields.get("model name", platform.machine()),
        "cores": str(os.cpu_count()),
        "instructions": " ".join(name for name in INSTRUCTIONS if name in flags),
        "Python": platform.python_version(),
    }


def versions(*packages: str) -> dict[str, str]:
    """The installed versions, of those that are there."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
