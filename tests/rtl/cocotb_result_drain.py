"""result_drain, judged by what it writes: results and constants in, bits by address out."""

import json
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

CASE = json.loads(Path(cocotb.plusargs["case"]).read_text())
LONGEST = 200  # cycles from a result to the next
rubbish = random.Random(0)


class Bench:
    """The drain between an array that may hesitate and memories that answer a cycle later."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.cycle = 0
        self.written: list[list[int]] = []  # address, slices, bits
        self.captured: list[int] = []  # cycles
        self.blocks_done = 0
        self.overruns = 0
        self.buffers: list[list[list[int]]] = [[], []]  # of constants, by row

    async def tick(self) -> None:
        """One clock cycle; notes what happens in it, and answers reads in the next."""
        dut = self.dut
        await Timer(1, "ns")
        if int(dut.write.value):
            self.written.append(
                [int(port.value) for port in (dut.write_address, dut.write_slices, dut.write_bits)]
            )
            self.overruns += int(dut.overrun.value)
        if int(dut.result_valid.value) and int(dut.result_ready.value):
            self.captured.append(self.cycle)
        self.blocks_done += int(dut.block_done.value)
        answer = None
        if int(dut.constant_read.value):
            addresses = int(dut.constant_address.value)
            answer = 0
            for row in range(CASE["rows_parameter"]):
                address = addresses >> 9 * row & 511
                constants = self.buffers[address >> 8]
                value = (
                    constants[row][address & 255]
                    if row < len(constants)
                    else rubbish.getrandbits(32)
                )
                answer |= value << 32 * row
        await FallingEdge(dut.aclk)
        self.cycle += 1
        if answer is not None:
            dut.constants.value = answer


async def run_layer(
    bench: Bench, layer: dict, buffer: int, rng: random.Random, share: float
) -> int:
    """Gives the layer's results; the buffer that comes next."""
    dut = bench.dut
    dut.layer.value = layer["descriptor"]
    dut.frames.value = layer["frames"]
    dut.start.value = 1
    await bench.tick()
    dut.start.value = 0
    for block in layer["blocks"]:
        # The buffer is loaded before the array gives the block's first result.
        bench.buffers[buffer] = block["constants"]
        for result in block["results"]:
            while rng.random() < share:
                await bench.tick()
            dut.result_valid.value = 1
            dut.sums.value = result["sums"]
            dut.input_sum.value = result["input_sum"]
            before = len(bench.captured)
            for _ in range(LONGEST):
                await bench.tick()
                if len(bench.captured) > before:
                    break
            else:
                raise AssertionError("no result is taken")
            dut.result_valid.value = 0
        buffer = 1 - buffer
    for _ in range(LONGEST):
        if int(dut.idle.value):
            break
        await bench.tick()
    assert int(dut.idle.value)
    return buffer


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def each_layer_leaves_its_bits_where_they_belong(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
    for port in (dut.start, dut.result_valid, dut.aresetn):
        port.value = 0
    await FallingEdge(dut.aclk)
    await FallingEdge(dut.aclk)
    dut.aresetn.value = 1
    bench, buffer = Bench(dut), 0
    for layer in CASE["layers"]:
        for share in (0.0, 0.7):
            bench.written, bench.captured, bench.blocks_done = [], [], 0
            buffer = await run_layer(bench, layer, buffer, rng, share)
            assert len(bench.written) == len(layer["writes"])
            for written, (*place, bits, mask) in zip(bench.written, layer["writes"], strict=True):
                assert [*written[:2], written[2] & mask] == [*place, bits], layer["name"]
            assert bench.blocks_done == len(layer["blocks"])
            assert not bench.overruns
            if not share:
                first = bench.captured[0]
                expected = [first + layer["pace"] * i for i in range(len(bench.captured))]
                assert bench.captured == expected, layer["name"]


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def a_write_beyond_the_memory_is_told(dut):
    cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
    for port in (dut.start, dut.result_valid, dut.aresetn):
        port.value = 0
    await FallingEdge(dut.aclk)
    await FallingEdge(dut.aclk)
    dut.aresetn.value = 1
    bench = Bench(dut)
    await run_layer(bench, CASE["beyond"], 0, random.Random(0), 0.0)
    assert bench.overruns == CASE["beyond"]["overruns"]
    assert len(bench.written) == len(CASE["beyond"]["writes"])
