"""The memory masters alone: any number of commands, in any sizes, aborted at any moment."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiBus, AxiSlave
from shell_memory import BurstJudge, Memory, quiet

SOURCE, DESTINATION = 1 << 20, 2 << 20


def test(function):
    """A cocotb test that fails when it does not end."""
    return cocotb.test(timeout_time=2, timeout_unit="ms")(function)


class Bench:
    """Reader and writer out of reset, on a memory."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.rng = random.Random(cocotb.RANDOM_SEED)
        self.memory = Memory()
        quiet(dut)
        self.slave = AxiSlave(
            AxiBus.from_prefix(dut, "m_axi_mem"), dut.aclk, dut.aresetn, self.memory, False
        )
        read, write = self.slave.read_if, self.slave.write_if
        self.channels = (
            read.ar_channel,
            read.r_channel,
            write.aw_channel,
            write.w_channel,
            write.b_channel,
        )
        self.judge = BurstJudge(dut, int(cocotb.plusargs["outstanding"]))

    @classmethod
    async def start(cls, dut) -> "Bench":
        dut.aresetn.value = 0
        for name in ("aborted", "read_valid", "write_valid"):
            getattr(dut, name).value = 0
        cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
        bench = cls(dut)
        await ClockCycles(dut.aclk, 4)
        dut.aresetn.value = 1
        cocotb.start_soon(bench.judge.watch())
        return bench

    def pause_at_random(self, share: float) -> None:
        for channel in self.channels:
            channel.set_pause_generator(self.rng.random() < share for _ in range(10**9))

    def partition(self, base: int, beats: int) -> list[tuple[int, int]]:
        """Commands over `beats` beats in all, in random sizes at random places, without overlap."""
        commands, address = [], base
        while beats:
            size = min(beats, self.rng.choice((1, 2, 15, 16, 17, 40, 100)))
            address += 8 * self.rng.choice((0, 0, 1, 5, 15, 300))
            commands.append((address, size))
            address, beats = address + 8 * size, beats - size
        return commands

    async def give(self, side: str, commands: list[tuple[int, int]]) -> None:
        """Offers the commands one after the other, as fast as they are taken."""
        valid, ready = getattr(self.dut, f"{side}_valid"), getattr(self.dut, f"{side}_ready")
        for address, beats in commands:
            getattr(self.dut, f"{side}_address").value = address
            getattr(self.dut, f"{side}_beats").value = beats
            valid.value = 1
            await RisingEdge(self.dut.aclk)
            while ready.value == 0:
                await RisingEdge(self.dut.aclk)
        valid.value = 0

    async def drain(self) -> None:
        await ClockCycles(self.dut.aclk, 2)
        while self.dut.reader_idle.value == 0 or self.dut.writer_idle.value == 0:
            await RisingEdge(self.dut.aclk)


def _words(commands: list[tuple[int, int]]) -> list[int]:
    return [address + 8 * i for address, beats in commands for i in range(beats)]


@test
async def many_commands_in_other_sizes_on_each_side_copy_every_beat(dut):
    bench = await Bench.start(dut)
    for share in (0.0, 0.3, 0.8):
        bench.pause_at_random(share)
        reads, writes = bench.partition(SOURCE, 500), bench.partition(DESTINATION, 500)
        data = [bench.rng.randbytes(8) for _ in range(500)]
        bench.memory.words = dict(zip(_words(reads), data, strict=True))
        expected = bench.memory.words | dict(zip(_words(writes), data, strict=True))
        giving = [
            cocotb.start_soon(bench.give("read", reads)),
            cocotb.start_soon(bench.give("write", writes)),
        ]
        for task in giving:
            await task
        await bench.drain()
        assert bench.memory.words == expected
        assert dut.read_error.value == 0
        assert dut.write_error.value == 0


@test
async def an_abort_at_any_moment_leaves_the_bus_clean_for_other_commands(dut):
    bench = await Bench.start(dut)
    for _ in range(30):
        bench.pause_at_random(bench.rng.choice((0.0, 0.5)))
        reads, writes = bench.partition(SOURCE, 300), bench.partition(DESTINATION, 300)
        data = [bench.rng.randbytes(8) for _ in range(300)]
        bench.memory.words = dict(zip(_words(reads), data, strict=True))
        allowed = bench.memory.words | dict(zip(_words(writes), data, strict=True))
        giving = [
            cocotb.start_soon(bench.give("read", reads)),
            cocotb.start_soon(bench.give("write", writes)),
        ]
        await ClockCycles(dut.aclk, bench.rng.randrange(400))
        for task in giving:
            task.cancel()
        dut.aborted.value = 1
        await bench.drain()
        dut.read_valid.value = 0
        dut.write_valid.value = 0
        dut.aborted.value = 0
        assert bench.memory.words.items() <= allowed.items()
        await ClockCycles(dut.aclk, 1)


@test
async def a_command_that_is_empty_not_aligned_or_ends_beyond_4_gib_is_refused_before_it_moves(dut):
    bench = await Bench.start(dut)
    for side, port in (("read", "ar"), ("write", "aw")):
        refused = getattr(dut, f"{side}_refused")
        for address, beats, legal in (
            (0, 1, True),
            (4, 1, False),
            (1, 1, False),
            (0xFFFFFFF0, 1, True),
            (0xFFFFFFF0, 2, False),
            (0xFFFFFFF8, 1, False),
            (0, (1 << 29) - 1, True),
            (8, (1 << 29) - 1, False),
            (0x80000000, (1 << 28) - 1, True),
            (0x80000000, 1 << 28, False),
            (1 << 32, 1, False),
            (0x1000, 0, False),
        ):
            await bench.give(side, [(address, beats)])
            said, offered = [], []
            for _ in range(5):
                await RisingEdge(dut.aclk)
                said.append(int(refused.value))
                offered.append(int(getattr(dut, f"m_axi_mem_{port}valid").value))
            case = side, hex(address), beats
            assert said == [0, int(not legal), 0, 0, 0], case
            assert offered[:2] == [0, 0] and offered[2] == legal, case
            assert legal or not any(offered), case
            dut.aborted.value = 1
            await bench.drain()
            dut.aborted.value = 0
            await ClockCycles(dut.aclk, 1)


@test
async def errors_stop_the_commands_until_the_abort(dut):
    bench = await Bench.start(dut)
    for bad, error in ((SOURCE + 8 * 70, dut.read_error), (DESTINATION + 8 * 70, dut.write_error)):
        bench.memory.refused = range(bad, bad + 8)
        await bench.give("read", [(SOURCE, 600)])
        await bench.give("write", [(DESTINATION, 600)])
        while error.value == 0:
            await RisingEdge(dut.aclk)
        await ClockCycles(dut.aclk, 700)  # what all beats would need
        assert error.value == 1
        if error is dut.read_error:
            assert dut.reader_idle.value == 1  # it drains on its own, and drops what it drains
            assert DESTINATION + 8 * 71 not in bench.memory.words
        else:
            assert DESTINATION + 8 * 400 not in bench.memory.words
        dut.aborted.value = 1
        await bench.drain()
        dut.aborted.value = 0
        await ClockCycles(dut.aclk, 1)
        assert error.value == 0
        bench.memory.refused = range(0)
