"""What goes wrong on an offload overlay, as the user is told it: and the next call works."""

from __future__ import annotations

import numpy as np
import pytest
from support.offload_bench import GOOD, NOWHERE, WATCHDOG_CYCLES
from support.offload_networks import SMALL
from support.random_networks import random_inputs

from bitfold.build.compile.compiler import make_engine
from bitfold.models.errors import DeviceError, StallError
from bitfold.overlays.registers import REGISTERS
from bitfold.runtime.offload.driver import OffloadDriver
from bitfold.runtime.verilated import CHANNELS, Memory, VerilatedDevice


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_engine(SMALL, tmp_path_factory.mktemp("engine") / "offload.bundle")


@pytest.fixture
def device(bundle, cache):
    opened = VerilatedDevice(bundle, cache=cache, watchdog_cycles=WATCHDOG_CYCLES)
    yield opened
    opened.close()


@pytest.fixture
def works(device):
    """Checks that a call gives what it should, in as many cycles as it should."""

    def check() -> None:
        for good in GOOD:
            x = random_inputs(good.network, 11, 0)
            device.load(good.network)
            y, call = device.run(x)
            np.testing.assert_array_equal(y, good.network(x))
            assert call.cycles == call.predicted_cycles

    return check


def test_a_network_must_be_loaded_first(device, works):
    with pytest.raises(DeviceError, match="offload 8x64: no network is loaded; load one first"):
        device.run(np.zeros((1, 4), np.int64))
    works()


class Meddling:
    """A port through which one register is written with something else."""

    def __init__(self, port, name: str, value):
        self._port, self._offset, self._value = port, getattr(REGISTERS, name).offset, value

    def __getattr__(self, name: str):
        return getattr(self._port, name)

    def write(self, offset: int, value: int) -> None:
        self._port.write(offset, self._value(value) if offset == self._offset else value)


@pytest.mark.parametrize(
    ("register", "value", "message"),
    [
        ("PROGRAM_ADDRESS", lambda v: v + 4, "is not at a multiple of 8"),
        ("PROGRAM_ADDRESS", lambda v: v + 8, "a descriptor with an opcode that the engine does"),
        ("PROGRAM_ADDRESS", lambda v: NOWHERE, "the memory answered a read with an error"),
        ("PROGRAM_LENGTH", lambda v: 5, "a layer whose size is beyond the engine's limits"),
        ("FRAMES", lambda v: 0, "FRAMES is 0"),
        ("DESTINATION", lambda v: NOWHERE, "the memory answered a write with an error"),
        ("DESTINATION_BEATS", lambda v: v - 1, "a layer whose size is beyond the engine's"),
    ],
)
def test_each_fault_becomes_a_sentence(register, value, message, device, bundle, works):
    driver = OffloadDriver(bundle, Meddling(device.port, register, value))
    driver.load(GOOD[0].network)
    with pytest.raises(DeviceError, match=rf"(?i)offload 8x64: .*{message}.*frames went in"):
        driver.run(random_inputs(GOOD[0].network, 5, 0))
    works()


NAMES = {
    "AR": "m_axi_mem read address: the memory takes no address",
    "R": "m_axi_mem read data: the memory does not answer",
    "AW": "m_axi_mem write address: the memory takes no address",
    "W": "m_axi_mem write data: the memory takes no data",
    "B": "m_axi_mem write answer: the memory does not answer",
}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_stall_names_the_port_and_ends_in_bounded_time(channel, device, works):
    network = GOOD[0].network
    device.load(network)
    device.port.configure(Memory(mute=(channel,)))
    with pytest.raises(
        StallError, match=rf"offload 8x64: stalled: .*{NAMES[channel]}.*frames went in"
    ):
        device.run(random_inputs(network, 11, 0))
    # The watchdog once for the call, and once for a bus that does not drain.
    assert device.port.read(REGISTERS.CYCLES_LOW.offset) < 2 * WATCHDOG_CYCLES + 3000
    device.port.configure(Memory())
    works()


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_memory_that_stays_silent_is_reported_again_until_it_answers(channel, device, works):
    network = GOOD[1].network
    x = random_inputs(network, 11, 0)
    works()
    device.port.configure(Memory(mute=(channel,)))
    with pytest.raises(StallError):
        device.run(x)
    for _ in range(2):
        with pytest.raises(DeviceError, match="the memory still does not answer"):
            device.run(x)
    device.port.configure(Memory())
    works()


def test_memory_is_given_back_after_every_call_and_every_failure(device, works):
    works()
    held = device.port._allocator.used
    device.port.configure(Memory(mute=("R",)))
    for _ in range(3):
        with pytest.raises(DeviceError):
            device.run(random_inputs(GOOD[1].network, 11, 0))
    device.port.configure(Memory())
    works()
    assert device.port._allocator.used == held
