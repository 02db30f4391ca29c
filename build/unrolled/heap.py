"""Heaps: weighted bits to be added up, and what becomes of them: a number, or a comparison.

A sum stays the bits it is made of until something needs it as a number. A comparison with a
constant never makes one: counters take three bits off a column of six, and the last counter of a
column drops the bit that nobody asks for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from math import gcd

from bitfold.build.unrolled.logic import Bit, Lane, Logic

COUNTED = 6
"""Bits that a counter takes: the inputs of a LUT."""

Row = dict[int, Lane]
"""A number: its bits by their columns."""


@dataclass(frozen=True)
class Value:
    """offset + the sum of coefficient * bit, coefficients above zero; within [minimum, maximum]."""

    terms: tuple[tuple[int, Bit], ...]
    offset: int
    minimum: int
    maximum: int


def combine(parts: Iterable[tuple[int, Value]], minimum: int, maximum: int) -> Value:
    """The sum of factor * value, which is known to lie in [minimum, maximum]."""
    coefficients: dict[Bit, int] = defaultdict(int)  # of each bit as it stands, not inverted
    offset = 0
    for factor, value in parts:
        offset += factor * value.offset
        for coefficient, bit in value.terms:
            if bit.inverted:
                offset += factor * coefficient
                coefficients[~bit] -= factor * coefficient
            else:
                coefficients[bit] += factor * coefficient
    terms = []
    for bit, coefficient in coefficients.items():
        if coefficient < 0:  # -c * bit = c * ~bit - c
            offset += coefficient
            terms.append((-coefficient, ~bit))
        elif coefficient > 0:
            terms.append((coefficient, bit))
    return Value(tuple(terms), offset, minimum, maximum)


def number(logic: Logic, value: Value) -> Value:
    """The same value as a number: one bit for each power of two, times a unit."""
    return _number(logic, value, unit_of(value)) if value.terms else value


def _number(logic: Logic, value: Value, unit: int) -> Value:
    columns = columns_of(value, unit)
    _count_down(logic, columns)
    width = ((value.maximum - value.offset) // unit).bit_length()
    total = _total(logic, _rows(columns, width), width)
    # One wire, which a simulator takes at once.
    lowest = min(total)
    lanes = [total.get(column, False) for column in range(lowest, max(total) + 1)]
    bits = logic.join(lanes)
    terms = tuple(
        (unit << lowest + i, bit)
        for i, (lane, bit) in enumerate(zip(lanes, bits))
        if lane is not False
    )
    return Value(terms, value.offset, value.minimum, value.maximum)


def reaches(logic: Logic, value: Value, threshold: int) -> Lane:
    """Whether `value` >= `threshold`."""
    if value.minimum >= threshold:
        return True
    if value.maximum < threshold:
        return False
    unit = unit_of(value)
    columns = columns_of(value, unit)
    bound = -(-(threshold - value.offset) // unit)  # of what the columns add up to
    # With what is missing to a power of two added, the carry into its column decides.
    top = max(bound - 1, 0).bit_length()
    missing = (1 << top) - bound
    for column in range(top):
        lanes = columns[column]
        while len(lanes) > COUNTED:
            lanes = _count(logic, columns, column)
        ones = [*lanes, True] if missing >> column & 1 else lanes
        if len(ones) > 1:
            twos, fours = logic.carry(ones)
            columns[column + 1].append(twos)
            if len(ones) > 3:
                columns[column + 2].append(fours)
    decisive = [lane for column in sorted(columns) if column >= top for lane in columns[column]]
    return logic.any(decisive)


def plus(logic: Logic, value: Value, constant: int, shift: int = 0) -> list[Lane]:
    """floor((value + constant) / 2**shift), lowest bit first, in as many bits as its results need;
    the last is a sign where one of them is below zero, and only there."""
    lowest, highest = value.minimum + constant, value.maximum + constant
    signed = lowest < 0
    width = max(highest.bit_length(), (-lowest - 1).bit_length() if signed else 0) + signed
    columns = columns_of(value, 1)
    _count_down(logic, columns)
    constant += value.offset
    rows = _rows(columns, width)
    if constant % (1 << shift):
        rows.append(_constant(constant, range(shift)))
    total = _total(logic, rows, width, shift)
    # The rest of the constant comes last: before, it would fill columns that rows leave free.
    total = _add(logic, total, _constant(constant, range(shift, width)), width)
    kept = [total.get(column, False) for column in range(shift, width)]
    return kept or [total.get(width - 1, False)] * signed


def unit_of(value: Value) -> int:
    """What all coefficients are multiples of."""
    return gcd(*(coefficient for coefficient, _ in value.terms))


def columns_of(value: Value, unit: int) -> dict[int, list[Lane]]:
    """The bits that count 1, 2, 4, ... units."""
    columns: dict[int, list[Lane]] = defaultdict(list)
    for coefficient, bit in value.terms:
        digits = coefficient // unit
        for column in range(digits.bit_length()):
            if digits >> column & 1:
                columns[column].append(bit)
    return columns


def _count_down(logic: Logic, columns: dict[int, list[Lane]]) -> None:
    column = 0
    while column <= max(columns, default=-1):
        while len(columns[column]) >= COUNTED:
            _count(logic, columns, column)
        column += 1


def _count(logic: Logic, columns: dict[int, list[Lane]], column: int) -> list[Lane]:
    """Puts a count in the place of the six bits of a column that are ready first."""
    lanes = sorted(columns[column], key=logic.level)
    ones, twos, fours = logic.count(lanes[:COUNTED])
    columns[column] = [*lanes[COUNTED:], ones]
    columns[column + 1].append(twos)
    columns[column + 2].append(fours)
    return columns[column]


def _rows(columns: dict[int, list[Lane]], width: int) -> list[Row]:
    """The bits of the columns below `width` as numbers, which have one bit a column or none. The
    bits of a wire stay together, as far as they stand in order."""
    rows: list[Row] = []
    for column in sorted(column for column in columns if column < width):
        lanes = list(columns[column])
        free = list(rows)
        for row in rows:
            follower = _follower(row.get(column - 1))
            if follower in lanes:
                lanes.remove(follower)
                row[column] = follower
                free.remove(row)
        free.sort(key=max, reverse=True)
        free += ({} for _ in lanes[len(free) :])
        for row, lane in zip(free, lanes):
            if not row:
                rows.append(row)
            row[column] = lane
    return rows


def _follower(lane: Lane | None) -> Bit | None:
    """The next bit of the same wire."""
    return Bit(lane.wire, lane.index + 1, lane.inverted) if isinstance(lane, Bit) else None


def _total(logic: Logic, rows: list[Row], width: int, needed: int = 0) -> Row:
    """The sum of `rows` modulo 2**width, of which the columns from `needed` on are wanted."""
    while len(rows) > 1:
        first, second = min(combinations(rows, 2), key=lambda pair: _cost(logic, *pair))
        rows = [row for row in rows if row is not first and row is not second]
        rows.append(_add(logic, first, second, width, 0 if rows else needed))
    return rows[0] if rows else {}


def _constant(value: int, columns: range) -> Row:
    return {column: True for column in columns if value >> column & 1}


def _cost(logic: Logic, a: Row, b: Row) -> tuple[int, int]:
    """What to add first: what takes the fewest LUTs, and of that what is ready first."""
    luts = sum(isinstance(a[c], Bit) and isinstance(b[c], Bit) for c in set(a) & set(b))
    return luts, max(logic.level(lane) for lane in (*a.values(), *b.values()))


def _add(logic: Logic, a: Row, b: Row, width: int, needed: int = 0) -> Row:
    """a + b modulo 2**width; an adder only from the column on where they first meet. Of the columns
    below `needed` only the carry is made."""
    either = {**a, **b}
    low = min(set(a) & set(b), default=width)
    span = range(low, min(max(either, default=0) + 1, width))
    if not span:
        return either
    # The operand that the carry chain takes past its LUTs is the one that needs no inverters.
    a, b = sorted((a, b), key=lambda row: sum(_is_inverted(lane) for lane in row.values()))
    start = min(needed, span.stop)
    lower = range(low, start)
    carry = logic.carry_out(
        [a.get(c, False) for c in lower], [b.get(c, False) for c in lower], False
    )
    span = range(max(low, start), span.stop)
    total = logic.add([a.get(c, False) for c in span], [b.get(c, False) for c in span], carry)
    below = {c: bit for c, bit in either.items() if c < low}
    return below | {span.start + i: bit for i, bit in enumerate(total) if span.start + i < width}


def _is_inverted(lane: Lane) -> bool:
    return isinstance(lane, Bit) and lane.inverted
