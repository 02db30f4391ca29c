"""stream_narrow: the order of the parts, and no cycle lost, for any width and ratio."""

import random

import pytest
from cocotb_build import RTL
from stored_integers import join
from stream_case import StreamCase, judge, steady

SOURCES = [RTL / "common" / "stream_narrow.sv"]


@pytest.mark.parametrize(("width", "ratio"), [(8, 1), (1, 2), (5, 3), (64, 4), (3, 13)])
def test_the_lowest_part_leaves_first_and_the_wide_beat_with_its_last_part(width, ratio):
    rng = random.Random(ratio)
    parts = [[rng.getrandbits(width) for _ in range(ratio)] for _ in range(12)]
    # The source offers the first wide beat from cycle 1 - ratio on.
    case = StreamCase(
        [[join(frame, width)] for frame in parts],
        parts,
        taken=steady(12, every=ratio),
        given=steady(12 * ratio, start=1 - ratio),
        capacity=0,
    )
    judge(SOURCES, "stream_narrow", {"WIDTH": width, "RATIO": ratio}, case)
