"""The board's interrupt through pynq's own Interrupt, with the kernel's UIO played by a pty."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import tty

import numpy as np
import pynq.interrupt
import pytest
from support.random_networks import random_inputs

from bitfold.overlays.boards.handoff import handoff
from bitfold.overlays.boards.system import System
from bitfold.overlays.registers import REGISTERS
from bitfold.runtime import board as boards
from bitfold.runtime import emulated_board
from bitfold.runtime.board import BoardDevice
from bitfold.runtime.emulated_board import EmulatedBoard, plug_in, unplug

BASE = System.interrupt_control.base


class InterruptingBoard(EmulatedBoard):
    """An emulated board with the interrupt controller and the kernel behind it.

    As on a board, time passes while Python waits for an interrupt. Registers of the AXI INTC by
    PG099: status, pending, enable, acknowledge, set and clear enables, master enable.
    """

    STATUS, PENDING, ENABLE, ACKNOWLEDGE, SET, CLEAR, MASTER = 0, 4, 8, 0xC, 0x10, 0x14, 0x1C

    def __init__(self, **more):
        super().__init__(**more)
        self.registers = dict.fromkeys((self.STATUS, self.ENABLE, self.MASTER), 0)
        self.kernel, uio = os.openpty()
        tty.setraw(uio)
        self.uio = os.ttyname(uio)
        self.interrupts = 0
        self.alone = threading.RLock()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def emulated_bitstream(self, bundle):
        path = super().emulated_bitstream(bundle)
        own = path.with_name(f"interrupting-{os.getpid()}.bit")
        own.write_bytes(path.read_bytes())
        own.with_suffix(".hwh").write_text(handoff(System.of(bundle, "pynq-z2")))
        return own

    def serve(self) -> None:
        """The kernel: once it is told to enable the interrupt, it says when one came."""
        while os.read(self.kernel, 4) == bytes([0, 0, 0, 1]):
            while not self.asserted():
                time.sleep(0.001)
            self.interrupts += 1
            os.write(self.kernel, bytes([self.interrupts, 0, 0, 0]))

    def asserted(self) -> bool:
        with self.alone:
            read = self.port.read
            self.port.go_on(500)
            pending = REGISTERS.IRQ_PENDING["done"].get(read(REGISTERS.IRQ_PENDING.offset))
            enabled = REGISTERS.CONTROL["irq_enable"].get(read(REGISTERS.CONTROL.offset))
            self.registers[self.STATUS] |= pending & enabled
            return self.registers[self.MASTER] == 3 and bool(self.pending())

    def pending(self) -> int:
        return self.registers[self.STATUS] & self.registers[self.ENABLE]

    def _slave(self, address: int):
        if BASE <= address < BASE + System.interrupt_control.size:
            return self.read_controller, self.write_controller
        return super()._slave(address)

    def read_controller(self, address: int) -> int:
        return self.pending() if address - BASE == self.PENDING else self.registers[address - BASE]

    def write_controller(self, address: int, word: int) -> None:
        change = {
            self.ACKNOWLEDGE: (self.STATUS, lambda old: old & ~word),
            self.SET: (self.ENABLE, lambda old: old | word),
            self.CLEAR: (self.ENABLE, lambda old: old & ~word),
        }
        register, new = change.get(address - BASE, (address - BASE, lambda old: word))
        self.registers[register] = new(self.registers[register])

    def read_registers(self, address: int, length: int) -> bytes:
        with self.alone:
            return super().read_registers(address, length)

    def write_registers(self, address: int, data: bytes) -> None:
        with self.alone:
            super().write_registers(address, data)


@pytest.fixture
def board(cache, monkeypatch):
    monkeypatch.setattr(emulated_board, "LONGEST_PAUSE_S", 0)  # no more time than is told
    monkeypatch.setattr(boards, "POLL_S", 0)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    board = plug_in(InterruptingBoard(cache=cache))
    monkeypatch.setattr(pynq.interrupt, "get_uio_irq", lambda irq: board.uio)
    monkeypatch.setattr(pynq.interrupt._InterruptController, "_uio_devices", {})
    monkeypatch.setattr(pynq.interrupt._InterruptController, "_controllers", [])
    yield board
    unplug()
    loop.close()
    asyncio.set_event_loop(None)


def test_a_call_waits_for_the_interrupt(board, bundle, network, retrained, monkeypatch):
    monkeypatch.setattr(boards, "WAIT_S", 60)
    device = BoardDevice(bundle)
    for calls in (1, 2, 3):
        x = random_inputs(network, 2000, calls)
        y, call = device.run(x)
        np.testing.assert_array_equal(y, network(x))
        assert call.cycles == call.predicted_cycles
        assert board.interrupts == calls
    # pynq forgets the interrupt with the overlay; it is found again when that is.
    BoardDevice(retrained).run(random_inputs(retrained.network, 2000, 0))
    y, _ = device.run(x)
    np.testing.assert_array_equal(y, network(x))
    assert board.interrupts == 5


def test_an_interrupt_that_never_comes_only_costs_time(board, bundle, network, monkeypatch):
    monkeypatch.setattr(boards, "WAIT_S", 0.01)
    monkeypatch.setattr(board, "asserted", lambda: False)
    x = random_inputs(network, 2000, 0)
    device = BoardDevice(bundle)
    for _ in range(2):
        y, _ = device.run(x)
        np.testing.assert_array_equal(y, network(x))
    assert board.interrupts == 0


def test_in_a_notebook_whose_loop_runs_already_a_call_is_polled(board, bundle, network):
    device = BoardDevice(bundle)
    x = random_inputs(network, 2000, 0)

    async def cell():
        return device.run(x)

    y, _ = asyncio.get_event_loop().run_until_complete(cell())
    np.testing.assert_array_equal(y, network(x))


def test_without_a_device_for_the_interrupt_a_call_is_polled(board, bundle, network, monkeypatch):
    monkeypatch.setattr(pynq.interrupt, "get_uio_irq", lambda irq: None)
    device = BoardDevice(bundle)
    x = random_inputs(network, 2000, 0)
    np.testing.assert_array_equal(device.run(x)[0], network(x))
    assert board.interrupts == 0
