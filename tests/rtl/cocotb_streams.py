"""Any module whose ports hold several streams, a bit of valid and ready each, judged by a case."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from streams_case import StreamsCase

CASE = StreamsCase.load(cocotb.plusargs["case"])
# How often each source idles and each sink is not ready; None: a share of its own for each.
HESITATIONS = ((0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.4, 0.4), (0.9, 0.2), (0.2, 0.9), None, None)
LONGER_THAN_ANY_PIPELINE = 40  # cycles


def test():
    """A cocotb test that fails when it does not end."""
    return cocotb.test(timeout_time=1, timeout_unit="ms")


class Bench:
    """A module out of reset, and what drives and watches all its streams a cycle at a time."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.rng = random.Random(cocotb.RANDOM_SEED)
        self.has_counters = hasattr(dut, "busy")
        self.hesitate((0, 0))
        self.clear()

    @classmethod
    async def start(cls, dut) -> "Bench":
        cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
        bench = cls(dut)
        await bench.reset()
        cocotb.start_soon(bench.watch())
        return bench

    def clear(self) -> None:
        """Forgets what is queued and what was seen."""
        self.queued = [[] for _ in CASE.inputs]
        self.received = [[] for _ in CASE.outputs]
        self.taken = [[] for _ in CASE.inputs]
        self.given = [[] for _ in CASE.outputs]
        self.cycle, self.busy_cycles = 0, 0

    def hesitate(self, shares) -> None:
        streams = (*CASE.inputs, *CASE.outputs)
        if shares is None:
            self.shares = [self.rng.choice((0.0, 0.3, 0.6, 0.9)) for _ in streams]
        else:
            self.shares = [shares[0]] * len(CASE.inputs) + [shares[1]] * len(CASE.outputs)
        self.patience = [0] * len(streams)
        self.pausing = [False] * len(streams)

    def pauses(self, stream: int) -> bool:
        """True in the stream's share of the cycles; some stretches are long."""
        if not self.shares[stream]:
            return False
        if not self.patience[stream]:
            self.patience[stream] = self.rng.choice((1, 1, 2, 15))
            self.pausing[stream] = self.rng.random() < self.shares[stream]
        self.patience[stream] -= 1
        return self.pausing[stream]

    async def reset(self) -> None:
        """One cycle of reset; what was queued is forgotten."""
        self.dut.aresetn.value = 0
        self.clear()
        self.drive([False] * len(CASE.inputs))
        await ClockCycles(self.dut.aclk, 1)
        self.dut.aresetn.value = 1

    def drive(self, offers: list[bool]) -> None:
        """Offers the next beat of some inputs; what stands on the others is noise."""
        data, low = 0, 0
        for offer, queue, bits in zip(offers, self.queued, CASE.input_bits):
            data |= (queue[0] if offer else self.rng.getrandbits(bits)) << low
            low += bits
        self.dut.s_axis_tdata.value = data
        self.dut.s_axis_tvalid.value = sum(offer << i for i, offer in enumerate(offers))
        self.dut.m_axis_tready.value = sum(
            (not self.pauses(len(offers) + i)) << i for i in range(len(CASE.outputs))
        )
        self.offers = offers

    async def watch(self) -> None:
        dut = self.dut
        edge = RisingEdge(dut.aclk)
        waiting = [None] * len(CASE.outputs)
        while True:
            await edge
            if not int(dut.aresetn.value):
                waiting = [None] * len(CASE.outputs)
                continue
            self.cycle += 1
            ready_in = int(dut.s_axis_tready.value)
            valid, ready = int(dut.m_axis_tvalid.value), int(dut.m_axis_tready.value)
            data = int(dut.m_axis_tdata.value) if valid else None
            offers = list(self.offers)
            for i, queue in enumerate(self.queued):
                if offers[i] and ready_in >> i & 1:
                    self.taken[i].append(self.cycle)
                    queue.pop(0)
                    offers[i] = False
                offers[i] = offers[i] or (bool(queue) and not self.pauses(i))
            for i, before in enumerate(waiting):
                offered = data if valid >> i & 1 else None
                assert before is None or offered == before, "a waiting beat changed or went away"
                taken = offered is not None and ready >> i & 1
                if taken:
                    self.given[i].append(self.cycle)
                    self.received[i].append(offered)
                waiting[i] = None if taken else offered
            if self.has_counters:
                self.busy_cycles += int(dut.busy.value)
                assert int(dut.stalled.value) == (valid and not ready)
            self.drive(offers)

    def send(self, frames) -> None:
        for queue, stream in zip(self.queued, CASE.inputs):
            queue += [beat for frame in frames for beat in stream[frame]]

    async def check(self, frames) -> None:
        """Sends those frames back to back: their answers come out, and nothing else."""
        self.clear()
        self.send(frames)
        expected = [[beat for frame in frames for beat in stream[frame]] for stream in CASE.outputs]
        while any(len(got) < len(all_) for got, all_ in zip(self.received, expected)):
            await ClockCycles(self.dut.aclk, 1)
        self.hesitate((0, 0))
        await ClockCycles(self.dut.aclk, LONGER_THAN_ANY_PIPELINE)
        assert self.received == expected
        assert not any(self.queued)
        if self.has_counters:
            assert self.busy_cycles == CASE.busy_cycles * len(frames)


@test()
async def frames_are_exact_however_each_source_and_sink_hesitates(dut):
    bench = await Bench.start(dut)
    frames = range(len(CASE.inputs[0]))
    for shares in HESITATIONS:
        bench.hesitate(shares)
        await bench.check(bench.rng.sample(frames, len(frames)))


@test()
async def each_beat_moves_in_its_stated_cycle_when_nobody_hesitates(dut):
    bench = await Bench.start(dut)
    await bench.check(range(len(CASE.inputs[0])))
    first = min(cycles[0] for cycles in bench.taken)
    assert [[cycle - first for cycle in cycles] for cycles in bench.taken] == CASE.taken
    assert [[cycle - first for cycle in cycles] for cycles in bench.given] == CASE.given


@test()
async def one_cycle_of_reset_in_mid_frame_leaves_nothing_behind(dut):
    bench = await Bench.start(dut)
    frames = range(len(CASE.inputs[0]))
    for trial in range(16):
        bench.hesitate(bench.rng.choice(HESITATIONS))
        bench.clear()
        bench.send(bench.rng.choices(frames, k=3))
        await ClockCycles(dut.aclk, trial % 8 + bench.rng.randrange(len(CASE.taken[0])))
        await bench.reset()
        await bench.check(bench.rng.choices(frames, k=2))
