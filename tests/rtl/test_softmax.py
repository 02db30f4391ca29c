"""softmax: the shares of any scores, and the cycle of each."""

import random

import numpy as np
import pytest
from cocotb_build import RTL
from stored_integers import Stored, bipolar, signed, unsigned
from stream_case import StreamCase, judge, steady

from bitfold.models.ops.softmax import Softmax, scaled
from bitfold.overlays.dataflow.stages.softmax import SOFTMAX_CYCLES

SOURCES = [*sorted((RTL / "common").glob("softmax*.sv")), RTL / "dataflow" / "softmax.sv"]

# ROWS, scores, form
CASES = [
    (2, signed(9), "reduced"),
    (3, signed(12), "reduced"),
    (3, signed(8), "plain"),
    (7, unsigned(6), "reduced"),
    (10, bipolar, "reduced"),
    (17, signed(32), "reduced"),
    (5, unsigned(32), "plain"),
    (64, signed(14), "reduced"),
]


@pytest.mark.parametrize(("rows", "x", "form"), CASES, ids=str)
def test_shares_are_those_of_the_integer_reference(rows, x: Stored, form):
    rng = random.Random(rows)
    # Six octaves between the extremes, which leave nothing to the lower, or 3 on either side.
    scale = 6 / max(abs(x.values[0]), x.values[-1])
    softmax = Softmax(*scaled(scale, form), form)
    count = 20 if rows < 16 else 6
    frames = [x.draw(rng, rows) for _ in range(count)]
    frames += [[value] * rows for value in (x.values[0], x.values[-1])]
    middle = x.values[len(x.values) // 2]
    spread = max(1, len(x.values) // 64)
    if x.encoding != 2:
        frames += [
            [middle + rng.randrange(-spread, spread) for _ in range(rows)] for _ in range(count)
        ]
    shares = softmax.shares(np.array(frames, np.int64))
    case = StreamCase(
        [x.beats(frame, 1) for frame in frames],
        shares.tolist(),
        taken=steady(len(frames) * rows),
        given=steady(len(frames) * rows, start=rows - 1 + 2 * rows + SOFTMAX_CYCLES),
        busy_cycles=rows,
    )
    parameters = {
        "ROWS": rows,
        "INPUT_BITS": x.bits,
        "INPUT_ENCODING": x.encoding,
        "MULTIPLIER": softmax.multiplier,
        "SHIFT": softmax.shift,
        "PLAIN": int(form == "plain"),
    }
    judge(SOURCES, "softmax", parameters, case)
