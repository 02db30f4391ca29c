"""stream_register: every beat a cycle later, and no path through it."""

import random

import pytest
from cocotb_build import RTL
from stream_case import StreamCase, judge, steady

SOURCES = [RTL / "common" / "stream_register.sv"]


@pytest.mark.parametrize("width", [1, 64])
def test_beats_leave_in_order_a_cycle_after_they_came_and_two_wait(width):
    rng = random.Random(width)
    frames = [[rng.getrandbits(width) for _ in range(5)] for _ in range(8)]
    case = StreamCase(frames, frames, steady(40), steady(40, start=1), capacity=2)
    judge(SOURCES, "stream_register", {"WIDTH": width}, case)
