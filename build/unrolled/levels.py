"""Levels: how many of a channel's thresholds a sum reaches, as bits."""

from __future__ import annotations

import numpy as np

from bitfold.build.unrolled.heap import Value, columns_of, number, plus, reaches, unit_of
from bitfold.build.unrolled.logic import Lane, Logic

MAX_SEGMENT_BITS = 9
"""Tables of more entries are never the smallest."""


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
    found = number(logic, value)
    ways = [_searched(logic, found, thresholds)]
    looked_up = _looked_up(logic, found, thresholds)
    if looked_up:
        ways.append(looked_up)
    return min(ways, key=logic.luts)


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


def _looked_up(logic: Logic, value: Value, thresholds: np.ndarray) -> list[Lane] | None:
    """The span of the thresholds is cut into segments with at most one of them inside: tables give
    it, and the level on either side of it. None where the segments would be too many."""
    first, last = int(thresholds[0]), int(thresholds[-1])
    distances = thresholds - first
    width = (last - first).bit_length()
    inside = next(  # bits of a place inside a segment
        bits for bits in reversed(range(width + 1)) if _one_in_each(distances, bits)
    )
    if width - inside > MAX_SEGMENT_BITS:
        return None
    starts = np.arange(1 << width - inside) << inside
    before = np.searchsorted(distances, starts, side="right")
    behind = np.searchsorted(distances, starts + (1 << inside) - 1, side="right")
    bound = distances[np.minimum(before, len(distances) - 1)] - starts

    offset = plus(logic, value, -first)
    negative = offset.pop() if value.minimum < first else False
    over = logic.any(offset[width:])
    offset += [False] * (width - len(offset))
    place, segment = offset[:inside], offset[inside:width]
    negated = [
        logic.table([~int(b) >> column & 1 for b in bound], segment) for column in range(inside)
    ]
    reached = logic.carry_out(place, negated, True)  # whether place >= bound
    level = []
    for bit in range(len(thresholds).bit_length()):
        entries = np.stack([before, behind], axis=1).ravel() >> bit & 1
        inner = logic.table(entries.tolist(), [reached, *segment])
        outer = bool(len(thresholds) >> bit & 1)
        level.append(logic.choose(negative, False, logic.choose(over, outer, inner)))
    return level


def _one_in_each(distances: np.ndarray, bits: int) -> bool:
    """Whether no segment of 2**bits has two different thresholds behind its first place."""
    inside = np.unique(distances[distances % (1 << bits) != 0])
    return len(np.unique(inside >> bits)) == len(inside)


def _searched(logic: Logic, value: Value, thresholds: np.ndarray) -> list[Lane]:
    """Bit by bit from the highest: each comparison's bound follows from the bits found so far."""
    unit = unit_of(value)
    columns = columns_of(value, unit)
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
        negated = [logic.table(entry, level) for entry in entries]
        level.insert(0, logic.carry_out(lanes, negated, True))
    return level
