"""A board behind the real pynq: each failure has its own error, ends, and the next call works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from support.offload_bench import WATCHDOG_CYCLES
from support.offload_networks import SMALL, dense_network
from support.random_networks import random_inputs

from bitfold.build.compile.compiler import make_engine
from bitfold.models.errors import BuildIdError, DeviceError, StallError
from bitfold.overlays.packing import BEAT_BYTES
from bitfold.overlays.registers import REGISTERS
from bitfold.runtime import board as boards
from bitfold.runtime import driver, emulated_board
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.board import BoardDevice
from bitfold.runtime.emulated_bitstream import write_bitstream
from bitfold.runtime.emulated_board import EmulatedBoard, unplug
from bitfold.runtime.emulated_memory import PAGE_BYTES
from bitfold.runtime.verilated import CHANNELS, MEMORY_BYTES, Memory

NO_WATCHDOG = 2**32 - 1
KINDS = ("dataflow", "offload")
has_clocks = pytest.mark.skipif(
    not hasattr(boards.Clocks, "set_device"),
    reason="pynq 3.0 asks the computer that it runs on for its clocks, not the device",
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return make_engine(SMALL, tmp_path_factory.mktemp("engine") / "offload.bundle")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def ran(kind, bundle, engine, network):
    """A bundle, and the network that runs on it."""
    if kind == "dataflow":
        return bundle, network
    return engine, dense_network((40, 20, 5), "INT2", "UINT2")


@pytest.fixture
def opened(board, ran):
    """Opens the bundle on the emulated board, through pynq."""

    def open_board(**options) -> BoardDevice:
        bundle, network = ran
        device = BoardDevice(bundle, **options)
        device.load(network)
        return device

    return open_board


def check(device: BoardDevice, ran, frames: int = 40) -> None:
    """A call gives what it should, in as many cycles as it should."""
    network = ran[1]
    x = random_inputs(network, frames, frames)
    y, call = device.run(x)
    np.testing.assert_array_equal(y, network(x))
    assert call.cycles == call.predicted_cycles


def test_a_call_is_exact_and_takes_the_cycles_that_were_predicted(opened, ran):
    device = opened()
    for frames in (1, 40, 3):
        check(device, ran, frames)


@has_clocks
def test_the_clock_is_the_one_that_pynq_has_set(board, bundle):
    device = BoardDevice(bundle)
    assert device.clock_mhz == bundle.clock_mhz == 100
    boards.Clocks.fclk0_mhz = 50
    with Accelerator(bundle, BoardDevice(bundle)) as accelerator:
        assert accelerator.throughput_test(10)["clock_mhz"] == 100, "loading sets the clock"
    boards.Clocks.fclk0_mhz = 50
    assert boards._clock_mhz() == 50


# A wrong bitstream.


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("100.000000", "125.000000", "the clock in MHz is 125.0 and not 100.0"),
        ('DIVISOR0" VALUE="5"', 'DIVISOR0" VALUE="1"', "its divisors, is 500.0 and not 100.0"),
        ("0x43C0", "0x43D0", "is 0x43D00000 to 0x43D00FFF and not 0x43C00000 to 0x43C00FFF"),
        ('DATAWIDTH="64"', 'DATAWIDTH="32"', "the width of S_AXI_HP0 is 32 and not 64"),
    ],
)
def test_a_handoff_that_says_other_things_than_the_bundle_is_refused_before_it_is_loaded(
    was, becomes, said, board, opened, ran, tmp_path
):
    board.emulated_bitstream(ran[0])
    write_bitstream(ran[0], tmp_path / "own.bit")
    handoff = tmp_path / "own.hwh"
    assert was in handoff.read_text()
    handoff.write_text(handoff.read_text().replace(was, becomes))
    port = board.port
    with pytest.raises(DeviceError, match=rf"own\.bit: .* {said}; make the bitstream from the"):
        opened(bitstream=tmp_path / "own.bit")
    assert board.port is port
    check(opened(), ran)


def test_a_bitstream_of_another_build_is_refused(kind, board, opened, ran, retrained):
    said = {
        "dataflow": f"holds build {retrained.build_id}, .*; load the bundle's own bitstream",
        "offload": "is a offload overlay, the device holds a dataflow one",
    }
    with pytest.raises(BuildIdError, match=said[kind]):
        opened(bitstream=board.emulated_bitstream(retrained))
    check(opened(), ran)


def test_a_file_that_is_no_bitstream_of_ours_is_refused(board, opened, ran, bundle, tmp_path):
    with pytest.raises(DeviceError, match=r"none\.bit: pynq can't load it: .*does not exist"):
        opened(bitstream=tmp_path / "none.bit")
    (tmp_path / "bare.bit").write_bytes(b"")
    with pytest.raises(DeviceError, match=r"bare\.bit: pynq can't load it"):
        opened(bitstream=tmp_path / "bare.bit")
    board.emulated_bitstream(bundle)
    write_bitstream(bundle, tmp_path / "strange.bit")
    handoff = tmp_path / "strange.hwh"
    handoff.write_text(handoff.read_text().replace("bitfold_0", "axi_dma_0"))
    with pytest.raises(
        DeviceError, match=r"strange\.bit: .* holds no bitfold_0, so it is no bitfold ov"
    ):
        opened(bitstream=tmp_path / "strange.bit")
    check(opened(), ran)


def test_an_overlay_that_made_room_for_another_is_loaded_anew(
    board, opened, ran, retrained, tmp_path
):
    bit = tmp_path / "own.bit"
    write_bitstream(ran[0], bit)
    board.emulated_bitstream(ran[0])
    device = opened(bitstream=bit, watchdog_cycles=WATCHDOG_CYCLES)
    BoardDevice(retrained)
    check(device, ran)
    assert board.port.read(REGISTERS.WATCHDOG.offset) == WATCHDOG_CYCLES
    BoardDevice(retrained)
    write_bitstream(retrained, bit)
    with pytest.raises(BuildIdError):
        check(device, ran)
    check(opened(), ran)


# An overlay that never finishes.


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_watchdog_ends_a_call_in_which_nothing_moves(channel, board, opened, ran):
    device = opened(watchdog_cycles=WATCHDOG_CYCLES)
    board.port.configure(Memory(mute=(channel,)))
    with pytest.raises(StallError, match=r"stalled: m_axi_mem .*of 40 frames went in, .* came out"):
        check(device, ran)
    board.port.configure(Memory())
    check(device, ran)


@pytest.mark.parametrize("channel", ["R", "W"])
def test_the_runtime_ends_a_call_that_no_watchdog_ends(channel, board, opened, ran):
    device = opened(watchdog_cycles=NO_WATCHDOG, limit_cycles=5000)
    board.port.configure(Memory(mute=(channel,)))
    said = "it took 5000 cycles and did not finish .* of 40 frames went in, [012] came out"
    with pytest.raises(StallError, match=f"stalled at its .*put: {said}.*does not come to rest"):
        check(device, ran)
    with pytest.raises(DeviceError, match=r"^(random|offload 8x64): does not come to rest"):
        check(device, ran)
    board.port.configure(Memory())
    check(device, ran)


def test_a_call_beyond_its_limit_is_reset_though_all_moves(board, opened, ran, monkeypatch):
    monkeypatch.setattr(emulated_board, "LONGEST_PAUSE_S", 0)  # no more time than is told
    monkeypatch.setattr(boards, "POLL_S", 0)
    device = opened(limit_cycles=300)
    with pytest.raises(StallError, match=r"it took 300 cycles .*; the call was ended, and ano"):
        check(device, ran, 1000)
    status = board.port.read(REGISTERS.STATUS.offset)
    assert REGISTERS.STATUS["idle"].get(status)
    device._driver.limit_cycles = None
    check(device, ran)


def test_an_overlay_without_a_clock_is_told(board, opened, ran, monkeypatch):
    device = opened(watchdog_cycles=NO_WATCHDOG)
    monkeypatch.setattr(driver, "PATIENCE_S", 0.05)
    board.port.configure(Memory(mute=("R",)))
    stopped, read = (REGISTERS.CYCLES_LOW.offset, REGISTERS.CYCLES_HIGH.offset), device.port.read
    monkeypatch.setattr(device.port, "read", lambda at: 7 if at in stopped else read(at))
    with pytest.raises(StallError, match=r"cycle counter stood still for 0\.05 s: it has no clock"):
        check(device, ran)
    monkeypatch.undo()
    board.port.configure(Memory())
    check(device, ran)


def test_the_limit_by_itself_leaves_a_slow_memory_its_time(board, opened, ran):
    device = opened(watchdog_cycles=WATCHDOG_CYCLES)
    board.port.configure(Memory(latency_cycles=150, hesitation_percent=95))
    x = random_inputs(ran[1], 40, 0)
    y, call = device.run(x)
    np.testing.assert_array_equal(y, ran[1](x))
    assert call.cycles > 2 * call.predicted_cycles


# A memory that answers with errors.


@pytest.mark.parametrize(("which", "how"), [(0, "a read"), (1, "a write")])
def test_an_axi_error_is_told_and_passes(which, how, opened, ran, monkeypatch):
    device = opened()
    allocate, made = device.port.allocate, []

    def astray(beats):
        made.append(allocate(beats))
        if len(made) == which + 1:
            made[-1].address = 0x4000_0000
        return made[-1]

    monkeypatch.setattr(device.port, "allocate", astray)
    with pytest.raises(DeviceError, match=f"memory answered {how} with an error.*frames went in"):
        check(device, ran)
    monkeypatch.undo()
    check(device, ran)


# A buffer that is too small.


def test_a_memory_that_is_full_is_told_and_works_when_it_is_not(opened, ran):
    device = opened()
    held = 0 if ran[0].kind == "dataflow" else 1  # its program
    hog = boards.allocate((MEMORY_BYTES - PAGE_BYTES * (held + 1),), np.uint8)
    said = r"the board has no \d+ bytes of contiguous memory left .*; run fewer frames at a time"
    with pytest.raises(DeviceError, match=said):
        check(device, ran)
    hog.freebuffer()
    check(device, ran)


def test_a_smaller_buffer_than_was_asked_for_is_not_used(opened, ran, monkeypatch):
    device, allocate = opened(), boards.allocate
    monkeypatch.setattr(
        boards, "allocate", lambda shape, *args, **more: allocate((shape[0] // 512,), *args, **more)
    )
    with pytest.raises(DeviceError, match=r"pynq gave \d+ bytes at 0x1.* can't use them"):
        check(device, ran)
    monkeypatch.undo()
    check(device, ran)


@pytest.mark.parametrize("kind", ["offload"], indirect=True)
def test_a_program_writes_nothing_into_a_destination_that_is_too_small(opened, ran, monkeypatch):
    device = opened()
    write, size = device.port.write, REGISTERS.DESTINATION_BEATS.offset
    monkeypatch.setattr(device.port, "write", lambda at, v: write(at, v // 2 if at == size else v))
    with pytest.raises(DeviceError, match="size is beyond the engine's limits"):
        check(device, ran)
    monkeypatch.undo()
    check(device, ran)


def test_memory_that_is_kept_for_later_calls_is_there_for_others(opened, ran):
    device = opened()
    for frames in (1, 2, 3):
        check(device, ran, frames)
    taken = 0 if ran[0].kind == "dataflow" else PAGE_BYTES  # its program
    device.port.allocate((MEMORY_BYTES - taken) // BEAT_BYTES).free()
    check(device, ran)
    device.close()
    boards.allocate((MEMORY_BYTES - taken,), np.uint8).freebuffer()


# Ctrl-C.


def test_an_interrupted_call_is_ended_and_the_next_one_works(board, opened, ran, monkeypatch):
    assert threading.current_thread() is threading.main_thread()
    monkeypatch.setattr(emulated_board, "LONGEST_PAUSE_S", 0)  # no more time than is told
    device = opened()
    wait, frames = device.port.wait, 3000

    def pressed():
        board.port.go_on(9000)
        monkeypatch.setattr(device.port, "wait", wait)
        # A process that was started in the background ignores Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(device.port, "wait", pressed)
    with pytest.raises(KeyboardInterrupt):
        check(device, ran, frames)
    status = board.port.read(REGISTERS.STATUS.offset)
    assert 0 < board.port.read(REGISTERS.FRAMES_OUT.offset) < frames, "not in the middle"
    assert REGISTERS.STATUS["idle"].get(status), "the call still runs"
    check(device, ran)


# Who may use it.

OTHER = """
import sys
from pathlib import Path
from bitfold.overlays.bundle import Bundle
from bitfold.runtime.board import BoardDevice
from bitfold.runtime.emulated_board import EmulatedBoard
name, cache, bundle = sys.argv[1:]
device = BoardDevice(Bundle.load(bundle), board=EmulatedBoard(name, cache=Path(cache)))
print("open", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("how", ["ended", "killed"])
def test_two_processes_can_not_use_one_board(how, bundle, network, cache, tmp_path):
    name = f"{tmp_path.parent.name}-{tmp_path.name}"
    board = EmulatedBoard(name, cache=cache)
    command = [sys.executable, "-W", "ignore", "-c", OTHER, name, str(cache), str(bundle.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(DeviceError, match=f"the board emulated-{name} is in use by process"):
            BoardDevice(bundle, board=board)
        with pytest.raises(DeviceError, match=f"process {other.pid}; end that"):
            BoardDevice(bundle, board=board)
        if how == "ended":
            other.stdin.close()
        else:
            other.kill()
        other.wait()
    check(BoardDevice(bundle, board=board), (bundle, network))


def test_a_board_is_free_once_all_that_use_it_are_closed(cache, bundle, retrained):
    board = EmulatedBoard(f"{os.getpid()}-for-two", cache=cache)
    first, second = BoardDevice(bundle, board=board), BoardDevice(retrained, board=board)
    first.close()
    assert board.tag in boards._Lock._held
    second.close()
    assert board.tag not in boards._Lock._held


def test_a_board_that_is_not_there_is_told(bundle):
    unplug()
    with pytest.raises(DeviceError, match=r"pynq finds no board here; .* `bitfold emulate"):
        Accelerator(bundle, "board")


def test_a_real_board_takes_the_bundles_own_bitstream(bundle, monkeypatch):
    monkeypatch.setenv("BOARD", "Pynq-Z1")
    with pytest.raises(boards.BitfoldError, match="no bitstream for pynq-z1; make one with"):
        boards._own_bitstream(bundle, object())
