"""Random networks that branch, on both overlays: every integer and every cycle is exact."""

from __future__ import annotations

import numpy as np
import pytest
from support.exactness import FRAMES, WATCHDOG_CYCLES, check_network
from support.offload_networks import SMALL
from support.random_graphs import random_graph
from support.random_networks import random_folding, random_inputs, random_unrolling

from bitfold.build.compile.compiler import make_engine
from bitfold.models.errors import OverlayError
from bitfold.models.network import Network
from bitfold.runtime.functional import FunctionalDevice
from bitfold.runtime.offload.steps import EngineStep, run_steps, split
from bitfold.runtime.verilated import Memory, VerilatedDevice

EVERYDAY = range(6)
MANY = range(100, 400)


@pytest.mark.parametrize("seed", EVERYDAY)
def test_graphs_are_exact_on_their_dataflow_overlay(seed, tmp_path, cache):
    network = random_graph(seed)
    check_network(network, random_folding(network, seed), seed, tmp_path, cache)


def test_branches_of_unrolled_layers_are_exact(tmp_path, cache):
    network = random_graph(4)
    check_network(network, random_unrolling(network, 1), 4, tmp_path, cache)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
def test_many_more_graphs_are_exact_on_their_dataflow_overlay(seed, tmp_path, cache):
    network = random_graph(seed)
    check_network(network, random_folding(network, seed), seed, tmp_path, cache)


@pytest.fixture(scope="module")
def engine(tmp_path_factory, cache):
    bundle = make_engine(SMALL, tmp_path_factory.mktemp("engine") / "engine.bundle")
    device = VerilatedDevice(bundle, cache=cache, watchdog_cycles=WATCHDOG_CYCLES)
    yield bundle, device
    device.close()


def check_offload(network: Network, seed: int, engine, cache) -> bool:
    """One network on programs executed in NumPy, compiled and as RTL; False if no layer fits."""
    bundle, device = engine
    x = random_inputs(network, FRAMES, seed)
    try:
        steps = split(bundle.engine, network)
    except OverlayError:
        return False

    def run(program, values: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [
                program(bundle.engine, values[start : start + program.frames])
                for start in range(0, len(values), program.frames)
            ]
        )

    np.testing.assert_array_equal(run_steps(network, steps, x, run), network(x))
    functional = FunctionalDevice(bundle, cache)
    functional.load(network)
    np.testing.assert_array_equal(functional.run(x)[0], network(x))
    device.load(network)
    device.port.configure(Memory())
    y, call = device.run(x)
    np.testing.assert_array_equal(y, network(x))
    assert call.cycles == call.predicted_cycles
    device.port.configure(Memory(seed % 40 + 1, 60, seed))
    np.testing.assert_array_equal(device.run(x)[0], network(x))
    return any(isinstance(step, EngineStep) for step in steps)


def test_graphs_are_exact_on_the_offload_engine(engine, cache):
    ran = [check_offload(random_graph(seed), seed, engine, cache) for seed in range(40)]
    assert sum(ran) > 30


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
def test_many_more_graphs_are_exact_on_the_offload_engine(seed, engine, cache):
    check_offload(random_graph(seed), seed, engine, cache)
