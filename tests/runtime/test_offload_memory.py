"""Programs in an engine's memory: the oldest make room, and every network runs exactly again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.offload_networks import SMALL, dense_network
from support.random_networks import Shape, random_inputs, random_network

from bitfold.build.compile.compiler import make_engine
from bitfold.models.errors import MemoryFullError
from bitfold.models.host import HostOp
from bitfold.models.network import Network
from bitfold.runtime.offload import driver
from bitfold.runtime.offload.driver import OffloadDriver
from bitfold.runtime.verilated import VerilatedDevice, VerilatedPort, _Buffer
from bitfold.runtime.verilator import build_library

SHAPE = Shape((16, 8, 4), ("UINT2", "BIPOLAR"), ("INT2", "BIPOLAR"), None, False, False)
SMALL_BEATS = 512
"""A memory for a few of these networks."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_engine(SMALL, tmp_path_factory.mktemp("engine") / "offload.bundle")


@pytest.fixture
def opened(bundle, cache):
    """An engine in front of a memory of so many beats."""
    ports = []

    def open_driver(beats: int) -> OffloadDriver:
        library = build_library(bundle.rtl, cache)
        ports.append(VerilatedPort(library, bundle.images, contents=np.zeros(beats, np.uint64)))
        return OffloadDriver(bundle, ports[-1])

    yield open_driver
    for port in ports:
        port.close()


def check(engine: OffloadDriver, network: Network) -> None:
    x = random_inputs(network, 3, 0)
    engine.load(network)
    y, call = engine.run(x)
    np.testing.assert_array_equal(y, network(x))
    assert call.cycles == call.predicted_cycles


def test_some_hundred_networks_run_one_after_another_in_a_small_memory(opened):
    engine = opened(SMALL_BEATS)
    networks = [random_network(SHAPE, seed) for seed in range(300)]
    for number, network in enumerate(networks):
        check(engine, network)
        check(engine, networks[number // 2])  # some that are there still, and some that are not
    assert len(engine._images) == len(engine._loaded) < 20
    for network in networks[::50]:
        check(engine, network)


def test_programs_take_no_more_of_a_large_memory_than_their_share(opened, monkeypatch):
    monkeypatch.setattr(driver, "KEPT_BEATS", 200)
    engine = opened(1 << 16)
    for seed in range(20):
        check(engine, random_network(SHAPE, seed))
        assert engine.port._allocator.used <= 200 * 8
    monkeypatch.setattr(driver, "KEPT_BEATS", 1)
    for seed in range(3):
        check(engine, random_network(SHAPE, seed))
        assert len(engine._images) == 1


def test_a_network_that_was_used_lately_stays_where_it_is(opened, monkeypatch):
    often = random_network(SHAPE, 0)
    engine = opened(1 << 16)
    check(engine, often)
    image = engine._images[next(iter(engine._images))]
    monkeypatch.setattr(driver, "KEPT_BEATS", 3 * image.beats.size)
    for seed in range(1, 10):
        check(engine, random_network(SHAPE, seed))
        check(engine, often)
        assert image in engine._images.values()


def test_networks_with_the_same_program_share_its_image(opened):
    engine = opened(1 << 16)
    first = random_network(SHAPE, 0)
    second = replace(first, head=(HostOp("Mul", (np.float32(0.5),)),))
    assert first.id != second.id
    check(engine, first)
    held = engine.port._allocator.used
    check(engine, second)
    assert engine.port._allocator.used == held
    assert engine._make_room(), "the first is forgotten, and the image stays"
    assert engine.port._allocator.used == held
    check(engine, second)
    check(engine, first)


def test_a_batch_that_needs_the_room_of_old_programs_gets_it(opened):
    engine = opened(SMALL_BEATS)
    networks = [random_network(SHAPE, seed) for seed in range(4)]
    for network in networks:
        check(engine, network)
    assert len(engine._images) == 4
    x = random_inputs(networks[0], 60, 1)
    engine.load(networks[0])
    np.testing.assert_array_equal(engine.run(x)[0], networks[0](x))
    assert len(engine._images) < 4
    for network in networks:
        check(engine, network)


def test_a_network_that_no_memory_holds_is_told_and_the_others_run_on(opened):
    engine = opened(SMALL_BEATS)
    small, large = random_network(SHAPE, 0), dense_network((64, 200, 4), "INT2", "UINT2")
    check(engine, small)
    with pytest.raises(MemoryFullError, match=r"do not fit into the simulated memory .* a smaller"):
        engine.load(large)
    check(engine, small)


@pytest.mark.parametrize("step", ["allocate", "flush"])
def test_ctrl_c_while_a_program_is_stored_leaves_the_next_call_exact(
    step, bundle, cache, monkeypatch
):
    network = random_network(SHAPE, 0)
    device = VerilatedDevice(bundle, cache=cache)

    def pressed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(*{"allocate": (device.port, step), "flush": (_Buffer, step)}[step], pressed)
        with pytest.raises(KeyboardInterrupt):
            device.load(network)
    assert device.port._allocator.used == 0
    check(device, network)
    device.close()
