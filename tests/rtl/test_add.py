"""add: exact sums of streams of any encodings, and their cycles."""

import random

import pytest
from cocotb_build import RTL
from stored_integers import bipolar, signed, unsigned
from stream_case import steady
from streams_case import StreamsCase, judge_streams, packed

SOURCES = [RTL / "common" / "stable_beat.sv"]
SOURCES += [RTL / "dataflow" / f"{name}.sv" for name in ("convert_lanes", "add")]

# PE, inputs, output
CASES = [
    (1, (signed(8), signed(8)), signed(9)),
    (3, (unsigned(4), signed(2)), signed(6)),
    (4, (bipolar, bipolar), signed(3)),
    (2, (bipolar, unsigned(7), signed(5)), signed(9)),
    (5, (unsigned(3), unsigned(2), unsigned(1), unsigned(3)), unsigned(5)),
    (2, (unsigned(32), signed(32)), signed(34)),
]


@pytest.mark.parametrize(("pe", "terms", "y"), CASES, ids=str)
def test_each_lane_is_the_sum_of_its_terms(pe, terms, y):
    rng = random.Random(pe)
    beats = 4
    frames = [[x.draw(rng, beats * pe) for x in terms] for _ in range(30)]
    # All at their lowest, and all at their highest.
    frames += [[[x.values[end]] * beats * pe for x in terms] for end in (0, -1)]
    cycles = steady(beats * len(frames))
    case = StreamsCase(
        [[x.beats(frame[i], pe) for frame in frames] for i, x in enumerate(terms)],
        [[y.beats([sum(lane) for lane in zip(*frame)], pe) for frame in frames]],
        [pe * x.bits for x in terms],
        [cycles] * len(terms),
        [[cycle + (len(terms) - 1).bit_length() for cycle in cycles]],
        busy_cycles=beats,
    )
    parameters = {
        "INPUTS": len(terms),
        "PE": pe,
        "INPUT_BITS": packed([x.bits for x in terms]),
        "INPUT_ENCODING": packed([x.encoding for x in terms]),
        "OUTPUT_BITS": y.bits,
    }
    judge_streams(SOURCES, "add", parameters, case)
