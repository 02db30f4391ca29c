"""A stream module that stops for good after some beats, though neither side hesitates."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge


@cocotb.test()
async def the_stream_stops_after_some_beats_and_gives_none(dut):
    dut.aresetn.value = 0
    dut.s_axis_tdata.value = 1
    dut.s_axis_tvalid.value = 1
    dut.m_axis_tready.value = 1
    cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
    await ClockCycles(dut.aclk, 2)
    dut.aresetn.value = 1
    taken = given = 0
    for _ in range(int(cocotb.plusargs["cycles"])):
        await RisingEdge(dut.aclk)
        running = int(dut.aresetn.value)
        taken += running and int(dut.s_axis_tready.value)
        given += running and int(dut.m_axis_tvalid.value)
    assert (taken, given) == (int(cocotb.plusargs["taken"]), 0)
