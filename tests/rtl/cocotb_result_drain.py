"""result_drain, judged by what it writes: results and constants in, bits by address out."""

import json
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

CASE = json.loads(Path(cocotb.plusargs["case"]).read_text())
LONGEST = 400  # cycles from a result to the next
rubbish = random.Random(0)


class Bench:
    """The drain between an array that may hesitate and memories that answer two cycles later."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.cycle = 0
        self.written: list[list[int]] = []  # address, slices, bits
        self.announced: list[int] = []  # cycles
        self.blocks_done = self.layers_done = 0
        self.overruns = 0
        self.buffers: list[list[list[int]]] = [[], []]  # of constants, by row
        self.wide = False  # constants take both
        self.coming: list[dict | None] = [None] * CASE["result_cycles"]
        self.answers: list[int] = [0]

    async def tick(self, result: dict | None = None) -> None:
        """One clock cycle; notes what happens in it, and answers the reads of the one before."""
        dut = self.dut
        dut.result.value = int(result is not None)
        sums = self.coming.pop()
        self.coming.insert(0, result)
        dut.sums.value = sums["sums"] if sums else rubbish.getrandbits(len(dut.sums))
        dut.input_sum.value = sums["input_sum"] if sums else rubbish.getrandbits(32)
        await Timer(1, "ns")
        if result:
            self.announced.append(self.cycle)
        self.blocks_done += int(dut.block_done.value)
        self.layers_done += int(dut.layer_done.value)
        if int(dut.write.value):
            self.written.append(
                [int(port.value) for port in (dut.write_address, dut.write_slices, dut.write_bits)]
            )
            self.overruns += int(dut.overrun.value)
        self.answers.append(self._constants())
        await FallingEdge(dut.aclk)
        self.cycle += 1
        dut.constants.value = self.answers.pop(0)

    def _constants(self) -> int:
        """What the addresses ask for, rubbish where there is no row."""
        addresses = self.dut.constant_address.value
        if not addresses.is_resolvable:
            return 0
        groups = CASE["rows_parameter"] // 4
        answer = 0
        for group in range(groups):
            address = int(addresses) >> 10 * group & 1023
            row = (address >> 8) * groups + group
            place = address & (255 if self.wide else 127)
            # A wide layer's constants are those of its only block at a time.
            constants = self.buffers[self.latest if self.wide else address >> 7 & 1]
            value = constants[row][place] if row < len(constants) else rubbish.getrandbits(32)
            answer |= value << 32 * group
        return answer


async def run_layer(
    bench: Bench, layer: dict, buffer: int, rng: random.Random, share: float
) -> int:
    """Gives the layer's results; the buffer that comes next."""
    dut = bench.dut
    dut.layer.value = layer["descriptor"]
    bench.wide = layer["wide"]
    dut.start.value = 1
    await bench.tick()
    dut.start.value = 0
    await bench.tick()
    for block in layer["blocks"]:
        # The buffer is loaded before the array gives the block's first result.
        bench.buffers[buffer] = block["constants"]
        bench.latest = buffer
        for i, result in enumerate(block["results"]):
            last = i == len(block["results"]) - 1
            dut.result_ends_block.value = int(last)
            dut.result_ends_layer.value = int(last and block is layer["blocks"][-1])
            while rng.random() < share:
                await bench.tick()
            for _ in range(LONGEST):
                await Timer(1, "ns")
                if int(dut.room.value):
                    break
                await bench.tick()
            else:
                raise AssertionError("no result is taken")
            await bench.tick(result)
        buffer = 1 - buffer
    before = bench.layers_done
    for _ in range(LONGEST):
        if bench.layers_done > before:
            break
        await bench.tick()
    assert bench.layers_done == before + 1
    return buffer


async def prepare(dut) -> Bench:
    cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
    for port in (dut.start, dut.result, dut.aresetn):
        port.value = 0
    for _ in range(2):
        await FallingEdge(dut.aclk)
    dut.aresetn.value = 1
    return Bench(dut)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def each_layer_leaves_its_bits_where_they_belong(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    bench, buffer = await prepare(dut), 0
    for layer in CASE["layers"]:
        for share in (0.0, 0.7):
            bench.written, bench.announced, bench.blocks_done = [], [], 0
            buffer = await run_layer(bench, layer, buffer, rng, share)
            assert len(bench.written) == len(layer["writes"])
            for written, (*place, bits, mask) in zip(bench.written, layer["writes"], strict=True):
                assert [*written[:2], written[2] & mask] == [*place, bits], layer["name"]
            assert bench.blocks_done == len(layer["blocks"])
            assert not bench.overruns
            if not share:
                first = bench.announced[0]
                expected = [first + layer["pace"] * i for i in range(len(bench.announced))]
                assert bench.announced == expected, layer["name"]


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def a_write_beyond_the_memory_is_told(dut):
    bench = await prepare(dut)
    await run_layer(bench, CASE["beyond"], 0, random.Random(0), 0.0)
    assert bench.overruns == CASE["beyond"]["overruns"]
    assert len(bench.written) == len(CASE["beyond"]["writes"])
