"""The whole path: a trained network, its QONNX file, its integers, its overlay, all the same.

Networks are trained with few steps: what they have learnt matters elsewhere
(test_cross_validation.py), here only that their weights are real.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache as remember
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.compile.passes.argmax import choose_class_on_chip
from bitfold.build.compile.passes.softmax import share_on_chip
from bitfold.build.frontend import read_qonnx, verify_against_source
from bitfold.models.datasets import load_iris
from bitfold.models.network import Network
from bitfold.models.ops import ArgMax, Dense
from bitfold.models.quantization import QUANTIZATIONS
from bitfold.models.training import TrainedModel, train
from bitfold.overlays.offload import Engine
from bitfold.runtime.accelerator import Accelerator

STEPS = 30
CYCLES = 128
"""Of a frame: narrow overlays, which are quick to build."""

NETWORKS = [
    *(("iris_64_32_32", quantization) for quantization in QUANTIZATIONS if quantization != "float"),
    *((topology, q) for topology in ("irisnet", "iris_64_64") for q in ("W1A1", "W1A3", "W4A4")),
]
IDS = ["-".join(network) for network in NETWORKS]


@dataclass(frozen=True)
class Exported:
    model: TrainedModel
    qonnx: Path
    network: Network


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Trains, exports and reads a network; each once."""
    folder = tmp_path_factory.mktemp("end_to_end")

    @remember
    def make(topology: str, quantization: str) -> Exported:
        from bitfold.models.export import export_qonnx

        iris = load_iris()
        model = train(topology, quantization, iris, steps=STEPS)
        qonnx = folder / f"{topology}-{quantization}.onnx"
        export_qonnx(model, qonnx, iris.features)
        return Exported(model, qonnx, read_qonnx(qonnx))

    return make


@pytest.mark.parametrize(("topology", "quantization"), NETWORKS, ids=IDS)
def test_all_flowers_come_out_of_the_rtl_as_they_come_out_of_torch(
    topology, quantization, exported, tmp_path, cache
):
    flowers = load_iris().features
    made = exported(topology, quantization)
    network = made.network
    comparison = verify_against_source(network, made.qonnx, flowers)
    assert comparison.exact, f"{len(comparison.mismatches)} differ, first in {comparison.layer}"
    expected = network(network.quantize(flowers))
    assert len(np.unique(expected, axis=0)) > 10, "all flowers look the same to it"
    # What torch gives, in its own float32, from the integers.
    np.testing.assert_array_equal(network.scores(expected), made.model.scores(flowers))

    bundle = compile_dataflow(network, folding.choose(network, cycles=CYCLES), tmp_path / "bundle")
    calls = {}
    for device in ("verilated", "functional"):
        with Accelerator(bundle, device, cache) as accelerator:
            np.testing.assert_array_equal(accelerator.run(flowers), expected)
            classes = accelerator.classify(flowers)
            np.testing.assert_array_equal(classes, made.model.classify(flowers))
            calls[device] = accelerator.last_call
            assert accelerator.labels == ("setosa", "versicolor", "virginica")
    measured, predicted = calls["verilated"], calls["functional"]
    assert measured.latency_cycles == bundle.design.latency_cycles
    assert measured.initiation_interval == bundle.design.initiation_interval <= CYCLES
    assert measured.cycles == measured.predicted_cycles == predicted.predicted_cycles


# One of each input, and the one with a shared layer; the others where there is time.
ON_CHIP = {
    ("iris_64_32_32", "W1A1"),
    ("iris_64_32_32", "W1A1-thermometer"),
    ("irisnet", "W4A4"),
}


@pytest.mark.parametrize(
    ("topology", "quantization"),
    [
        pytest.param(*network, marks=() if network in ON_CHIP else pytest.mark.slow)
        for network in NETWORKS
    ],
    ids=IDS,
)
def test_the_overlay_chooses_the_class_that_torch_chooses(
    topology, quantization, exported, tmp_path, cache
):
    flowers = load_iris().features
    made = exported(topology, quantization)
    network = choose_class_on_chip(made.network)
    assert isinstance(network.nodes[-1].op, ArgMax)
    bundle = compile_dataflow(network, folding.choose(network, cycles=CYCLES), tmp_path / "bundle")
    with Accelerator(bundle, "verilated", cache) as accelerator:
        classes = accelerator.run(flowers)[:, 0]
        np.testing.assert_array_equal(classes, accelerator.classify(flowers))
        call = accelerator.last_call
    np.testing.assert_array_equal(classes, made.model.classify(flowers))
    assert call.latency_cycles == bundle.design.latency_cycles
    assert call.initiation_interval == bundle.design.initiation_interval


@pytest.mark.slow
@pytest.mark.parametrize("cycles", [4, 32, 1024])
@pytest.mark.parametrize("quantization", ["W1A1", "W4A4"])
def test_the_folding_changes_the_cycles_and_not_the_integers(
    quantization, cycles, exported, tmp_path, cache
):
    flowers = load_iris().features
    network = exported("iris_64_32_32", quantization).network
    bundle = compile_dataflow(network, folding.choose(network, cycles=cycles), tmp_path / "bundle")
    with Accelerator(bundle, "verilated", cache) as accelerator:
        np.testing.assert_array_equal(accelerator.run(flowers), network(network.quantize(flowers)))
        call = accelerator.last_call
    assert call.latency_cycles == bundle.design.latency_cycles
    assert call.initiation_interval == bundle.design.initiation_interval <= cycles
    assert call.cycles == call.predicted_cycles


@pytest.mark.parametrize(
    ("topology", "quantization"),
    [
        pytest.param(*network, marks=() if network == ("iris_64_64", "W1A1") else pytest.mark.slow)
        for network in NETWORKS
        if network[1] != "W8A8"
    ],
    ids=lambda name: name,
)
def test_a_network_that_is_all_logic_takes_a_flower_a_cycle(
    topology, quantization, exported, tmp_path, cache
):
    flowers = load_iris().features
    network = choose_class_on_chip(exported(topology, quantization).network)
    bundle = compile_dataflow(network, folding.choose(network, unroll=True), tmp_path / "bundle")
    with Accelerator(bundle, "verilated", cache) as accelerator:
        np.testing.assert_array_equal(accelerator.run(flowers), network(network.quantize(flowers)))
        call = accelerator.last_call
    assert call.latency_cycles == bundle.design.latency_cycles
    assert call.initiation_interval == bundle.design.initiation_interval == 1
    assert call.cycles == call.predicted_cycles


@pytest.mark.parametrize(
    ("topology", "quantization"),
    [
        pytest.param(*network, marks=() if network in ON_CHIP else pytest.mark.slow)
        for network in NETWORKS
    ],
    ids=IDS,
)
def test_both_overlays_give_the_probabilities_of_torchs_scores(
    topology, quantization, exported, tmp_path, cache
):
    flowers = load_iris().features
    made = exported(topology, quantization)
    network = share_on_chip(made.network)
    compile_dataflow(network, folding.choose(network, cycles=CYCLES), tmp_path / "dataflow")
    make_engine(Engine(), tmp_path / "offload")
    scores = made.model.scores(flowers).astype(np.float64)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    shares = network(network.quantize(flowers))
    for overlay, device in product(("dataflow", "offload"), ("verilated", "functional")):
        with Accelerator(tmp_path, device, cache, network=network, overlay=overlay) as accelerator:
            np.testing.assert_array_equal(accelerator.run(flowers), shares)
            call = accelerator.last_call
            assert call.cycles in (None, call.predicted_cycles)
            probabilities = accelerator.scores(flowers)
            np.testing.assert_array_equal(
                accelerator.classify(flowers), made.model.classify(flowers)
            )
    assert np.abs(probabilities - expected).max() < 0.03
    assert np.abs(probabilities - expected).mean() <= 0.005


def test_a_layer_that_is_applied_twice_is_stored_once(exported):
    network = exported("irisnet", "W1A3").network
    dense = [node for node in network.nodes if isinstance(node.op, Dense)]
    assert len(dense) == 4
    assert dense[1].parameters == dense[2].parameters
    assert len({node.parameters for node in dense}) == 3
    assert network.weight_bits == 4 * 30 + 30 * 30 + 30 * 3


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param({}, id="the host makes the first signs"),
        pytest.param(
            {"input_encoding": "UINT8", "input_scale": 1 / 255}, id="pixels to the overlay"
        ),
    ],
)
def test_a_network_that_others_trained_comes_out_as_its_own_executor_says(
    declared, cases, tmp_path, cache
):
    images = np.load(cases / "mnist_test_1000.npz")["images"][:200]
    expected = np.load(cases / "tfc_1w1a_expected.npz")["outputs"]
    x = (images / np.float32(255))[:, None]
    network = read_qonnx(cases / "tfc_1w1a.onnx", **declared)
    bundle = compile_dataflow(network, folding.choose(network, cycles=784), tmp_path / "bundle")
    with Accelerator(bundle, "verilated", cache) as accelerator:
        integers = accelerator.run(x)
        call = accelerator.last_call
        np.testing.assert_array_equal(integers, network(network.quantize(x)))
        np.testing.assert_allclose(accelerator.scores(x), expected, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(accelerator.classify(x), expected.argmax(axis=1))
        np.testing.assert_array_equal(accelerator.run(images[:, None], inputs="pixels"), integers)
        if declared:
            # Pixels as they are: the same integers, in any of the shapes that a sample may have.
            np.testing.assert_array_equal(
                accelerator.run(images[:, None], inputs="integers"), integers
            )
            flat = images.reshape(200, -1)
            np.testing.assert_array_equal(accelerator.run(flat, inputs="integers"), integers)
    assert call.latency_cycles == bundle.design.latency_cycles
    assert call.initiation_interval == bundle.design.initiation_interval
    assert call.cycles == call.predicted_cycles


def test_it_is_right_as_often_as_the_model_is(cases):
    pack = np.load(cases / "mnist_test_1000.npz")
    network = read_qonnx(cases / "tfc_1w1a.onnx")
    x = (pack["images"] / np.float32(255))[:, None]
    right = network.classes(network(network.quantize(x))) == pack["labels"]
    assert right[:200].mean() == 0.965  # as ../shared/cases/README.md says
    assert right.mean() > 0.9
