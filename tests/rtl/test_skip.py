"""fork, fifo and add: the exact depth of a skip edge loses no cycle, and one beat less does."""

import random
from dataclasses import dataclass

import pytest
from cocotb_build import ROOT, RTL, build, run
from stream_case import StreamCase, judge, steady

COMMON = "stable_beat", "stream_fifo", "stream_fork", "stream_link", "stream_narrow", "stream_widen"
SOURCES = [
    *(RTL / "common" / f"{name}.sv" for name in COMMON),
    *(RTL / "dataflow" / f"{name}.sv" for name in ("add", "convert_lanes")),
    ROOT / "tests" / "rtl" / "skip_harness.sv",
]
BITS = 8
FRAMES = 24


@dataclass(frozen=True)
class Skip:
    """skip_harness: the delayed branch passes `delay` fifos and then waits for a whole frame."""

    delay: int
    frame: int

    @property
    def cycles(self) -> int:
        return 2 * self.delay + self.frame + 1

    @property
    def exact_depth(self) -> int:
        """A beat for each cycle of the delayed branch, beside the one at the end."""
        return self.cycles

    @property
    def shallowest(self) -> int:
        """The fork gives the delayed branch the last beat of a frame while the fifo has no room for
        it: one beat less, and the last beat never comes."""
        return self.frame - 2

    def parameters(self, depth: int) -> dict[str, int]:
        return {"BITS": BITS, "DELAY": self.delay, "FRAME": self.frame, "DEPTH": depth}

    def schedule(self, depth: int) -> tuple[list[int], list[int]]:
        """The cycles in which the beats of FRAMES frames are taken and given.

        A beat is offered to both branches in the cycle after the one before it left the fork. The
        delayed branch takes it at once, the fifo when the beat `depth` before it has moved to its
        end: a cycle after it came, or when the one before is added.
        """
        beats = range(FRAMES * self.frame)
        offered, taken, moved, added = [], [], [], []

        def add_up_to(beat: int) -> None:
            for n in range(len(added), beat + 1):
                last_of_frame = n // self.frame * self.frame + self.frame - 1
                delayed = offered[last_of_frame] + 2 * self.delay + 2
                move_up_to(n)
                added.append(max(delayed, moved[n] + 1))

        def move_up_to(beat: int) -> None:
            for n in range(len(moved), beat + 1):
                add_up_to(n - 1)
                moved.append(max(taken[n] + 1, added[-1] if added else 0))

        for beat in beats:
            offered.append(taken[-1] + 1 if taken else 0)
            if beat >= depth:
                move_up_to(beat - depth)
            taken.append(max(offered[-1], moved[beat - depth] + 1 if beat >= depth else 0))
        add_up_to(beats[-1])
        return taken, [cycle + 1 for cycle in added]


LINE, FRAME = Skip(delay=3, frame=1), Skip(delay=2, frame=4)


@pytest.mark.parametrize(
    ("skip", "depth"),
    [
        (LINE, LINE.exact_depth),
        (LINE, LINE.exact_depth - 1),
        (FRAME, FRAME.exact_depth),
        (FRAME, FRAME.exact_depth - 1),
        (FRAME, FRAME.shallowest),
    ],
    ids=str,
)
def test_only_a_fifo_that_is_too_shallow_costs_cycles(skip, depth):
    rng = random.Random(depth)
    taken, given = skip.schedule(depth)
    beats = FRAMES * skip.frame
    unstalled = steady(beats), steady(beats, start=skip.cycles + 1)
    assert ((taken, given) == unstalled) == (depth == skip.exact_depth)
    frames = [[rng.getrandbits(BITS) for _ in range(skip.frame)] for _ in range(FRAMES)]
    sums = [[2 * beat for beat in frame] for frame in frames]
    case = StreamCase(frames, sums, taken, given, busy_cycles=skip.frame)
    judge(SOURCES, "skip_harness", skip.parameters(depth), case)


def test_a_fifo_that_cannot_hold_what_a_frame_waits_for_stops_the_stream():
    depth = FRAME.shallowest - 1
    with pytest.raises(IndexError):
        FRAME.schedule(depth)
    model = build(SOURCES, "skip_harness", FRAME.parameters(depth))
    run(model, "cocotb_deadlock", plusargs={"taken": depth + 1, "cycles": 20 * FRAME.cycles})
