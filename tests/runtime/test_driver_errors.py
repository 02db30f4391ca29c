"""What goes wrong on a device: each fault has its own error, ends in bounded time, and passes."""

from __future__ import annotations

import numpy as np
import pytest
from support.faults import resealed
from support.random_networks import random_inputs

from bitfold.models.errors import BuildIdError, DeviceError, StallError
from bitfold.overlays.registers import ABI_VERSION, REGISTERS
from bitfold.runtime.driver import Driver
from bitfold.runtime.verilated import CHANNELS, MEMORY_BYTES, Memory, VerilatedDevice

WATCHDOG_CYCLES = 500


@pytest.fixture
def device(bundle, cache):
    opened = VerilatedDevice(bundle, cache=cache, watchdog_cycles=WATCHDOG_CYCLES)
    yield opened
    opened.close()


@pytest.fixture
def works(device, network):
    """Checks that a call gives what it should, in as many cycles as it should."""

    def check(seed: int = 0) -> None:
        x = random_inputs(network, 40, seed)
        y, call = device.run(x)
        np.testing.assert_array_equal(y, network(x))
        assert call.cycles == call.predicted_cycles

    return check


# Another overlay than the bundle's.


def test_an_overlay_of_another_build_is_refused_with_both_ids(device, bundle, retrained, refolded):
    for other in (retrained, refolded):
        with pytest.raises(BuildIdError) as refused:
            Driver(other, device.port)
        said = str(refused.value)
        assert f"holds build {bundle.build_id}" in said
        assert f"bundle {other.path} is build {other.build_id}" in said
        assert "load the bundle's own bitstream" in said


class Changed:
    """The registers of a device, one of which reads something else."""

    def __init__(self, port, register, value):
        self.port, self.register, self.value = port, register, value

    def read(self, offset):
        return self.value if offset == self.register.offset else self.port.read(offset)


@pytest.mark.parametrize(
    ("register", "value", "error", "message"),
    [
        ("MAGIC", 0, DeviceError, r"no bitfold overlay \(it reads 0x00000000\)"),
        (
            "ABI_VERSION",
            ABI_VERSION + 1,
            DeviceError,
            f"register map {ABI_VERSION + 1}, .* compile",
        ),
        ("KIND", 2, BuildIdError, "random is a dataflow overlay, the device holds a offload one"),
        ("BUILD_ID_3", 0x1234, BuildIdError, "holds build 00001234"),
    ],
)
def test_a_device_with_something_else_on_it_is_refused(
    register, value, error, message, device, bundle
):
    with pytest.raises(error, match=message):
        Driver(bundle, Changed(device.port, getattr(REGISTERS, register), value))


# A memory that does not move.

NAMES = {
    "AR": "m_axi_mem read address: the memory takes no address",
    "R": "m_axi_mem read data: the memory does not answer",
    "AW": "m_axi_mem write address: the memory takes no address",
    "W": "m_axi_mem write data: the memory takes no data",
    "B": "m_axi_mem write answer: the memory does not answer",
}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_stall_names_the_port_and_ends_in_bounded_time(channel, device, network, works):
    device.port.configure(Memory(mute=(channel,)))
    with pytest.raises(StallError, match=rf"random: stalled: .*{NAMES[channel]}.*frames went in"):
        device.run(random_inputs(network, 40, 0))
    cycles = device.port.read(REGISTERS.CYCLES_LOW.offset)
    # The watchdog once for the call, and once for a bus that does not drain.
    assert cycles < 2 * WATCHDOG_CYCLES + 1000
    device.port.configure(Memory())
    works()


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_memory_that_stays_silent_is_reported_again_until_it_answers(
    channel, device, network, works
):
    x = random_inputs(network, 40, 0)
    works()
    device.port.configure(Memory(mute=(channel,)))
    with pytest.raises(StallError):
        device.run(x)
    assert REGISTERS.STATUS["bus_stuck"].get(device.port.read(REGISTERS.STATUS.offset))
    for _ in range(2):
        with pytest.raises(DeviceError, match="the memory still does not answer"):
            device.run(x)
    device.port.configure(Memory())
    works()
    works(1)


def test_a_hesitating_memory_is_no_stall(device, network):
    x = random_inputs(network, 40, 0)
    for seed in range(3):
        device.port.configure(Memory(latency_cycles=90, hesitation_percent=70, seed=seed))
        y, call = device.run(x)
        np.testing.assert_array_equal(y, network(x))
        assert call.cycles > call.predicted_cycles


# A memory that answers with errors.


@pytest.mark.parametrize(
    ("which", "address", "message"),
    [
        ("source", 0x4000_0000, "memory answered a read with an error: the source is not all mem"),
        ("destination", 0x4000_0000, "memory answered a write with an error: the destination is"),
        ("source", 0x1000_0004, "is not a multiple of 8"),
        ("destination", 0xFFFF_FFF8, "its end is beyond 4 GiB"),
    ],
)
def test_an_address_that_is_no_memory_is_an_error_and_passes(
    which, address, message, device, network, works, monkeypatch
):
    allocate, made = device.port.allocate, []

    def astray(beats):
        buffer = allocate(beats)
        made.append(buffer)
        if which == ("source" if len(made) == 1 else "destination"):
            buffer.address = address
        return buffer

    monkeypatch.setattr(device.port, "allocate", astray)
    with pytest.raises(DeviceError, match=f"random: .*{message}.*frames went in"):
        device.run(random_inputs(network, 40, 0))
    monkeypatch.undo()
    works()


def test_a_batch_beyond_the_memory_is_refused(device):
    with pytest.raises(DeviceError, match=r"do not fit into the .* run fewer frames at a time"):
        device.port.allocate(MEMORY_BYTES // 8 + 1)


def test_memory_is_given_back_after_every_call_and_every_failure(device, network, works):
    x = random_inputs(network, 40, 0)
    device.port.configure(Memory(mute=("R",)))
    for _ in range(3):
        with pytest.raises(DeviceError):
            device.run(x)
    device.port.configure(Memory())
    works()
    beats = MEMORY_BYTES // 8
    device.port.allocate(beats).free()


# Ctrl-C.


@pytest.fixture
def interrupt(device, network, monkeypatch):
    """Presses Ctrl-C once, in the middle of a long call."""

    def press() -> int:
        library, wait, x = device.port._library, device.port.wait, random_inputs(network, 5000, 0)

        def interrupted():
            library.bitfold_run(device.port._handle, 3000)
            monkeypatch.setattr(device.port, "wait", wait)
            raise KeyboardInterrupt

        monkeypatch.setattr(device.port, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            device.run(x)
        return len(x)

    return press


def test_an_interrupted_call_is_ended_and_the_next_one_works(device, interrupt, works):
    frames = interrupt()
    assert 0 < device.port.read(REGISTERS.FRAMES_OUT.offset) < frames, "not in the middle"
    status = device.port.read(REGISTERS.STATUS.offset)
    assert REGISTERS.STATUS["idle"].get(status), "the call still runs"
    assert not REGISTERS.STATUS["error"].get(status)
    works()
    works(1)


def test_an_interrupted_call_writes_no_more(device, interrupt):
    frames = interrupt()
    memory = device.port.allocate(2 * frames)
    written = memory.beats[frames:] != 0
    assert written.any() and not written.all(), "not in the middle"
    before = memory.beats.copy()
    device.port.wait()
    np.testing.assert_array_equal(memory.beats, before)


# A faulty overlay.


def test_a_core_that_ends_frames_at_the_wrong_beat_is_told(bundle, network, cache, tmp_path):
    name = "rtl/dataflow_core.sv"
    core = (bundle.path / name).read_text()
    assert core.count("m_axis_tlast = 1'b1;") == 1
    wrong = core.replace("m_axis_tlast = 1'b1;", "m_axis_tlast = 1'b0;")
    faulty = resealed(bundle, tmp_path / "faulty", {name: wrong})
    device = VerilatedDevice(faulty, cache=cache)
    with pytest.raises(
        DeviceError, match=f"{faulty.name}: The core ended a frame at the wrong beat"
    ):
        device.run(random_inputs(network, 4, 0))
    device.close()
