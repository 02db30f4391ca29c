"""stream_fifo: order, fullness and a beat a cycle for any width and depth."""

import random

import pytest
from cocotb_build import RTL, SimulationError, build, run
from stream_case import StreamCase, judge, steady

SOURCES = [RTL / "common" / f"{name}.sv" for name in ("stable_beat", "stream_fifo")]


@pytest.mark.parametrize(("width", "depth"), [(1, 2), (8, 4), (37, 16), (5, 1), (70, 3), (9, 12)])
def test_beats_leave_in_order_two_cycles_after_they_came(width, depth):
    rng = random.Random(depth)
    frames = [[rng.getrandbits(width) for _ in range(depth + 3)] for _ in range(6)]
    beats = sum(map(len, frames))
    every = 2 if depth == 1 else 1  # room for the next beat is seen a cycle after one left
    taken, given = steady(beats, every), steady(beats, every, start=2)
    case = StreamCase(frames, frames, taken, given, capacity=depth + 1)
    judge(SOURCES, "stream_fifo", {"WIDTH": width, "DEPTH": depth}, case)


def test_a_producer_whose_waiting_beat_changes_or_goes_away_is_caught():
    model = build(SOURCES, "stream_fifo", {"WIDTH": 8, "DEPTH": 4})
    for offence in ("changes", "goes_away"):
        with pytest.raises(SimulationError, match=r"a valid beat (changed|was withdrawn)"):
            run(model, "cocotb_offender", f"the_waiting_beat_{offence}")
    run(model, "cocotb_offender", "the_waiting_beat_stays")
