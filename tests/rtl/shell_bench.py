"""The bench of the shell's cocotb tests: cocotbext-axi on both sides, and a monitor."""

import itertools
import random
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiSlave
from shell_memory import BurstJudge, Memory, quiet

from bitfold.overlays.registers import REGISTERS, ErrorCode

INPUT_BEATS = int(cocotb.plusargs.get("input_beats", 1))
OUTPUT_BEATS = int(cocotb.plusargs.get("output_beats", 1))
BUILD_ID = 0x0123456789ABCDEF_FEDCBA9876543210

# Long against the slave's queues, short against the patience of whoever runs the tests.
WATCHDOG = 200
WATCHDOG_DEFAULT = 1024  # as in shell_harness.sv


@dataclass
class Call:
    """One call: what goes in, and what has to come out."""

    source: int
    destination: int
    frames: list[list[bytes]]

    @classmethod
    def random(cls, source: int, destination: int, frames: int, rng: random.Random) -> "Call":
        words = [[rng.randbytes(8) for _ in range(INPUT_BEATS)] for _ in range(frames)]
        return cls(source, destination, words)

    @property
    def expected(self) -> list[bytes]:
        return [
            frame[min(beat, INPUT_BEATS - 1)]
            for frame in self.frames
            for beat in range(OUTPUT_BEATS)
        ]


class Monitor:
    """Counts cycles, and notes in which of them each port moved."""

    PORTS = ("ar", "r", "aw", "w", "b")

    def __init__(self, dut) -> None:
        self.dut = dut
        self.cycle = 0
        self.moves: dict[str, list[int]] = {}
        self.busy_cycles = [0, 0, 0]
        self.stalled_cycles = [0, 0, 0]
        self.clear()

    def clear(self) -> None:
        names = (*self.PORTS, "core_in", "core_out", "frame_out", "start", "ar_offer", "aw_offer")
        self.moves = {name: [] for name in names}
        self.busy_cycles, self.stalled_cycles = [0, 0, 0], [0, 0, 0]

    async def watch(self) -> None:
        dut = self.dut
        pairs = {
            port: (getattr(dut, f"m_axi_mem_{port}valid"), getattr(dut, f"m_axi_mem_{port}ready"))
            for port in self.PORTS
        }
        pairs["core_in"] = (dut.core_in_tvalid, dut.core_in_tready)
        pairs["core_out"] = (dut.core_out_tvalid, dut.core_out_tready)
        while True:
            await RisingEdge(dut.aclk)
            self.cycle += 1
            for name, (valid, ready) in pairs.items():
                if valid.value == 1 and ready.value == 1:
                    self.moves[name].append(self.cycle)
                    if name == "core_out" and dut.core_out_tlast.value == 1:
                        self.moves["frame_out"].append(self.cycle)
            for port in ("ar", "aw"):
                if pairs[port][0].value == 1:
                    self.moves[f"{port}_offer"].append(self.cycle)
            if (
                dut.s_axi_ctrl_wvalid.value == 1
                and dut.s_axi_ctrl_wready.value == 1
                and int(dut.s_axi_ctrl_awaddr.value) == REGISTERS.CONTROL.offset
            ):
                self.moves["start"].append(self.cycle)
            if dut.shell.running.value == 1:
                for layer in range(3):
                    self.busy_cycles[layer] += int(dut.layer_busy.value) >> layer & 1
                    self.stalled_cycles[layer] += int(dut.layer_stalled.value) >> layer & 1


class Bench:
    """A shell out of reset, with its memory and its driver."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.rng = random.Random(cocotb.RANDOM_SEED)
        self.memory = Memory()
        quiet(dut)
        self.control = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axi_ctrl"), dut.aclk, dut.aresetn, False
        )
        self.slave = AxiSlave(
            AxiBus.from_prefix(dut, "m_axi_mem"), dut.aclk, dut.aresetn, self.memory, False
        )
        self.channels = {
            "ar": self.slave.read_if.ar_channel,
            "r": self.slave.read_if.r_channel,
            "aw": self.slave.write_if.aw_channel,
            "w": self.slave.write_if.w_channel,
            "b": self.slave.write_if.b_channel,
        }
        self.monitor = Monitor(dut)
        self.judge = BurstJudge(dut, outstanding=8)

    @classmethod
    async def start(cls, dut) -> "Bench":
        dut.aresetn.value = 0
        dut.latency.value = 2
        dut.hold_input.value = 0
        dut.hold_output.value = 0
        dut.stall_rate.value = 0
        dut.wrong_last.value = 0
        dut.build_id.value = BUILD_ID
        cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
        bench = cls(dut)
        await ClockCycles(dut.aclk, 4)
        dut.aresetn.value = 1
        await ClockCycles(dut.aclk, 2)
        cocotb.start_soon(bench.monitor.watch())
        cocotb.start_soon(bench.judge.watch())
        return bench

    async def read(self, register, layer: int = 0) -> int:
        return await self.control.read_dword(register.at(layer))

    async def write(self, register, value: int) -> None:
        await self.control.write_dword(register.offset, value)

    async def command(self, *names: str) -> None:
        await self.write(REGISTERS.CONTROL, sum(REGISTERS.CONTROL[name].mask for name in names))

    async def status(self, name: str) -> int:
        return REGISTERS.STATUS[name].get(await self.read(REGISTERS.STATUS))

    async def error(self) -> ErrorCode:
        return ErrorCode(await self.status("error"))

    async def begin(self, call: Call, frames: int | None = None, watchdog: int = WATCHDOG) -> None:
        """Puts the call's input in memory and starts it, with the settings as given."""
        self.memory.fill(call.source, [word for frame in call.frames for word in frame])
        self.monitor.clear()
        await self.write(REGISTERS.SOURCE, call.source)
        await self.write(REGISTERS.DESTINATION, call.destination)
        await self.write(REGISTERS.FRAMES, len(call.frames) if frames is None else frames)
        await self.write(REGISTERS.WATCHDOG, watchdog)
        await self.command("start")

    async def end(self) -> ErrorCode:
        """Waits for the end of the call; the tests' timeouts catch one that does not come."""
        while True:
            status = await self.read(REGISTERS.STATUS)
            if REGISTERS.STATUS["done"].get(status):
                assert REGISTERS.STATUS["idle"].get(status)
                return ErrorCode(REGISTERS.STATUS["error"].get(status))

    async def run(self, call: Call) -> None:
        """A call that must succeed: its frames come out, and nothing else is written."""
        await self.begin(call)
        before = dict(self.memory.words)
        assert await self.end() == ErrorCode.NONE
        self.check_output(call, before)
        assert await self.read(REGISTERS.FRAMES_IN) == len(call.frames)
        assert await self.read(REGISTERS.FRAMES_OUT) == len(call.frames)

    def check_output(self, call: Call, before: dict[int, bytes]) -> None:
        after = dict(before)
        after.update({call.destination + 8 * i: word for i, word in enumerate(call.expected)})
        assert self.memory.words == after

    def check_only_destination(self, call: Call, before: dict[int, bytes]) -> None:
        """After a call that failed: what was written is a right beat at its place."""
        allowed = {call.destination + 8 * i: word for i, word in enumerate(call.expected)}
        for address, word in self.memory.words.items():
            assert word == before.get(address) or word == allowed.get(address), hex(address)

    def random_call(self, frames: int, span: int = 1 << 16) -> Call:
        """A call whose input and output lie apart, at random multiples of 8."""
        source, destination = self.rng.sample([1 << 20, 2 << 20, 3 << 20], 2)
        return Call.random(
            source + 8 * self.rng.randrange(span // 8),
            destination + 8 * self.rng.randrange(span // 8),
            frames,
            self.rng,
        )

    def pause_at_random(self, share: float) -> None:
        """Makes each port of the memory idle in that share of the cycles."""
        for channel in self.channels.values():
            channel.set_pause_generator(self.rng.random() < share for _ in itertools.count())
        self.dut.stall_rate.value = int(share * 256)

    async def soft_reset(self) -> None:
        """Writes a soft reset and waits until it is done."""
        await self.command("soft_reset")
        while not await self.status("idle"):
            pass

    async def recover(self) -> None:
        """Ends what holds up the bus, and gets the shell ready for another call."""
        self.go_on()
        await self.soft_reset()
        assert await self.read(REGISTERS.STATUS) == REGISTERS.STATUS["idle"].mask

    def go_on(self) -> None:
        """Ends every pause and hold."""
        for channel in self.channels.values():
            channel.clear_pause_generator()
            channel.pause = False
        for knob in ("stall_rate", "hold_input", "hold_output", "wrong_last"):
            getattr(self.dut, knob).value = 0
