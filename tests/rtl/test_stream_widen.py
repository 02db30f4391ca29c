"""stream_widen: the order of the parts, and no cycle lost, for any width and ratio."""

import random

import pytest
from cocotb_build import RTL
from stored_integers import join
from stream_case import StreamCase, judge, steady

SOURCES = [RTL / "common" / "stream_widen.sv"]


@pytest.mark.parametrize(("width", "ratio"), [(8, 1), (1, 2), (5, 3), (64, 4), (3, 13)])
def test_the_first_part_is_lowest_and_the_last_one_leaves_at_once(width, ratio):
    rng = random.Random(ratio)
    parts = [[rng.getrandbits(width) for _ in range(ratio)] for _ in range(12)]
    case = StreamCase(
        parts,
        [[join(frame, width)] for frame in parts],
        taken=steady(12 * ratio),
        given=steady(12, every=ratio, start=ratio - 1),
        capacity=ratio - 1,
    )
    judge(SOURCES, "stream_widen", {"WIDTH": width, "RATIO": ratio}, case)
