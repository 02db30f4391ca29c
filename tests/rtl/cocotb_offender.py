"""Producers that break the rule of AXI4-Stream which stream_fifo asserts, and one that keeps it."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles


async def offer(dut, data: int, cycles: int) -> None:
    dut.s_axis_tdata.value = data
    dut.s_axis_tvalid.value = 1
    await ClockCycles(dut.aclk, cycles)


async def wait_at_a_full_fifo(dut) -> None:
    """Beat 17 waits: 4 beats fill the fifo and nobody takes one."""
    dut.aresetn.value = 0
    dut.s_axis_tvalid.value = 0
    dut.m_axis_tready.value = 0
    cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
    await ClockCycles(dut.aclk, 2)
    dut.aresetn.value = 1
    await offer(dut, 17, 8)
    assert dut.s_axis_tready.value == 0


@cocotb.test()
async def the_waiting_beat_stays(dut):
    await wait_at_a_full_fifo(dut)
    dut.m_axis_tready.value = 1
    await ClockCycles(dut.aclk, 4)


@cocotb.test()
async def the_waiting_beat_changes(dut):
    await wait_at_a_full_fifo(dut)
    await offer(dut, 18, 4)


@cocotb.test()
async def the_waiting_beat_goes_away(dut):
    await wait_at_a_full_fifo(dut)
    dut.s_axis_tvalid.value = 0
    await ClockCycles(dut.aclk, 4)
