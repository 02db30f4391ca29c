"""Sums by distributed arithmetic: da4ml looks for what the rows of a matrix have in common."""

from __future__ import annotations

import numpy as np

from bitfold.build.unrolled.sums import Row, Sum, Sums
from bitfold.models.value import Range

ADD, SUBTRACT = 0, 1


def distributed(weights: np.ndarray, within: Range, attempt: int = 0) -> Sums:
    """Sums of two terms each, shared between the rows of `weights` (rows, columns), of inputs that
    lie `within`.

    Each `attempt` shows da4ml the matrix in another order, in which it finds other sums.
    Source: Sun et al., da4ml: distributed arithmetic for real-time neural networks on FPGAs, 2025.
    """
    # Here and not above: the tests of a board run on its Python, without this library.
    from da4ml.cmvm import QInterval, solve

    random = np.random.default_rng(attempt)
    rows, columns = (random.permutation(size) for size in weights.shape)
    low, high = within.low[columns], within.high[columns]
    # What it measures its own finds by says little here: it is only asked for one at a time.
    parts = solve(
        np.ascontiguousarray(weights[rows][:, columns].T, np.float32),
        method0="mc",
        qintervals=[QInterval(float(least), float(most), 1.0) for least, most in zip(low, high)],
        search_all_decompose_dc=False,
    ).solutions
    unit = np.eye(len(columns), dtype=np.int64)
    nodes: list[Sum] = []
    # What a buffer holds: (factor, input or sum, its place, exponent), as the row it stands for.
    row_of = {("input", c): unit[c] for c in range(len(columns))}
    given = [(1, ("input", int(c)), 0) for c in columns]
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
    ends = [_row(item, nodes, row_of) for item in given]
    return Sums(tuple(nodes), tuple(ends[place] for place in np.argsort(rows)))


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
