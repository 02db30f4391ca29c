"""The front end on what Brevitas exports, and on a network that bitfold's authors did not train."""

import numpy as np
import pytest
import torch

from bitfold.build.frontend import random_samples, read_qonnx, verify_against_source
from bitfold.models.datasets import load_iris
from bitfold.models.export import export_qonnx
from bitfold.models.ops import Dense, Threshold
from bitfold.models.quantization import QUANTIZATIONS
from bitfold.models.training import train


def untrained(topology, quantization):
    """A network with random weights, and BatchNorms of which about half the channels fall."""
    model = train(topology, quantization, load_iris(), seed=1, steps=1)
    torch.manual_seed(1)
    for layer in model.module.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(layer.weight)
            torch.nn.init.normal_(layer.bias)
            torch.nn.init.normal_(layer.running_mean, std=2.0)
            torch.nn.init.uniform_(layer.running_var, 0.5, 20.0)
    return model


def read_exactly(path):
    """The network, which gives the very integers and scores of the file."""
    network = read_qonnx(path)
    for samples in (load_iris().features, random_samples(network, 1000)):
        comparison = verify_against_source(network, path, samples)
        assert comparison.exact, comparison
        assert comparison.score_difference == 0
    return network


@pytest.mark.parametrize("quantization", [name for name in QUANTIZATIONS if name != "float"])
def test_every_quantization_is_read_exactly(tmp_path, quantization):
    model = untrained("iris_64_32_32", quantization)
    path = export_qonnx(model, tmp_path / "network.onnx")
    network = read_exactly(path)
    iris = load_iris().features
    assert np.array_equal(network.classes(network(network.quantize(iris))), model.classify(iris))
    assert network.name == f"iris_64_32_32-{quantization}"
    assert network.labels == load_iris().class_names
    assert network.values["input"].encoding.name == "UINT8"
    assert [step.operands[0].ndim for step in network.head] == [0] * len(network.head)
    bits = QUANTIZATIONS[quantization]
    hidden = network.nodes[-2]
    assert isinstance(hidden.op, Threshold)
    assert network.values[hidden.output].encoding.bits == bits.activation_bits
    weights = network.parameter(network.last, "weights").encoding
    assert weights.bits == bits.weight_bits


def test_a_shared_layer_has_one_weight_and_one_set_of_thresholds(tmp_path):
    path = export_qonnx(untrained("irisnet", "W1A3"), tmp_path / "network.onnx")
    network = read_exactly(path)
    dense = [node for node in network.nodes if isinstance(node.op, Dense)]
    thresholds = [node for node in network.nodes if isinstance(node.op, Threshold)]
    assert dense[1].parameters == dense[2].parameters
    assert thresholds[1].parameters == thresholds[2].parameters
    assert network.weight_bits == 30 * 4 + 30 * 30 + 3 * 30


@pytest.fixture(scope="module")
def mnist(cases):
    """200 images (200, 1, 28, 28) uint8 and what the reference executor gives for them."""
    with np.load(cases / "mnist_test_1000.npz") as pack:
        images = pack["images"][:200, None]
    with np.load(cases / "tfc_1w1a_expected.npz") as expected:
        return images, expected["outputs"]


def test_tfc_that_others_trained_gives_its_reference_outputs(cases, mnist):
    images, expected = mnist
    path = cases / "tfc_1w1a.onnx"
    network = read_qonnx(path)
    x = images / np.float32(255)
    outputs = network(network.quantize(x))
    assert np.array_equal(network.scores(outputs), expected)
    assert np.array_equal(network.classes(outputs), expected.argmax(axis=1))
    assert verify_against_source(network, path, x).exact
    assert [network.values[name].encoding.name for name in ("input", "dense0.sums")] == [
        "BIPOLAR",
        "INT11",
    ]


def test_tfc_takes_pixels_where_the_user_says_so(cases, mnist):
    images, expected = mnist
    path = cases / "tfc_1w1a.onnx"
    network = read_qonnx(path, input_encoding="UINT8", input_scale=1 / 255)
    outputs = network(images)
    assert np.array_equal(network.scores(outputs), expected)
    assert np.array_equal(network.parameters["input.thresholds"].values, [[128]])
    assert verify_against_source(network, path, images / np.float32(255)).exact
