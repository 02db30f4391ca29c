"""Sums by distributed arithmetic: da4ml looks for what the rows of a matrix have in common."""

from __future__ import annotations

import numpy as np

from bitfold.build.unrolled.ranges import Range
from bitfold.build.unrolled.sums import Row, Sum, Sums

ADD, SUBTRACT = 0, 1
THOROUGH_WEIGHTS = 1 << 11
"""Of more, da4ml searches for a seventh of the time, and finds 2 to 5 % less."""


def distributed(weights: np.ndarray, within: Range) -> Sums:
    """Sums of two terms each, shared between the rows of `weights` (rows, columns), of inputs that
    lie `within`.

    Source: Sun et al., da4ml: distributed arithmetic for real-time neural networks on FPGAs, 2025.
    """
    # Here and not above: the tests of a board run on its Python, without this library.
    from da4ml.cmvm import QInterval, solve

    columns = weights.shape[1]
    parts = solve(
        np.ascontiguousarray(weights.T, np.float32),
        qintervals=[QInterval(float(low), float(high), 1.0) for low, high in zip(*within)],
        search_all_decompose_dc=weights.size <= THOROUGH_WEIGHTS,
    ).solutions
    unit = np.eye(columns, dtype=np.int64)
    nodes: list[Sum] = []
    # What a buffer holds: (factor, input or sum, its place, exponent), as the row it stands for.
    row_of = {("input", c): unit[c] for c in range(columns)}
    given = [(1, ("input", c), 0) for c in range(columns)]
    for part in parts:
        buffer: list[tuple[int, tuple[str, int], int]] = []
        for op in part.ops:
            if op.opcode not in (ADD, SUBTRACT):  # a copy of an input
                factor, source, exponent = given[op.id0]
                buffer.append((factor, source, exponent + part.inp_shifts[op.id0]))
                continue
            sign = -1 if op.opcode == SUBTRACT else 1
            fa, a, ea = buffer[op.id0]
            fb, b, eb = buffer[op.id1]
            eb += op.data
            exponent = min(ea, eb)
            terms = [(fa << ea - exponent, a), (sign * fb << eb - exponent, b)]
            nodes.append(_sum(terms, row_of))
            source = ("sum", len(nodes) - 1)
            row_of[source] = nodes[-1].weights
            buffer.append((1, source, exponent))
        given = []
        for index, shift, negative in zip(part.out_idxs, part.out_shifts, part.out_negs):
            factor, source, exponent = buffer[index] if index >= 0 else (0, ("input", 0), 0)
            given.append((-factor if negative else factor, source, exponent + shift))
    ends = tuple(_row(item, nodes, row_of) for item in given)
    return Sums(tuple(nodes), ends)


def _sum(terms, row_of) -> Sum:
    weights = sum(factor * row_of[source] for factor, source in terms)
    return Sum(
        weights,
        tuple((factor, place) for factor, (kind, place) in terms if kind == "input"),
        tuple((factor, place) for factor, (kind, place) in terms if kind == "sum"),
    )


def _row(item, nodes: list[Sum], row_of) -> Row:
    """What a row is; one that is an input becomes a sum of one."""
    factor, source, exponent = item
    kind, place = source
    if kind == "input":
        nodes.append(_sum([(1, source)], row_of))
        place = len(nodes) - 1
    return Row(factor << max(exponent, 0), place, max(-exponent, 0))
