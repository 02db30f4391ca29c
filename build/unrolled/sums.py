"""Sums: how the rows of a weight matrix are built, from the inputs and from one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sum:
    """factor * input and factor * earlier sum, added up; `weights` is the row that this gives."""

    weights: np.ndarray
    inputs: tuple[tuple[int, int], ...]
    sums: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Row:
    """A row of the matrix: 2**doublings times it is factor times the sum at `place`."""

    factor: int
    place: int
    doublings: int = 0


@dataclass(frozen=True)
class Sums:
    """Sums in order, and where each row of the matrix is found."""

    nodes: tuple[Sum, ...]
    rows: tuple[Row, ...]


def tree(weights: np.ndarray, depth: int) -> Sums:
    """Each row from the inputs alone, or from the row nearest to it (or to its negative) and the
    inputs in which they differ: a minimum spanning tree of at most `depth` steps from its root.

    `weights`: (rows, columns) integers. Distance is in nonzero digits, which is what is added.
    """
    distinct, first = _distinct(weights)
    count = len(distinct)
    cost = np.array([_digits(row).sum() for row in distinct], np.int64)
    nearest = np.full(count, -1)
    sign = np.ones(count, np.int64)
    level = np.zeros(count, np.int64)
    waiting = np.ones(count, bool)
    place: dict[int, int] = {}
    nodes = []
    for _ in range(count):
        row = int(np.where(waiting, cost, np.iinfo(np.int64).max).argmin())
        waiting[row] = False
        parent, factor = int(nearest[row]), int(sign[row])
        rest = distinct[row] - factor * distinct[parent] if parent >= 0 else distinct[row]
        inputs = tuple((int(rest[c]), int(c)) for c in np.flatnonzero(rest))
        sums = ((factor, place[parent]),) if parent >= 0 else ()
        place[row] = len(nodes)
        nodes.append(Sum(distinct[row], inputs, sums))
        level[row] = level[parent] + 1 if parent >= 0 else 0
        if level[row] >= depth:
            continue
        for factor in (1, -1):
            distance = _digits(distinct - factor * distinct[row]).sum(axis=1)
            nearer = waiting & (distance < cost)
            cost[nearer], nearest[nearer], sign[nearer] = distance[nearer], row, factor
    return Sums(tuple(nodes), tuple(Row(factor, place[row]) for factor, row in first))


def _distinct(weights: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The rows that differ, a row and its negative being one; and each row's factor and place."""
    seen: dict[bytes, int] = {}
    distinct, rows = [], []
    for row in np.asarray(weights, np.int64):
        leading = row[np.flatnonzero(row)[:1]]
        factor = -1 if leading.size and leading[0] < 0 else 1
        key = (factor * row).tobytes()
        if key not in seen:
            seen[key] = len(distinct)
            distinct.append(factor * row)
        rows.append((factor, seen[key]))
    return np.array(distinct), rows


def _digits(values: np.ndarray) -> np.ndarray:
    """Nonzero digits of each integer in canonical signed digit form."""
    x = np.abs(values)
    return np.array([int(n).bit_count() for n in ((3 * x) ^ x).ravel()], np.int64).reshape(x.shape)
