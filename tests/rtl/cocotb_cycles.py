"""Any clocked module, judged cycle by cycle against a table of inputs and outputs by port name."""

import json
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

TABLE = json.loads(Path(cocotb.plusargs["table"]).read_text())


@cocotb.test()
async def every_cycle_is_as_the_table_says(dut):
    cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
    for cycle, (inputs, outputs) in enumerate(TABLE):
        await FallingEdge(dut.aclk)
        for port, value in inputs.items():
            getattr(dut, port).value = value
        await Timer(1, "ns")
        for port, value in outputs.items():
            assert int(getattr(dut, port).value) == value, (cycle, port)
