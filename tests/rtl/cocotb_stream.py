"""Any module with one stream in and one out, judged by cocotbext-axi against a StreamCase."""

import logging
import random
from collections.abc import Iterator, Sequence

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamSink, AxiStreamSource
from stream_case import StreamCase

CASE = StreamCase.load(cocotb.plusargs["case"])
# How often the source idles and the sink is not ready.
HESITATIONS = ((0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.4, 0.4), (0.9, 0.2), (0.2, 0.9))
SAMPLE = 50  # frames
LONGER_THAN_ANY_PIPELINE = 40  # cycles


def test(**options):
    """A cocotb test that fails when it does not end."""
    return cocotb.test(timeout_time=1, timeout_unit="ms", **options)


class Monitor:
    """Notes in which cycle each beat moves, and fails where a waiting beat does not wait."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.has_counters = hasattr(dut, "busy")
        self.clear()

    def clear(self) -> None:
        self.cycle, self.taken, self.given, self.busy_cycles = 0, [], [], 0

    async def watch(self) -> None:
        dut = self.dut
        edge = RisingEdge(dut.aclk)
        waiting = None
        while True:
            await edge
            self.cycle += 1
            if not int(dut.aresetn.value):
                waiting = None
                continue
            if int(dut.s_axis_tvalid.value) and int(dut.s_axis_tready.value):
                self.taken.append(self.cycle)
            valid, ready = int(dut.m_axis_tvalid.value), int(dut.m_axis_tready.value)
            data = int(dut.m_axis_tdata.value) if valid else None
            if waiting is not None:
                assert data == waiting, "a waiting beat changed or went away"
            waiting = data if valid and not ready else None
            if valid and ready:
                self.given.append(self.cycle)
            if self.has_counters:
                self.busy_cycles += int(dut.busy.value)
                assert int(dut.stalled.value) == (valid and not ready)


class Bench:
    """A module out of reset between a source and a sink."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.rng = random.Random(cocotb.RANDOM_SEED)
        for end in ("s_axis", "m_axis"):
            logging.getLogger(f"cocotb.{dut._name}.{end}").setLevel(logging.ERROR)
        self.source, self.sink = (
            end(AxiStreamBus.from_prefix(dut, prefix), dut.aclk, dut.aresetn, False, byte_lanes=1)
            for end, prefix in ((AxiStreamSource, "s_axis"), (AxiStreamSink, "m_axis"))
        )
        self.monitor = Monitor(dut)

    @classmethod
    async def start(cls, dut) -> "Bench":
        dut.aresetn.value = 0
        cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
        bench = cls(dut)
        await ClockCycles(dut.aclk, 2)
        dut.aresetn.value = 1
        cocotb.start_soon(bench.monitor.watch())
        await ClockCycles(dut.aclk, 3)
        return bench

    def hesitate(self, source: float, sink: float) -> None:
        for end, share in ((self.source, source), (self.sink, sink)):
            end.set_pause_generator(self.pauses(share) if share else None)
            end.pause = False

    def pauses(self, share: float) -> Iterator[bool]:
        """True in that share of the cycles; some stretches are long enough to fill or drain."""
        while True:
            pause = self.rng.random() < share
            for _ in range(self.rng.choice((1, 1, 2, 15))):
                yield pause

    async def reset(self) -> None:
        """One cycle of reset; what was queued is forgotten."""
        self.source.clear()
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 1)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 1)
        self.sink.read_nowait()

    async def check(self, frames: Sequence[int]) -> None:
        """Sends those frames back to back: their answers come out, and nothing else."""
        self.monitor.clear()
        expected = [beat for frame in frames for beat in CASE.outputs[frame]]
        for frame in frames:
            self.source.send_nowait(CASE.inputs[frame])
        while len(self.monitor.given) < len(expected):
            await ClockCycles(self.dut.aclk, 1)
        self.hesitate(0, 0)
        await ClockCycles(self.dut.aclk, LONGER_THAN_ANY_PIPELINE)
        assert self.sink.read_nowait() == expected
        assert self.source.idle()
        if self.monitor.has_counters:
            assert self.monitor.busy_cycles == CASE.busy_cycles * len(frames)


@test()
async def frames_are_exact_however_source_and_sink_hesitate(dut):
    bench = await Bench.start(dut)
    frames = range(len(CASE.inputs))
    for shares in HESITATIONS:
        bench.hesitate(*shares)
        await bench.check(bench.rng.sample(frames, min(len(frames), SAMPLE)))


@test()
async def each_beat_moves_in_its_stated_cycle_when_nobody_hesitates(dut):
    bench = await Bench.start(dut)
    await bench.check(range(len(CASE.inputs)))
    first = bench.monitor.taken[0]
    assert [cycle - first for cycle in bench.monitor.taken] == CASE.taken
    assert [cycle - first for cycle in bench.monitor.given] == CASE.given


@test()
async def one_cycle_of_reset_in_mid_frame_leaves_nothing_behind(dut):
    bench = await Bench.start(dut)
    frames = range(len(CASE.inputs))
    for trial in range(16):
        bench.hesitate(*bench.rng.choice(HESITATIONS))
        for frame in bench.rng.choices(frames, k=3):
            bench.source.send_nowait(CASE.inputs[frame])
        await ClockCycles(dut.aclk, trial % 8 + bench.rng.randrange(len(CASE.taken)))
        await bench.reset()
        await bench.check(bench.rng.choices(frames, k=2))


@test(skip=CASE.capacity is None)
async def beats_are_taken_until_the_module_is_full_and_none_is_lost(dut):
    bench = await Bench.start(dut)
    for _ in range(2):
        bench.monitor.clear()
        bench.sink.pause = True
        await ClockCycles(dut.aclk, 2)
        checking = cocotb.start_soon(bench.check(range(len(CASE.inputs))))
        await ClockCycles(dut.aclk, CASE.capacity + LONGER_THAN_ANY_PIPELINE)
        assert len(bench.monitor.taken) == CASE.capacity
        bench.sink.pause = False
        await checking
