"""Threads, forks and signals: calls exclude one another on every device, closed means closed."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from support.offload_networks import SMALL, dense_network
from support.random_networks import random_inputs

from bitfold.build.compile.compiler import make_engine
from bitfold.models.errors import DeviceError
from bitfold.overlays.registers import REGISTERS
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.allocator import Allocator
from bitfold.runtime.board import BoardDevice
from bitfold.runtime.drivers import open_driver
from bitfold.runtime.verilated import VerilatedDevice

CONTROL = REGISTERS.CONTROL
DEVICES = ("functional", "verilated", "board")
THREADS = 8


@pytest.fixture(autouse=True)
def plugged_in(board):
    """The board that "board" stands for."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return make_engine(SMALL, tmp_path_factory.mktemp("engine") / "offload.bundle")


@pytest.fixture(scope="module")
def networks():
    """Of one shape, with other weights: no two give the same."""
    return [dense_network((40, 20, 5), "INT2", "UINT2", seed=seed) for seed in range(3)]


@pytest.fixture(params=("dataflow", "offload"))
def bundled(request, bundle, network, engine, networks):
    """A bundle and the network that it runs."""
    return (bundle, network) if request.param == "dataflow" else (engine, networks[0])


@pytest.fixture(params=DEVICES)
def accelerator(request, bundled, cache):
    bundle, network = bundled
    with Accelerator(bundle, request.param, cache, network=network) as opened:
        yield opened


def at_once(work, threads: int = THREADS) -> list:
    """What `work` gives for 0, 1, ..., in as many threads that start together."""
    start = threading.Barrier(threads)

    def wait_and_work(number: int):
        start.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(wait_and_work, range(threads)))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def hammer(accelerator: Accelerator, calls: int) -> None:
    """Calls from all threads, each with its own samples; each result and cost is its own."""
    network = accelerator.network
    samples = [random_inputs(network, 1 + number, number) for number in range(THREADS)]
    expected = [network(x) for x in samples]

    def work(number: int) -> None:
        for _ in range(calls):
            y = accelerator.run(samples[number])
            np.testing.assert_array_equal(y, expected[number])
            call = accelerator.last_call
            assert call.frames == len(y)
            assert call.cycles in (None, call.predicted_cycles)

    at_once(work)


# Calls.


def test_calls_from_several_threads_are_exact_and_leave_nothing(accelerator):
    accelerator.run(random_inputs(accelerator.network, 1, 0))
    before = threading.active_count(), open_files()
    hammer(accelerator, 1000 if accelerator.device.name == "functional" else 25)
    assert (threading.active_count(), open_files()) == before


@pytest.mark.slow
def test_thousands_of_calls_from_several_threads_are_exact(accelerator):
    hammer(accelerator, 1000)


@pytest.mark.slow
def test_calls_from_several_threads_are_exact_on_a_netlist(bundle, cache):
    from bitfold.build.implement.synthesis.netlist import NetlistDevice

    device = NetlistDevice(bundle, cache)
    hammer(Accelerator(bundle, device), 25)
    device.close()


@pytest.mark.parametrize("device", DEVICES)
def test_a_call_uses_one_network_wholly_while_others_load_theirs(device, engine, networks, cache):
    x = random_inputs(networks[0], 3, 0)
    expected = [network(x).tolist() for network in networks]
    with Accelerator(engine, device, cache, network=networks[0]) as accelerator:

        def work(number: int) -> None:
            for call in range(25):
                accelerator.load(networks[(number + call) % len(networks)])
                assert accelerator.run(x).tolist() in expected
                assert accelerator.figures(x).frames == 3

        at_once(work, 4)


@pytest.mark.parametrize("device", DEVICES)
def test_accelerators_that_share_a_device_each_run_their_own_network(
    device, engine, networks, cache
):
    x = random_inputs(networks[0], 3, 0)
    with Accelerator(engine, device, cache, network=networks[0]) as owner:
        shared = [Accelerator(engine, owner.device, network=network) for network in networks]

        def work(number: int) -> None:
            for _ in range(25):
                np.testing.assert_array_equal(shared[number].run(x), networks[number](x))

        at_once(work, len(networks))
        shared[1].close()
        with pytest.raises(DeviceError, match="the accelerator was closed; open the bundle again"):
            shared[1].run(x)
        np.testing.assert_array_equal(shared[2].run(x), networks[2](x))
        np.testing.assert_array_equal(owner.run(x), networks[0](x))


def test_drivers_that_share_a_port_take_turns(engine, networks, cache):
    device = VerilatedDevice(engine, cache=cache)
    drivers = [open_driver(engine, device.port) for _ in networks]
    x = random_inputs(networks[0], 3, 0)

    def work(number: int) -> None:
        drivers[number].load(networks[number])
        for _ in range(25):
            y, call = drivers[number].run(x)
            np.testing.assert_array_equal(y, networks[number](x))
            assert call.cycles == call.predicted_cycles

    at_once(work, len(networks))
    device.close()


def test_devices_that_share_a_board_take_turns(board, bundle, retrained, engine, networks):
    made = [(bundle, bundle.network), (retrained, retrained.network), (engine, networks[0])]

    def work(number: int) -> None:
        bundle, network = made[number]
        device = BoardDevice(bundle, board=board)
        for call in range(8):
            x = random_inputs(network, 3, call)
            y, _ = device.turns.take(lambda x=x: (device.load(network), device.run(x))[1])
            np.testing.assert_array_equal(y, network(x))
        device.close()

    at_once(work, len(made))


def test_devices_that_come_and_go_in_other_threads_change_nothing(bundle, network, cache):
    x = random_inputs(network, 3, 0)
    expected = network(x)

    def work(number: int) -> None:
        for _ in range(3):
            accelerator = Accelerator(bundle, DEVICES[number % 2], cache)
            np.testing.assert_array_equal(accelerator.run(x), expected)
            if number % 3:
                accelerator.close()
            del accelerator
        gc.collect()

    at_once(work, 6)


# Closing.


def test_whatever_is_asked_of_a_closed_accelerator_is_one_error(accelerator):
    x = random_inputs(accelerator.network, 2, 0)
    device, network = accelerator.device, accelerator.network
    accelerator.run(x)
    accelerator.close()
    accelerator.close()
    device.close()
    for ask in (
        lambda: accelerator.run(x),
        lambda: accelerator.run(x[:0]),
        lambda: accelerator.scores(x),
        lambda: accelerator.classify(x),
        lambda: accelerator.figures(x),
        lambda: accelerator.throughput_test(2),
        lambda: accelerator.load(network),
        lambda: device.run(x),
        lambda: device.run(x[:0]),
        lambda: device.load(network),
    ):
        with pytest.raises(DeviceError, match="was closed; open the bundle again"):
            ask()


def test_closing_waits_for_the_call_that_runs(accelerator):
    network = accelerator.network
    x = random_inputs(network, 400, 0)
    expected, running, results = network(x), threading.Event(), []

    def work() -> None:
        while True:
            running.set()
            try:
                results.append(accelerator.run(x))
            except DeviceError as error:
                assert "was closed; open the bundle again" in str(error)
                return

    thread = threading.Thread(target=work)
    thread.start()
    running.wait()
    accelerator.close()
    thread.join()
    for y in results:
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("device", DEVICES)
def test_closing_one_leaves_another_on_the_same_bundle_open(device, bundle, network, cache):
    x = random_inputs(network, 3, 0)
    first, second = (Accelerator(bundle, device, cache) for _ in range(2))
    first.run(x)
    first.close()
    np.testing.assert_array_equal(second.run(x), network(x))
    second.close()


# Forks and signals.


def test_a_fork_is_refused_by_name_and_leaves_its_parent_alone(accelerator):
    x = random_inputs(accelerator.network, 3, 0)
    accelerator.run(x)
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of threads
        child = os.fork()
    if not child:
        try:
            try:
                accelerator.run(x)
                said = "it ran"
            except DeviceError as error:
                said = str(error)
            accelerator.close()
            os.write(write, said.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    said = os.read(read, 1000).decode()
    assert f"opened by process {os.getpid()} and can't be used in its fork {child}; open" in said
    np.testing.assert_array_equal(accelerator.run(x), accelerator.network(x))
    for end in (read, write):
        os.close(end)


@pytest.mark.parametrize("device", ["verilated", "board"])
def test_a_call_of_a_signal_handler_is_refused_in_the_middle_of_another(
    device, bundle, network, cache
):
    x = random_inputs(network, 40, 0)
    with Accelerator(bundle, device, cache) as accelerator:
        port = accelerator.device.port
        write, said = port.write, []

        def interrupted(offset: int, value: int) -> None:
            write(offset, value)
            if offset == CONTROL.offset and CONTROL["start"].get(value):
                port.write = write
                signal.raise_signal(signal.SIGUSR1)

        def handler(*_) -> None:
            with pytest.raises(DeviceError, match="in the middle of a call of this thread") as told:
                accelerator.run(x)
            said.append(told)

        before = signal.signal(signal.SIGUSR1, handler)
        try:
            port.write = interrupted
            np.testing.assert_array_equal(accelerator.run(x), network(x))
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert len(said) == 1
        np.testing.assert_array_equal(accelerator.run(x), network(x))


def test_ctrl_c_anywhere_leaves_the_next_call_exact(accelerator):
    network = accelerator.network
    x = random_inputs(network, 200, 0)
    expected = network(x)
    pressed = []

    def press(*_) -> None:
        pressed.append(True)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, press)
    try:
        for attempt in range(12):
            with suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.0002 * (attempt + 1) ** 2)
                while len(pressed) == attempt:  # Python drops one that came in a __del__
                    accelerator.run(x)
            np.testing.assert_array_equal(accelerator.run(x), expected)
            # And in another thread: nothing is locked still.
            with ThreadPoolExecutor(1) as pool:
                y = pool.submit(accelerator.run, x).result(timeout=60)
            np.testing.assert_array_equal(y, expected)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# Memory.


def test_memory_is_handed_out_once_and_given_back_in_any_order():
    memory = Allocator(64, 8)
    parts = [memory.take(size) for size in (8, 1, 16)]
    assert parts == [0, 8, 16]
    memory.give_back(8)
    assert (memory.used, memory.take(9), memory.take(8)) == (24, 32, 8)
    memory.give_back(0)
    with pytest.raises(MemoryError, match="no 24 contiguous bytes are free of 64"):
        memory.take(17)
    for part in (32, 16, 8):
        memory.give_back(part)
    assert (memory.used, memory.take(64)) == (0, 0)


def test_buffers_of_the_simulated_memory_may_be_freed_in_any_order(bundle, network, cache):
    device = VerilatedDevice(bundle, cache=cache)
    first, second = (device.port.allocate(100) for _ in range(2))
    first.beats[:], second.beats[:] = 1, 2
    first.free()
    third = device.port.allocate(100)
    third.beats[:] = 3
    assert (second.beats == 2).all() and (third.beats == 3).all()
    second.free()
    second.free()
    del third
    assert device.port._allocator.used == 0
    device.close()


def test_threads_never_get_the_same_memory():
    memory = Allocator(1 << 20, 64)

    def work(number: int) -> None:
        for call in range(500):
            part = memory.take(64 * (1 + (number + call) % 5))
            assert part not in held
            held.add(part)
            held.remove(part)
            memory.give_back(part)

    held: set[int] = set()
    at_once(work)
    assert memory.used == 0


LEFT_RUNNING = """
import sys, threading
from pathlib import Path
from bitfold.runtime.accelerator import Accelerator
bundle, cache, device = sys.argv[1:]
accelerator = Accelerator(bundle, device, Path(cache))
def work():
    while True:
        accelerator.throughput_test(50)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
accelerator.throughput_test(50)
print("done", flush=True)
"""


@pytest.mark.parametrize("device", ["functional", "verilated"])
def test_a_process_may_end_while_threads_of_it_still_run(device, bundle, cache):
    command = [sys.executable, "-c", LEFT_RUNNING, str(bundle.path), str(cache), device]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr
