"""Levels: how many of a channel's thresholds a sum reaches, as bits."""

from __future__ import annotations

import numpy as np

from bitfold.build.unrolled.heap import Value, columns_of, number, plus, reaches, unit_of
from bitfold.build.unrolled.logic import Lane, Logic


def level_bits(logic: Logic, value: Value, thresholds: np.ndarray) -> list[Lane]:
    """The count of `thresholds` (ascending) that `value` reaches, lowest bit first."""
    if not value.terms:
        level = int((thresholds <= value.offset).sum())
        return [bool(level >> i & 1) for i in range(len(thresholds).bit_length())]
    if len(thresholds) == 1:
        return [reaches(logic, value, int(thresholds[0]))]
    shift = _even_spacing(thresholds)
    if shift is not None:
        return _shifted_and_clipped(logic, value, int(thresholds[0]), shift, len(thresholds))
    return _searched(logic, value, thresholds)


def _even_spacing(thresholds: np.ndarray) -> int | None:
    """log2 of the distance, where it is one power of two and the levels are another."""
    distances = np.diff(thresholds)
    distance = int(distances[0])
    even = distance > 0 and (distances == distance).all() and distance & (distance - 1) == 0
    whole = len(thresholds) & (len(thresholds) + 1) == 0
    return distance.bit_length() - 1 if even and whole else None


def _shifted_and_clipped(
    logic: Logic, value: Value, first: int, shift: int, levels: int
) -> list[Lane]:
    """floor((value - first) / 2**shift) + 1, but at least 0 and at most `levels`."""
    shifted = plus(logic, value, (1 << shift) - first, shift)
    negative = shifted.pop() if value.minimum - first + (1 << shift) < 0 else False
    bits = levels.bit_length()
    over = logic.any(shifted[bits:])
    level = [logic.any([lane, over]) for lane in shifted[:bits]]
    level += [over] * (bits - len(level))
    return [logic.choose(negative, False, lane) for lane in level]


def _searched(logic: Logic, value: Value, thresholds: np.ndarray) -> list[Lane]:
    """Bit by bit from the highest: each comparison's bound follows from the bits found so far."""
    found = number(logic, value)
    unit = unit_of(found)
    columns = columns_of(found, unit)
    most = (value.maximum - value.offset) // unit
    width = (most + 1).bit_length()
    lanes = [columns[c][0] if columns[c] else False for c in range(width)]
    bits = len(thresholds).bit_length()
    bounds = np.full(1 << bits, most + 1, object)
    for level, threshold in enumerate(thresholds, start=1):
        bounds[level] = min(max(-((value.offset - int(threshold)) // unit), 0), most + 1)
    level: list[Lane] = []
    for step in reversed(range(bits)):
        choices = bounds[1 << step :: 2 << step]
        entries = [[~int(bound) >> column & 1 for bound in choices] for column in range(width)]
        carry: Lane = True
        for low in range(0, width, 2):  # two columns a LUT
            pair = slice(low, low + 2)
            negated = [logic.table(entry, level) for entry in entries[pair]]
            carry = logic.carry_over(lanes[pair], negated, carry)
        level.insert(0, carry)
    return level
