"""A script written against FINN's own driver runs on our overlays."""

from __future__ import annotations

import numpy as np
import pytest
from support.offload_networks import SMALL
from support.random_networks import Shape, random_inputs, random_network

from bitfold.build.compile.compiler import make_engine
from bitfold.models.errors import InputError
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.finn_driver import FINNExampleOverlay

KEYS = {
    "runtime[ms]",
    "throughput[images/s]",
    "DRAM_in_bandwidth[MB/s]",
    "DRAM_out_bandwidth[MB/s]",
    "fclk[mhz]",
    "batch_size",
}


@pytest.fixture
def overlay(bundle):
    opened = FINNExampleOverlay(bundle, batch_size=7, device="functional")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return make_engine(SMALL, tmp_path_factory.mktemp("engine") / "offload.bundle")


@pytest.mark.parametrize("device", ["functional", "verilated", "board"])
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint8])
def test_a_batch_gives_the_networks_integers(device, dtype, bundle, network, board):
    overlay = FINNExampleOverlay(bundle, 7, device)
    x = random_inputs(network, 7, 0)
    np.testing.assert_array_equal(overlay.execute(x.astype(dtype)), network(x))
    np.testing.assert_array_equal(overlay.execute([x.astype(dtype)]), network(x))
    overlay.close()


def test_an_engine_runs_the_network_that_it_is_given(engine):
    wide = Shape((8, 40, 5), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
    network = random_network(wide, 1)
    overlay = FINNExampleOverlay(engine, 3, "functional", network=network)
    x = random_inputs(network, 3, 0)
    np.testing.assert_array_equal(overlay.execute(x), network(x))
    # Each bit of the inputs and of the outputs is a plane, which takes a beat of 8 bytes.
    assert overlay.ishape_packed() == (3, overlay.idt().bits * 8)
    assert overlay.oshape_packed() == (3, overlay.odt().bits * 8)
    assert overlay.idt().bits < overlay.odt().bits
    overlay.close()


def test_shapes_and_encodings_are_those_of_the_network(overlay, bundle):
    assert (overlay.num_inputs, overlay.num_outputs) == (1, 1)
    assert (overlay.idt().name, overlay.ishape_normal()) == ("UINT4", (7, 8))
    assert overlay.odt().name == bundle.design.output.encoding.name
    assert overlay.oshape_normal() == (7, 5)
    # 8 inputs of 4 bits are half a beat of 8 bytes, and take one.
    assert overlay.ishape_packed() == (7, 8)
    assert overlay.oshape_packed() == (7, bundle.design.output.beats * 8)
    overlay.batch_size = 2
    assert overlay.ishape_normal(0) == (2, 8)
    assert overlay.execute(np.zeros((2, 8))).shape == overlay.oshape_normal(0) == (2, 5)


@pytest.mark.parametrize("device", ["functional", "verilated", "board"])
def test_throughput_is_that_of_the_clock_and_not_of_the_simulation(device, bundle, board):
    overlay = FINNExampleOverlay(bundle, 50, device)
    told = overlay.throughput_test()
    overlay.close()
    assert set(told) == KEYS
    with Accelerator(bundle, "functional") as accelerator:
        cycles = accelerator.throughput_test(50)["cycles_predicted"]
    assert told["batch_size"] == 50
    assert told["fclk[mhz]"] == 100
    assert told["runtime[ms]"] == pytest.approx(cycles / 100e6 * 1e3)
    assert told["throughput[images/s]"] == pytest.approx(50 * 100e6 / cycles)
    assert told["DRAM_in_bandwidth[MB/s]"] == pytest.approx(50 * 8 * 100 / cycles)
    out = 50 * bundle.design.output.beats * 8
    assert told["DRAM_out_bandwidth[MB/s]"] == pytest.approx(out * 100 / cycles)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((6, 8)), r"shape \(6, 8\), but a batch of 7 has \(7, 8\); .* or set batch_size"),
        (np.full((7, 8), 0.5), r"input is 0.5 at \(0, 0\), .* takes the UINT4 integers"),
        (np.full((7, 8), np.nan), r"input is nan at \(0, 0\), .* takes the UINT4 integers"),
        (np.full((7, 8), 16), "16"),
    ],
)
def test_what_is_no_batch_of_integers_is_refused(x, message, overlay):
    with pytest.raises(InputError, match=message):
        overlay.execute(x)


def test_a_batch_holds_a_sample_or_more(overlay):
    with pytest.raises(InputError, match="batch_size: 0 is out of range; give 1 or more"):
        overlay.batch_size = 0
    assert overlay.batch_size == 7
