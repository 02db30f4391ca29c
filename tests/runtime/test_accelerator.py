"""Accelerator, on every device there is: what users hold."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from support.random_networks import random_inputs

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.passes.argmax import choose_class_on_chip
from bitfold.models.errors import BundleError, DeviceError, InputError
from bitfold.models.host import HostOp
from bitfold.overlays.dataflow.fold import Fold
from bitfold.runtime import driver, functional, verilator
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.emulated_board import unplug
from bitfold.runtime.verilated import Memory, VerilatedDevice

EMULATED = ("functional", "verilated", "board")
NAMES = {"board": "emulated board"}
FOLDING = {"fc0": Fold(2, 4), "fc1": Fold(1, 3)}


@pytest.fixture(autouse=True)
def plugged_in(board):
    """The board that "board" stands for."""


@pytest.fixture(params=EMULATED)
def accelerator(request, bundle, cache):
    with Accelerator(bundle, request.param, cache) as opened:
        yield opened


def test_every_device_gives_the_integers_of_the_network(accelerator, network):
    x = random_inputs(network, 50, 0)
    y = accelerator.run(x)
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y, network(x))


def test_a_device_gives_the_same_again(accelerator, network):
    for frames in (1, 7, 2, 30):
        x = random_inputs(network, frames, frames)
        np.testing.assert_array_equal(accelerator.run(x), network(x))


def test_a_batch_may_be_empty(accelerator, network):
    x = random_inputs(network, 0, 0)
    assert accelerator.run(x).shape == (0, 5)
    assert accelerator.classify(x).shape == (0,)
    assert accelerator.last_call.frames == accelerator.last_call.predicted_cycles == 0


def test_scores_and_classes_are_what_the_network_makes_of_the_integers(network, tmp_path, cache):
    scaled = replace(
        network,
        quantizer=(HostOp("Quant", tuple(np.float32([0.5, 0, 0, 15]))),),
        head=(HostOp("Mul", (np.float32(-0.25),)), HostOp("Add", (np.float32([1, 2, 3, 4, 5]),))),
        labels=("a", "b", "c", "d", "e"),
    )
    compile_dataflow(scaled, FOLDING, tmp_path / "scaled")
    measured = np.random.default_rng(0).uniform(0, 8, (20, 8)).astype(np.float32)
    expected = network(np.clip(np.rint(measured / 0.5), 0, 15).astype(int))
    scores = expected.astype(np.float32) * np.float32(-0.25) + np.float32([1, 2, 3, 4, 5])
    for device in EMULATED:
        with Accelerator(tmp_path / "scaled", device, cache) as accelerator:
            np.testing.assert_array_equal(accelerator.run(measured), expected)
            np.testing.assert_array_equal(accelerator.scores(measured), scores)
            np.testing.assert_array_equal(accelerator.classify(measured), scores.argmax(axis=1))
            assert accelerator.labels == ("a", "b", "c", "d", "e")


def test_a_class_chosen_on_chip_is_the_class(network, tmp_path, cache):
    bundle = compile_dataflow(choose_class_on_chip(network), FOLDING, tmp_path / "class")
    x = random_inputs(network, 40, 0)
    for device in EMULATED:
        with Accelerator(bundle, device, cache) as accelerator:
            np.testing.assert_array_equal(accelerator.classify(x), network.classes(network(x)))
            assert accelerator.run(x).shape == (40, 1)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 7)), r"shape \(2, 7\); expected \(batch, 8\)"),
        (np.full((1, 8), np.nan), "nan at sample 0, feature 0"),
        (np.full((1, 8), 16), "value 16 .* is outside UINT4"),
        (np.zeros((1, 8), bool), "dtype bool"),
    ],
)
def test_input_that_does_not_fit_never_reaches_the_device(x, message, accelerator):
    with pytest.raises(InputError, match=message):
        accelerator.run(x)
    assert accelerator.last_call is None


# What a call costs.


def test_the_overlay_counts_the_cycles_that_were_predicted(bundle, network, cache):
    calls = []
    for device in EMULATED:
        with Accelerator(bundle, device, cache) as accelerator:
            accelerator.run(random_inputs(network, 30, 0))
            calls.append(accelerator.last_call)
    predicted, measured, on_board = calls
    assert measured == on_board
    assert measured.cycles == measured.predicted_cycles == predicted.predicted_cycles
    assert measured.latency_cycles == bundle.design.latency_cycles
    assert measured.initiation_interval == bundle.design.initiation_interval
    assert measured.frames == predicted.frames == 30
    assert measured.busy_cycles == {"fc0": 30 * 6, "fc1": 30 * 10}
    # A frame comes each 10 cycles: fc0, which takes 6, never waits for fc1.
    assert measured.stalled_cycles == {"fc0": 0, "fc1": 0}
    assert predicted.cycles is predicted.latency_cycles is predicted.initiation_interval is None


def test_one_frame_has_no_initiation_interval(bundle, network, cache):
    with Accelerator(bundle, "verilated", cache) as accelerator:
        accelerator.run(random_inputs(network, 1, 0))
        assert accelerator.last_call.initiation_interval is None
        assert accelerator.last_call.latency_cycles == bundle.design.latency_cycles


@pytest.mark.parametrize("latency", [1, 7, 100])
def test_the_cycles_of_a_call_follow_the_memory(latency, bundle, network, cache):
    device = VerilatedDevice(bundle, Memory(latency), cache)
    with Accelerator(bundle, device) as accelerator:
        accelerator.run(random_inputs(network, 20, 0))
        call = accelerator.last_call
        assert call.cycles == call.predicted_cycles
        assert call.latency_cycles == bundle.design.latency_cycles


def test_a_throughput_test_tells_the_hardwares_figures(bundle, cache):
    told = {}
    for device in EMULATED:
        with Accelerator(bundle, device, cache) as accelerator:
            told[device] = accelerator.throughput_test(200)
    measured, predicted = told["verilated"], told["functional"]
    assert measured["cycles"] == measured["cycles_predicted"] == predicted["cycles_predicted"]
    assert measured["latency_cycles"] == measured["latency_cycles_predicted"]
    assert measured["initiation_interval"] == measured["initiation_interval_predicted"] == 10
    assert measured["clock_mhz"] == 100
    assert measured["latency_us"] == bundle.design.latency_cycles / 100
    assert measured["frames_per_second"] == pytest.approx(200 * 100e6 / measured["cycles"])
    assert predicted["frames_per_second"] == measured["frames_per_second"]
    for key in ("cycles", "latency_cycles", "initiation_interval"):
        assert predicted[key] is None
    assert measured["frames"] == 200
    for device in EMULATED:
        assert told[device]["device"] == NAMES.get(device, device)
    assert told["board"] == {**measured, "device": NAMES["board"]}


def test_a_throughput_test_needs_a_frame(accelerator):
    with pytest.raises(InputError, match=r"0 .*; give 1 or more"):
        accelerator.throughput_test(0)


def test_a_large_batch_takes_several_calls_and_adds_them_up(bundle, network, cache, monkeypatch):
    monkeypatch.setattr(driver, "MAX_CALL_BEATS", 7)
    x = random_inputs(network, 30, 0)
    with Accelerator(bundle, "verilated", cache) as accelerator:
        np.testing.assert_array_equal(accelerator.run(x), network(x))
        call = accelerator.last_call
    assert call.frames == 30
    assert call.busy_cycles == {"fc0": 30 * 6, "fc1": 30 * 10}
    # Four calls of 7 frames and one of 2.
    core = 5 * bundle.design.latency_cycles + (4 * 6 + 1) * bundle.design.initiation_interval
    assert call.cycles == call.predicted_cycles == core + 5 * (8 + 1 + 2 * 20)


def test_a_large_batch_needs_no_large_memory_on_the_functional_device(
    bundle, network, cache, monkeypatch
):
    monkeypatch.setattr(functional, "INTEGERS_AT_ONCE", 100)
    x = random_inputs(network, 30, 0)
    with Accelerator(bundle, "functional", cache) as accelerator:
        np.testing.assert_array_equal(accelerator.run(x), network(x))


# Opening and closing.


@pytest.mark.parametrize("kind", ["bundle", "path", "text", "zip"])
def test_a_bundle_may_be_given_in_any_form(kind, bundle, network, cache, tmp_path):
    given = {"bundle": bundle, "path": bundle.path, "text": str(bundle.path)}
    if kind == "zip":
        given["zip"] = tmp_path / "small.zip"
        with zipfile.ZipFile(given["zip"], "w") as archive:
            for file in bundle.path.rglob("*"):
                archive.write(file, file.relative_to(bundle.path.parent))
    x = random_inputs(network, 3, 0)
    with Accelerator(given[kind], "functional", tmp_path / "cache") as accelerator:
        np.testing.assert_array_equal(accelerator.run(x), network(x))


def test_no_bundle_is_an_error_of_bundles(tmp_path):
    with pytest.raises(BundleError, match="there is no such bundle"):
        Accelerator(tmp_path / "none")


def test_an_unknown_device_is_named_with_those_that_exist(bundle):
    with pytest.raises(
        DeviceError, match="'vortex' is unknown; choose one of auto, functional, ver"
    ):
        Accelerator(bundle, "vortex")


def test_auto_takes_the_board_where_there_is_one(bundle, network, cache):
    x = random_inputs(network, 3, 0)
    with Accelerator(bundle, "auto", cache) as accelerator:
        assert accelerator.device.name == NAMES["board"]
        np.testing.assert_array_equal(accelerator.run(x), network(x))


def test_auto_takes_the_rtl_where_it_can_be_simulated(bundle, cache, monkeypatch, tmp_path):
    unplug()
    assert verilator.is_installed()
    with Accelerator(bundle, "auto", cache) as accelerator:
        assert accelerator.device.name == "verilated"
    monkeypatch.setenv("PATH", str(tmp_path))
    with Accelerator(bundle, "auto", cache) as accelerator:
        assert accelerator.device.name == "functional"


def test_a_board_where_there_is_no_pynq_is_told(bundle, monkeypatch):
    monkeypatch.delitem(sys.modules, "bitfold.runtime.board", raising=False)
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(DeviceError, match=r"pynq can't be imported here .*bitfold\[board\]"):
        Accelerator(bundle, "board")


@pytest.mark.parametrize("device", ["verilated", "board"])
def test_a_closed_device_says_so(device, bundle, network, cache):
    x = random_inputs(network, 3, 0)
    with Accelerator(bundle, device, cache) as accelerator:
        accelerator.run(x)
    with pytest.raises(DeviceError, match="was closed; open the bundle again"):
        accelerator.run(x)
    accelerator.close()


@pytest.mark.parametrize("device", ["verilated", "board"])
def test_several_overlays_run_in_one_process_in_turn(device, bundle, retrained, refolded, cache):
    opened = [Accelerator(b, device, cache) for b in (bundle, retrained, refolded, bundle)]
    for i in range(3):
        for accelerator in opened:
            x = random_inputs(accelerator.network, 5, i)
            np.testing.assert_array_equal(accelerator.run(x), accelerator.network(x))
    opened[0].close()
    for accelerator in opened[1:]:
        x = random_inputs(accelerator.network, 5, 9)
        np.testing.assert_array_equal(accelerator.run(x), accelerator.network(x))
        accelerator.close()
