"""Estimates LUTs and block RAMs, to choose a folding by.

Synthesis knows better. Here a module's LUTs are a sum of features of its structure (bits added,
compared, stored ...), each times a coefficient. benchmarks/calibrate.py fits the coefficients to
what Yosys makes of many cores, and writes them to calibration.json with the error on cores that it
did not fit. clock.py does the same for the clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path

CALIBRATION = Path(__file__).with_name("calibration.json")

LUTS_A_RAMB18 = 100
"""How many LUTs a block RAM has to save: a xc7z020 has 190 for each."""
LEAST_BLOCK_BITS = 1 << 14
"""Yosys leaves smaller memories in LUTs, whatever is asked for."""
_RAMB18_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Words and bits of a word. Source: AMD UG473."""

Features = tuple[str, Mapping[str, float]]
"""A kind of module, whose coefficients it takes, and its features by name."""


@dataclass(frozen=True)
class Fit:
    """What an estimate rests on. An error is that of designs that took no part in the fit, as a
    share of what was measured."""

    coefficients: Mapping[str, Mapping[str, float]]
    """By kind of module and feature."""
    median_error: float
    worst_error: float
    designs: int
    tools: str
    promised_too_much: int = 0
    """Of the clock: how many of these designs were promised more than 1.1 times what they reach."""


@dataclass(frozen=True)
class Calibration:
    """The fits of LUTs, of whole cores, and of the clock, of stages and whole cores."""

    luts: Fit
    clock: Fit


@cache
def calibration() -> Calibration:
    said = json.loads(CALIBRATION.read_text())
    return Calibration(luts=Fit(**said["luts"]), clock=Fit(**said["clock"]))


def luts(features: Features) -> int:
    """The LUTs of a module with these features."""
    kind, values = features
    coefficients = calibration().luts.coefficients[kind]
    return ceil(sum(coefficients[name] * value for name, value in values.items()))


def table_luts(words: int) -> float:
    """LUTs for each bit of a table of constants: a LUT6 holds 64 of them, and what is no power of
    two of these takes as many as the next."""
    return 0 if words == 1 else 1 << max(0, (words - 1).bit_length() - 6)


def ramb18(words: int, bits: int) -> int:
    """Block RAMs of 18 kbit for a memory of `words` of `bits`."""
    return min(-(-words // deep) * -(-bits // wide) for deep, wide in _RAMB18_SHAPES)


def in_block_ram(words: int, bits: int) -> bool:
    """Whether a table of `words` of `bits`, read behind a register, lies in block RAM."""
    saved = bits * table_luts(words)
    return words * bits >= LEAST_BLOCK_BITS and saved >= LUTS_A_RAMB18 * ramb18(words, bits)


def memory_luts(bits: int, words: int) -> float:
    """LUTs of distributed RAM: a RAM32M is 4, and holds 32 words of 6 bits."""
    return 4 * ceil(bits / 6) * ceil(words / 32) if words > 1 else 0
