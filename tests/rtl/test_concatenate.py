"""concatenate: frames of any encodings one after another in one encoding, and their cycles."""

import random
from itertools import accumulate, chain

import pytest
from cocotb_build import RTL
from stored_integers import bipolar, signed, unsigned
from stream_case import steady
from streams_case import StreamsCase, judge_streams, packed

SOURCES = [RTL / "common" / "stable_beat.sv"]
SOURCES += [RTL / "dataflow" / f"{name}.sv" for name in ("convert_lanes", "concatenate")]

# PE, (beats of a frame, encoding) of each input, output
CASES = [
    (1, ((1, signed(8)), (1, signed(8))), signed(8)),
    (3, ((4, bipolar), (2, bipolar), (5, bipolar)), bipolar),
    (2, ((3, bipolar), (1, unsigned(4)), (2, signed(3))), signed(5)),
    (4, ((2, unsigned(2)), (7, unsigned(5))), unsigned(6)),
    (1, ((5, unsigned(32)), (2, signed(32))), signed(33)),
    (2, ((1, bipolar), (1, bipolar), (1, signed(2)), (3, bipolar), (2, bipolar)), signed(2)),
]


@pytest.mark.parametrize(("pe", "parts", "y"), CASES, ids=str)
def test_values_stay_and_follow_in_the_order_of_the_inputs(pe, parts, y):
    rng = random.Random(pe)
    frames = [[x.draw(rng, beats * pe) for beats, x in parts] for _ in range(20)]
    frames += [[[x.values[end]] * beats * pe for beats, x in parts] for end in (0, -1)]
    lengths = [beats for beats, _ in parts]
    every = sum(lengths)
    given = steady(every * len(frames), start=1)
    case = StreamsCase(
        [[x.beats(frame[i], pe) for frame in frames] for i, (_, x) in enumerate(parts)],
        [[y.beats([*chain(*frame)], pe) for frame in frames]],
        [pe * x.bits for _, x in parts],
        [
            [
                every * frame + end - beats + beat
                for frame in range(len(frames))
                for beat in range(beats)
            ]
            for beats, end in zip(lengths, accumulate(lengths))
        ],
        [given],
        busy_cycles=every,
    )
    parameters = {
        "INPUTS": len(parts),
        "PE": pe,
        "BEATS": packed(lengths),
        "INPUT_BITS": packed([x.bits for _, x in parts]),
        "INPUT_ENCODING": packed([x.encoding for _, x in parts]),
        "OUTPUT_BITS": y.bits,
        "OUTPUT_ENCODING": y.encoding,
    }
    judge_streams(SOURCES, "concatenate", parameters, case)
