"""The emulated board as pynq's users see it: what is forgotten here fails as it would there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_networks import random_inputs

from bitfold.models.errors import BundleError, DeviceError
from bitfold.overlays.boards.system import System
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.registers import MAGIC, REGISTERS
from bitfold.runtime import board as boards
from bitfold.runtime import emulated_board
from bitfold.runtime.board import MMIO, Clocks, Overlay, PynqDevice, allocate
from bitfold.runtime.emulated_bitstream import bundle_of, write_bitstream
from bitfold.runtime.emulated_board import EmulatedBoard, plug_in
from bitfold.runtime.emulated_memory import LINE_BYTES, PAGE_BYTES, Cache, EmulatedMemory
from bitfold.runtime.verilated import MEMORY_BASE, MEMORY_BYTES, Memory
from bitfold.runtime.verilator import build_library

R = REGISTERS
has_clocks = pytest.mark.skipif(
    not hasattr(boards.Clocks, "set_device"),
    reason="pynq 3.0 asks the computer that it runs on for its clocks, not the device",
)


@pytest.fixture
def overlay(board, bundle):
    """The small overlay, loaded by its .bit as any script does it."""
    return Overlay(str(board.emulated_bitstream(bundle)))


@pytest.fixture
def call(overlay, bundle, network):
    """A call by hand, through pynq alone, with what a script might forget left out."""
    ip = getattr(overlay, System.ip)

    def make(seed: int = 0, forget: str = "", source=None, destination=None) -> np.ndarray:
        x = random_inputs(network, 40, seed)
        source = allocate((40,), np.uint64, cacheable=1) if source is None else source
        destination = (
            allocate((40,), np.uint64, cacheable=1) if destination is None else destination
        )
        source[:] = bundle.design.input.pack(x).reshape(-1)
        if forget != "flush":
            source.flush()
        ip.write(R.SOURCE.offset, source.physical_address)
        ip.write(R.DESTINATION.offset, destination.physical_address)
        ip.write(R.FRAMES.offset, 40)
        ip.write(R.CONTROL.offset, R.CONTROL["start"].mask)
        while not R.STATUS["done"].get(ip.read(R.STATUS.offset)):
            pass
        if forget != "invalidate":
            destination.invalidate()
        return bundle.design.output.unpack(np.array(destination))

    return make


# A script that uses nothing but pynq.


def test_a_script_by_hand_gets_what_the_network_gives(call, network):
    for seed in range(3):
        np.testing.assert_array_equal(call(seed), network(random_inputs(network, 40, seed)))


def test_the_register_map_of_the_handoff_is_the_overlays(overlay, bundle):
    ip = getattr(overlay, System.ip)
    assert ip.register_map.MAGIC[:] == MAGIC
    assert int(ip.register_map.BUILD_ID_0) == int(bundle.build_id[-8:], 16)
    by_address = MMIO(System.control.base, System.control.size)
    by_address.write(R.FRAMES.offset, 77)
    assert ip.read(R.FRAMES.offset) == int(ip.register_map.FRAMES) == 77


@has_clocks
def test_loading_sets_the_clock_and_scripts_may_change_it(overlay, board):
    assert Clocks.fclk0_mhz == 100
    Clocks.fclk0_mhz = 125
    assert Clocks.fclk0_mhz == 125


@has_clocks
def test_a_handoff_of_vivado_is_taken_though_pynq_finds_no_clock_in_it(board, bundle, tmp_path):
    board.emulated_bitstream(bundle)
    write_bitstream(bundle, tmp_path / "own.bit")
    handoff = tmp_path / "own.hwh"
    clock = "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ"
    assert clock in handoff.read_text()
    handoff.write_text(handoff.read_text().replace(clock, "SOMETHING"))
    Clocks.fclk0_mhz = 50
    assert Overlay(str(tmp_path / "own.bit")).bitfold_0.read(0) == MAGIC
    assert Clocks.fclk0_mhz == 100


def test_an_address_where_nothing_is_is_an_error_and_no_hang(board, bundle):
    with pytest.raises(DeviceError, match=r"nothing answers at address 0x43C00000 .*load an ove"):
        MMIO(System.control.base, 4096).read(0)
    Overlay(str(board.emulated_bitstream(bundle)))
    assert MMIO(System.control.base, 4096).read(0) == MAGIC
    with pytest.raises(DeviceError, match="nothing answers at address 0x40000000"):
        MMIO(0x4000_0000, 4096).read(0)


def test_pynq_lists_the_board_among_its_devices(board):
    assert PynqDevice.active_device is board
    assert board in PynqDevice.devices


def test_time_passes_while_a_script_polls_or_sleeps(overlay, board, monkeypatch):
    monkeypatch.setattr(emulated_board, "LONGEST_PAUSE_S", 0)  # no more time than is told
    ip = getattr(overlay, System.ip)
    board.port.configure(Memory(latency_cycles=1000))
    buffer = allocate((40,), np.uint64)
    for register in (R.SOURCE, R.DESTINATION):
        ip.write(register.offset, buffer.physical_address)
    ip.write(R.FRAMES.offset, 40)
    ip.write(R.CONTROL.offset, R.CONTROL["start"].mask)
    polls = 0
    while not R.STATUS["done"].get(ip.read(R.STATUS.offset)):
        polls += 1
    cycles = ip.read(R.CYCLES_LOW.offset)
    assert cycles > 2000
    assert cycles // (2 * emulated_board.CYCLES_AN_ACCESS) < polls < cycles // 100
    # However long it sleeps, nothing changes once the call has ended.
    assert ip.read(R.CYCLES_LOW.offset) == cycles
    ip.write(R.CONTROL.offset, R.CONTROL["start"].mask)
    monkeypatch.setattr(emulated_board, "LONGEST_PAUSE_S", 1)
    board._accessed -= 0.5
    assert R.STATUS["done"].get(ip.read(R.STATUS.offset)), "half a second is enough"


# The processor's cache.


def test_a_forgotten_flush_gives_the_overlay_old_data(call, network):
    expected = network(random_inputs(network, 40, 1))
    zeros = network(np.zeros((40, 8), np.int64))
    np.testing.assert_array_equal(call(1, forget="flush"), zeros)
    assert (zeros != expected).any()
    np.testing.assert_array_equal(call(1), expected)


def test_a_forgotten_invalidate_gives_python_old_data(call, network):
    expected = network(random_inputs(network, 40, 1))
    destination = allocate((40,), np.uint64, cacheable=1)
    assert not destination.any()
    stale = call(1, forget="invalidate", destination=destination)
    assert not destination.any()
    assert (stale != expected).any()
    second = network(random_inputs(network, 40, 2))
    np.testing.assert_array_equal(call(1, destination=destination), expected)
    np.testing.assert_array_equal(
        call(2, forget="invalidate", destination=destination), expected, "the last call's"
    )
    assert (second != expected).any()


def test_a_destination_that_was_written_and_not_flushed_hides_the_results(call, network):
    expected = network(random_inputs(network, 40, 1))
    destination = allocate((40,), np.uint64, cacheable=1)
    destination[:] = 2**64 - 1
    assert (call(1, destination=destination) != expected).any()
    destination[:] = 2**63
    destination.flush()
    np.testing.assert_array_equal(call(1, destination=destination), expected)


def test_a_buffer_without_cache_needs_neither(call, network):
    source, destination = allocate((40,), np.uint64), allocate((40,), np.uint64)
    for seed in range(2):
        expected = network(random_inputs(network, 40, seed))
        call(seed, forget="flush", source=source, destination=destination)
        np.testing.assert_array_equal(
            call(seed, forget="invalidate", source=source, destination=destination), expected
        )


@pytest.mark.parametrize("forgotten", ["flush", "invalidate"])
def test_the_driver_forgets_neither(forgotten, board, bundle, network, monkeypatch):
    device = boards.BoardDevice(bundle)
    x = random_inputs(network, 40, 0)
    device.run(x)
    monkeypatch.setattr(boards.BoardBuffer, forgotten, lambda buffer: None)
    y, _ = device.run(x)
    assert (y != network(x)).any(), "the device would not notice"
    monkeypatch.undo()
    device.port._pool.clear()  # its lines are out of step
    y, _ = device.run(x)
    np.testing.assert_array_equal(y, network(x))


def test_a_buffer_that_was_written_and_not_flushed_may_hold_the_next_results(
    board, bundle, network, monkeypatch
):
    device, x = boards.BoardDevice(bundle), random_inputs(network, 40, 0)

    def interrupted() -> None:
        def press(buffer):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(boards.BoardBuffer, "flush", press)
            device.run(random_inputs(network, 40, 1))

    device.run(x)
    interrupted()
    np.testing.assert_array_equal(device.run(x)[0], network(x))
    interrupted()
    flush, seen = boards.BoardBuffer.flush, []
    with monkeypatch.context() as patched:
        # The first flush of a call is that of the source.
        patched.setattr(
            boards.BoardBuffer,
            "flush",
            lambda buffer: seen.append(buffer) or (len(seen) % 2 and flush(buffer)),
        )
        assert (device.run(x)[0] != network(x)).any(), "the cache would not show it"
    np.testing.assert_array_equal(device.run(x)[0], network(x))


def test_calls_after_each_other_take_the_same_memory(board, bundle, network, monkeypatch):
    made, allocate = [], boards.allocate

    def counted(shape, *arguments, **named):
        made.append(shape)
        return allocate(shape, *arguments, **named)

    monkeypatch.setattr(boards, "allocate", counted)
    device = boards.BoardDevice(bundle)
    for frames in (40, 1, 39, 40):
        x = random_inputs(network, frames, frames)
        np.testing.assert_array_equal(device.run(x)[0], network(x))
    assert len(made) == 2, "one for what goes in, one for what comes out"


def test_a_part_of_a_buffer_is_flushed_with_its_lines_only(board):
    buffer = allocate((64,), np.uint64, cacheable=1)
    memory = board._contents.at(buffer.physical_address, buffer.nbytes).view(np.uint64)
    buffer[:] = 7
    buffer[8:9].flush()
    assert np.flatnonzero(memory).tolist() == [8, 9, 10, 11]
    memory[20] = 5
    buffer[20:21].invalidate()
    assert buffer[20] == 7, "the changed line was written back first"
    memory[20] = 5
    buffer[20:21].invalidate()
    assert buffer[20] == 5


steps = st.lists(
    st.tuples(
        st.sampled_from(("write", "overlay", "flush", "invalidate")),
        st.integers(0, 199),
        st.integers(1, 60),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=200)
@given(steps=steps)
def test_cache_and_memory_agree_wherever_both_were_told(steps):
    memory = EmulatedMemory(MEMORY_BASE, 2 * PAGE_BYTES)
    cache = Cache(memory, memory.take(200), 200)
    dram = memory.at(MEMORY_BASE, 200)
    for value, (step, start, size) in enumerate(steps, start=1):
        part = slice(start, min(start + size, 200))
        first, last = start // LINE_BYTES, (part.stop - 1) // LINE_BYTES
        lines = slice(first * LINE_BYTES, min((last + 1) * LINE_BYTES, 200))
        others = np.r_[0 : lines.start, lines.stop : 200]
        before = cache.bytes.copy(), dram.copy()
        if step == "write":
            cache.bytes[part] = value
        elif step == "overlay":
            dram[part] = value
        elif step == "flush":
            cache.flush(start, part.stop - start)
            np.testing.assert_array_equal(cache.bytes, before[0])
            np.testing.assert_array_equal(dram[others], before[1][others])
            cache.flush(start, part.stop - start)
        else:
            cache.invalidate(start, part.stop - start)
            np.testing.assert_array_equal(cache.bytes[lines], dram[lines])
            np.testing.assert_array_equal(cache.bytes[others], before[0][others])


# Memory.


def test_freed_memory_is_handed_out_again_once_and_clean(board):
    buffers = [allocate((PAGE_BYTES,), np.uint8) for _ in range(3)]
    first, second, third = (buffer.physical_address for buffer in buffers)
    assert [first, second, third] == [MEMORY_BASE + i * PAGE_BYTES for i in range(3)]
    buffers[1][:] = 255
    buffers[1].freebuffer()
    again = allocate((PAGE_BYTES,), np.uint8)
    assert again.physical_address == second
    assert not again.any()
    buffers[1].freebuffer()
    assert allocate((1,), np.uint8).physical_address > third
    del again
    assert allocate((2 * PAGE_BYTES,), np.uint8).physical_address > third
    assert allocate((PAGE_BYTES,), np.uint8).physical_address == second


def test_too_much_memory_is_refused_as_pynqs_own_devices_do(board):
    with pytest.raises(RuntimeError, match="Allocate failed: no 67112960 contiguous bytes"):
        allocate((MEMORY_BYTES + 1,), np.uint8)
    assert allocate((MEMORY_BYTES,), np.uint8).physical_address == MEMORY_BASE


def test_memory_outlives_the_overlay(board, bundle, retrained, network):
    buffer = allocate((40,), np.uint64)
    buffer[:] = np.arange(40)
    for other in (bundle, retrained):
        Overlay(str(board.emulated_bitstream(other)))
    assert buffer.tolist() == list(range(40))


# Which overlay a .bit is.


def test_a_bundle_beside_its_bitstream_is_found(bundle, tmp_path):
    write_bitstream(bundle, tmp_path / "user" / "small.bit")
    with pytest.raises(BundleError, match=rf"the bundle {bundle.build_id} is not beside it; put"):
        bundle_of(tmp_path / "user" / "small.bit")
    shutil.copytree(bundle.path, tmp_path / "user" / "any name")
    assert bundle_of(tmp_path / "user" / "small.bit").build_id == bundle.build_id


def test_a_bundle_that_is_named_is_taken_before_all_others(bundle, retrained, tmp_path):
    write_bitstream(bundle, tmp_path / "small.bit")
    assert bundle_of(tmp_path / "small.bit", (retrained, bundle)) is bundle


def test_the_bundle_around_a_bitstream_of_another_build_is_not_taken(bundle, retrained, tmp_path):
    inside = Path(shutil.copytree(bundle.path, tmp_path / "bundle")) / "boards" / "pynq-z2"
    write_bitstream(bundle, inside / "right.bit")
    write_bitstream(retrained, inside / "wrong.bit")
    assert bundle_of(inside / "right.bit").path == tmp_path / "bundle"
    with pytest.raises(BundleError, match=f"the bundle {retrained.build_id} is not beside it"):
        bundle_of(inside / "wrong.bit")


def test_a_bitstream_of_vivado_belongs_to_the_bundle_around_it(bundle, tmp_path):
    inside = Path(shutil.copytree(bundle.path, tmp_path / "bundle")) / "boards" / "pynq-z2"
    inside.mkdir(parents=True)
    (inside / "bitfold.bit").write_bytes(b"\x00\x09\x0f\xf0\xff\n")
    assert bundle_of(inside / "bitfold.bit").build_id == bundle.build_id


# As a command of an environment that has only the runtime.

SCRIPT = """
import sys
from pynq import MMIO, Overlay
overlay = Overlay("small.bit")
print(__name__, sys.argv[1:], hex(overlay.bitfold_0.read(0)))
sys.exit(5)
"""
IMPORTING = "import bitfold.runtime.emulate\n" + SCRIPT


@pytest.fixture
def user(bundle, cache, tmp_path):
    """A folder with a script, a bundle and its bitstream, where there is no tool."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "importing.py").write_text(IMPORTING)
    shutil.copytree(bundle.path, tmp_path / "small.bundle")
    write_bitstream(bundle, tmp_path / "small.bit")

    def run(*command: str):
        return subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )

    entry = build_library(bundle.rtl, cache).parent
    own = tmp_path / ".cache" / "bitfold" / "verilated" / entry.name
    run.built = lambda: shutil.copytree(entry, own)
    return run


def test_a_script_runs_without_the_tools_where_the_library_is_in_the_cache(user):
    command = ("-m", "bitfold.runtime", "emulate", "script.py", "--frames", "10")
    ran = user(*command)
    assert ran.returncode == 1
    assert "is not installed" in ran.stderr
    user.built()
    ran = user(*command)
    assert ran.returncode == 5, ran.stderr
    assert ran.stdout == f"__main__ ['--frames', '10'] 0x{MAGIC:x}\n"
    assert ran.stderr == ""


def test_one_import_does_the_same(user):
    user.built()
    ran = user("importing.py")
    assert ran.stdout == f"__main__ [] 0x{MAGIC:x}\n", ran.stderr


def test_a_missing_script_is_one_line(user):
    ran = user("-m", "bitfold.runtime", "emulate", "none.py")
    assert ran.returncode == 1
    assert ran.stderr == "error: none.py: there is no such script\n"


def test_a_board_may_be_plugged_in_after_pynq_looked_for_devices(board, bundle):
    assert PynqDevice.devices
    other = plug_in(EmulatedBoard("another", (Bundle.load(bundle.path),)))
    assert boards.find_board() is other
