"""stream_fork: every consumer gets every beat once, and the slowest sets the pace."""

import random

import pytest
from cocotb_build import RTL
from stream_case import steady
from streams_case import StreamsCase, judge_streams

SOURCES = [RTL / "common" / f"{name}.sv" for name in ("stable_beat", "stream_fork")]


@pytest.mark.parametrize(("width", "outputs"), [(1, 2), (9, 3), (70, 5)])
def test_every_consumer_takes_every_beat_once_whenever_it_is_ready(width, outputs):
    rng = random.Random(width)
    frames = [[rng.getrandbits(width) for _ in range(3)] for _ in range(20)]
    cycles = steady(3 * len(frames))
    case = StreamsCase([frames], [frames] * outputs, [width], [cycles], [cycles] * outputs)
    judge_streams(SOURCES, "stream_fork", {"WIDTH": width, "OUTPUTS": outputs}, case)
