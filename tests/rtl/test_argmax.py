"""argmax: the first of the largest scores for any encoding and folding, and its cycles."""

import random
from math import ceil

import pytest
from cocotb_build import RTL
from stored_integers import bipolar, signed, unsigned
from stream_case import StreamCase, judge, steady

SOURCES = [
    *(RTL / "common" / f"{name}.sv" for name in ("delay", "stream_skid")),
    RTL / "dataflow" / "argmax.sv",
]

# ROWS, PE, scores, rounds a cycle
CASES = [
    (2, 1, signed(8), 1),
    (3, 3, signed(5), 2),
    (10, 2, unsigned(4), 1),
    (12, 3, signed(2), 1),
    (7, 7, bipolar, 2),
    (9, 1, bipolar, 1),
    (6, 2, signed(32), 1),
    (5, 1, unsigned(32), 1),
    (17, 17, signed(11), 3),
]


@pytest.mark.parametrize(("rows", "pe", "x", "rounds"), CASES, ids=str)
def test_the_class_is_the_first_of_the_largest_scores(rows, pe, x, rounds):
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
        given=steady(len(frames), every=beats, start=beats + ceil((pe - 1).bit_length() / rounds)),
        busy_cycles=beats,
    )
    parameters = {
        "ROWS": rows,
        "PE": pe,
        "INPUT_BITS": x.bits,
        "INPUT_ENCODING": x.encoding,
        "OUTPUT_BITS": bits,
        "ROUNDS": rounds,
    }
    judge(SOURCES, "argmax", parameters, case)
