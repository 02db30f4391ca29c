"""stream_link: frames between any two lane counts, cut and padded, with every cycle predicted."""

import random

import pytest
from cocotb_build import RTL
from stored_integers import join
from stream_case import StreamCase, judge

SOURCES = [RTL / "common" / f"stream_{name}.sv" for name in ("widen", "fifo", "narrow", "link")]
SOURCES.append(RTL / "common" / "stable_beat.sv")
FRAMES = 9

# BITS, LANES_IN, WIDE, KEPT, PADDED, LANES_OUT, DEPTH
LINKS = [
    (8, 1, 1, 1, 1, 1, 2),
    (3, 2, 6, 6, 6, 3, 4),  # least common multiple
    (1, 1, 8, 8, 8, 8, 2),
    (5, 12, 12, 12, 12, 1, 1),  # the producer has to wait
    (4, 8, 16, 10, 10, 5, 2),  # cut
    (6, 5, 10, 10, 16, 8, 3),  # padded
    (2, 4, 12, 9, 10, 2, 8),  # both
]


@pytest.mark.parametrize(
    ("bits", "lanes_in", "wide", "kept", "padded", "lanes_out", "depth"), LINKS
)
def test_elements_arrive_in_order_without_the_padding(
    bits, lanes_in, wide, kept, padded, lanes_out, depth
):
    rng = random.Random(wide)
    inputs, outputs = [], []
    for _ in range(FRAMES):
        elements = [rng.getrandbits(bits) for _ in range(wide)]
        padding = [0] * (padded - kept)
        inputs.append(beats(elements, lanes_in, bits))
        outputs.append(beats(elements[:kept] + padding, lanes_out, bits))
    parts_in, parts_out = wide // lanes_in, padded // lanes_out
    case = StreamCase(
        inputs,
        outputs,
        *schedule(parts_in, parts_out, depth),
        capacity=min((depth + 2) * parts_in - 1, FRAMES * parts_in),
    )
    parameters = {
        "BITS": bits,
        "LANES_IN": lanes_in,
        "WIDE": wide,
        "KEPT": kept,
        "PADDED": padded,
        "LANES_OUT": lanes_out,
        "DEPTH": depth,
    }
    judge(SOURCES, "stream_link", parameters, case)


def beats(elements: list[int], lanes: int, bits: int) -> list[int]:
    return [join(elements[i : i + lanes], bits) for i in range(0, len(elements), lanes)]


def schedule(parts_in: int, parts_out: int, depth: int) -> tuple[list[int], list[int]]:
    """The cycles in which the parts of FRAMES wide beats are taken and given.

    A wide beat enters the buffer with its last part, if there is room. It moves to the buffer's end
    a cycle later, or when the one before has left, which makes room; a cycle later it leaves, part
    by part.
    """
    taken, given, moved = [], [], []
    for frame in range(FRAMES):
        for part in range(parts_in):
            cycle = taken[-1] + 1 if taken else 0
            if part == parts_in - 1 and frame >= depth:
                cycle = max(cycle, moved[frame - depth] + 1)
            taken.append(cycle)
        moved.append(max(taken[-1] + 1, given[-1] if given else 0))
        given += [moved[-1] + 1 + part for part in range(parts_out)]
    return taken, given
