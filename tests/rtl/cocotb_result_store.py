"""result_store, judged by its one command and the beats behind it."""

import json
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

CASES = json.loads(Path(cocotb.plusargs["cases"]).read_text())
COMMAND_CYCLES = 19  # from the start to the command


class Bench:
    """The store between a memory on chip and a writer that may hesitate."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.rng = random.Random(cocotb.RANDOM_SEED)
        self.words: list[int] = []
        self.clear()

    def clear(self) -> None:
        self.cycle, self.share = 0, 0.0
        self.commands: list[list[int]] = []
        self.beats: list[int] = []
        self.moved: list[int] = []  # cycles
        self.frames, self.failures = 0, set()
        self.waiting = None
        self.refusals = [0, 0]  # in this cycle and the next
        self.fetched = 0

    async def start(self) -> None:
        cocotb.start_soon(Clock(self.dut.aclk, 10, unit="ns").start())
        for port in (self.dut.start, self.dut.aresetn, self.dut.command_ready):
            port.value = 0
        for _ in range(2):
            await FallingEdge(self.dut.aclk)
        self.dut.aresetn.value = 1

    async def tick(self) -> None:
        """One clock cycle; notes what happens in it, and answers the read before the last one."""
        dut = self.dut
        dut.command_ready.value = int(self.rng.random() >= self.share)
        hesitates = self.rng.random() < self.share
        dut.m_axis_tready.value = int(bool(self.commands) and not hesitates)
        dut.command_refused.value = self.refusals.pop(0)
        await Timer(1, "ns")
        refused = False
        if int(dut.command_valid.value) and int(dut.command_ready.value):
            address, beats = int(dut.command_address.value), int(dut.command_beats.value)
            refused = address % 8 != 0 or address + 8 * beats >= 2**32
            if not refused:
                self.commands.append([address, beats])
        self.refusals.append(int(refused))
        valid, ready = int(dut.m_axis_tvalid.value), int(dut.m_axis_tready.value)
        beat = int(dut.m_axis_tdata.value) if valid else None
        assert self.waiting is None or beat == self.waiting, "a waiting beat changed or went away"
        self.waiting = beat if valid and not ready else None
        if valid and ready:
            self.beats.append(beat)
            self.moved.append(self.cycle)
        self.frames += int(dut.frame_stored.value)
        if int(dut.failed.value):
            self.failures.add(int(dut.failure.value))
        address = int(dut.read_address.value) if int(dut.read.value) else None
        await FallingEdge(dut.aclk)
        self.cycle += 1
        if address is not None:
            dut.read_data.value, self.fetched = self.fetched, self.words[address]

    async def store(self, case: dict) -> None:
        for port, value in case["inputs"].items():
            getattr(self.dut, port).value = value
        self.words = case["words"]
        self.dut.start.value = 1
        await self.tick()
        self.dut.start.value = 0
        for _ in range(100 + 20 * len(case["beats"])):
            await self.tick()


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def frames_leave_as_they_lie_on_chip(dut):
    bench = Bench(dut)
    await bench.start()
    for case in CASES["good"]:
        for share in (0.0, 0.4, 0.8):
            bench.clear()
            bench.share = share
            await bench.store(case)
            assert bench.commands == [case["command"]], case["name"]
            assert bench.beats == case["beats"], case["name"]
            assert bench.frames == case["inputs"]["frames"]
            assert not bench.failures
            assert int(dut.idle.value)
            if not share:
                # A beat a cycle, from the command on.
                first = COMMAND_CYCLES + 3
                assert bench.moved == list(range(first, first + len(case["beats"]))), case["name"]


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def what_does_not_fit_is_told_and_nothing_leaves(dut):
    bench = Bench(dut)
    await bench.start()
    for case in CASES["bad"]:
        bench.clear()
        await bench.store(case)
        assert bench.failures == {case["failure"]}, case["name"]
        assert not bench.commands
        assert not bench.beats
        dut.aresetn.value = 0
        await bench.tick()
        bench.clear()  # a beat that nobody takes goes with the reset
        dut.aresetn.value = 1
        await bench.tick()
        assert int(dut.idle.value)
