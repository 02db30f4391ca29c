"""Estimates the clock that stages and whole designs reach.

Place and route knows better. Here a module's longest path takes a sum of features of its structure
(LUTs one behind the other, bits of a sum ...), each times a coefficient, in nanoseconds. A core is
as slow as its slowest stage, and slower for its size. benchmarks/calibrate.py fits the coefficients
to what nextpnr reaches on many designs, on ECP5, so that few are promised more than they reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2

from bitfold.overlays.dataflow.cost import Features, calibration

DEFAULT_CLOCK_MHZ = 100.0
"""What is asked for where the user names none: a conservative clock for a Zynq-7020."""

LEAST_NS = 2.0
"""From a register to the next with nothing between them: no design is faster."""


@dataclass(frozen=True)
class Clock:
    """What a design reaches, in MHz, and the part of it that limits it."""

    mhz: float
    limited_by: str


def path_ns(path: Features, coefficients: Mapping[str, Mapping[str, float]] | None = None) -> float:
    """The longest path of a module with these features; `coefficients`: others than those of the
    calibration."""
    kind, values = path
    of_kind = (coefficients or calibration().clock.coefficients)[kind]
    return max(LEAST_NS, sum(of_kind[name] * value for name, value in values.items()))


def core_path(slowest_ns: float, luts: int, dsps: int) -> Features:
    """What the longest path of a core is estimated by: that of its slowest stage, and its size.
    DSPs lie where they are, and not where they are needed."""
    return "core", {"slowest": slowest_ns, "luts": log2(1 + luts), "dsps": log2(1 + dsps)}


def clock_of(paths: Mapping[str, Features], luts: int, dsps: int) -> Clock:
    """What a core and its shell reach: `paths` are those of its stages by name."""
    slowest_ns, name = max((path_ns(path), name) for name, path in paths.items())
    core_ns, shell_ns = path_ns(core_path(slowest_ns, luts, dsps)), path_ns(SHELL_PATH)
    return Clock(1000 / max(core_ns, shell_ns), name if core_ns >= shell_ns else "shell")


SHELL_PATH: Features = ("shell", {"one": 1})
