"""argmax: the first of the largest scores for any encoding and folding, and its cycles."""

import random

import pytest
from cocotb_build import RTL
from stored_integers import bipolar, signed, unsigned
from stream_case import StreamCase, judge, steady

SOURCES = [RTL / "dataflow" / "argmax.sv"]

# ROWS, PE, scores
CASES = [
    (2, 1, signed(8)),
    (3, 3, signed(5)),
    (10, 2, unsigned(4)),
    (12, 3, signed(2)),
    (7, 7, bipolar),
    (9, 1, bipolar),
    (6, 2, signed(32)),
    (5, 1, unsigned(32)),
    (17, 17, signed(11)),
]


@pytest.mark.parametrize(("rows", "pe", "x"), CASES, ids=str)
def test_the_class_is_the_first_of_the_largest_scores(rows, pe, x):
    rng = random.Random(rows)
    lowest, highest = x.values[0], x.values[-1]
    frames = [x.draw(rng, rows) for _ in range(20)]
    frames += [[value] * rows for value in (lowest, highest, x.values[len(x.values) // 2])]
    for winner in range(rows):
        # Alone at the top, and first of two that stand there.
        for others in ([], [rng.randrange(winner, rows)]):
            frame = [rng.choice(x.values[:-1]) for _ in range(rows)]
            for index in (winner, *others):
                frame[index] = highest
            frames.append(frame)
    # Nothing is above 0, and the lowest is of no use.
    frames += [[lowest] * i + [x.values[1]] + [lowest] * (rows - i - 1) for i in range(rows)]
    bits = (rows - 1).bit_length()
    beats = rows // pe
    case = StreamCase(
        [x.beats(frame, pe) for frame in frames],
        [[frame.index(max(frame))] for frame in frames],
        taken=steady(len(frames) * beats),
        given=steady(len(frames), every=beats, start=beats - 1 + 2),
        busy_cycles=beats,
    )
    parameters = {
        "ROWS": rows,
        "PE": pe,
        "INPUT_BITS": x.bits,
        "INPUT_ENCODING": x.encoding,
        "OUTPUT_BITS": bits,
    }
    judge(SOURCES, "argmax", parameters, case)
