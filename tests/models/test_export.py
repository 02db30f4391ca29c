"""The exported QONNX gives exactly what torch gives, or there is no file."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.general.quant import quant
from qonnx.transformation.change_batchsize import ChangeBatchSize
from qonnx.transformation.infer_shapes import InferShapes

from bitfold.models.dataset import Dataset
from bitfold.models.datasets import load_iris
from bitfold.models.errors import ExportError
from bitfold.models.export import export_qonnx
from bitfold.models.quantization import QUANTIZATIONS, quantization
from bitfold.models.training import train

SHOWN = [
    *(("iris_64_32_32", name) for name in QUANTIZATIONS if name != "float"),
    *(
        (topology, name)
        for topology in ("irisnet", "iris_64_64")
        for name in ("W1A1", "W1A3", "W4A4")
    ),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A function that trains and exports a network once, and gives the model and its file."""

    @cache
    def export(topology, name):
        model = train(topology, name, load_iris(), seed=1, steps=30)
        folder = tmp_path_factory.mktemp(model.name)
        return model, export_qonnx(model, folder / "network.onnx", load_iris().features)

    return export


def execute(path, rows):
    model = ModelWrapper(str(path)).transform(ChangeBatchSize(len(rows))).transform(InferShapes())
    return execute_onnx(model, {"features": rows})["scores"]


def weight_matrices(path):
    """The integers of every weight matrix in the file, as qonnx quantizes them, and their bits."""
    graph = onnx.load(path).graph
    values = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    matrices = []
    for node in graph.node:
        inputs = [values.get(name) for name in node.input]
        if node.op_type == "Quant" and inputs[0] is not None:
            says = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
            weights = quant(*inputs, says["signed"], says["narrow"], "ROUND") / inputs[1]
            matrices.append((weights, int(inputs[3].item())))
        elif node.op_type == "BipolarQuant" and inputs[0] is not None:
            matrices.append((np.where(inputs[0] >= 0, 1, -1), 1))
    return matrices


@pytest.mark.parametrize(("topology", "name"), SHOWN)
def test_the_exported_file_gives_torchs_scores_bit_for_bit(exported, topology, name):
    model, path = exported(topology, name)
    rows = np.random.default_rng(99).uniform(0, 8, (300, 4)).astype(np.float32)
    rows = np.concatenate([load_iris().features, rows])
    assert np.array_equal(execute(path, rows), model.scores(rows))

    learnt = weight_matrices(path)[1 if "thermometer" in name else 0 :]
    assert {bits for _, bits in learnt} == {quantization(name).weight_bits}


def test_the_tfc_is_exported_bit_for_bit(tmp_path):
    generator = np.random.default_rng(0)
    digits = Dataset(
        "mnist",
        generator.integers(0, 256, (64, 784)).astype(np.uint8),
        np.arange(64) % 10,
        tuple(map(str, range(784))),
        tuple("0123456789"),
    )
    model = train("tfc", "W1A1", digits, steps=3)
    path = export_qonnx(model, tmp_path / "tfc.onnx", digits.features)
    pixels = generator.integers(0, 256, (50, 784)).astype(np.float32)
    assert np.array_equal(execute(path, pixels), model.scores(pixels))


def test_the_float_reference_is_exported_too(exported):
    model, path = exported("irisnet", "float")
    scores = execute(path, load_iris().features)
    assert np.allclose(scores, model.scores(load_iris().features), rtol=1e-5, atol=1e-5)
    assert {node.op_type for node in onnx.load(path).graph.node}.isdisjoint(
        {"Quant", "BipolarQuant"}
    )


def test_the_file_says_what_the_network_is(exported):
    _, path = exported("iris_64_32_32", "W1A1-thermometer")
    said = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert said["bitfold.name"] == "iris_64_32_32-W1A1-thermometer"
    assert said["bitfold.topology"] == "iris_64_32_32"
    assert said["bitfold.quantization"] == "W1A1-thermometer"
    assert said["bitfold.dataset"] == "iris"
    assert json.loads(said["bitfold.class_names"]) == ["setosa", "versicolor", "virginica"]
    assert json.loads(said["bitfold.feature_names"]) == list(load_iris().feature_names)


def test_the_file_is_alone_and_names_no_file_of_this_machine(exported):
    _, path = exported("irisnet", "W4A4")
    assert list(path.parent.iterdir()) == [path]
    assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()
    assert b'File "' not in path.read_bytes()


def test_a_shared_layer_is_exported_once(exported):
    _, path = exported("irisnet", "W4A4")
    graph = onnx.load(path).graph
    products = [node for node in graph.node if node.op_type in ("Gemm", "MatMul")]
    shapes = [weights.shape for weights, _ in weight_matrices(path)]
    assert shapes == [(30, 4), (30, 30), (3, 30)]
    assert len(products) == 4 and products[1].input[1] == products[2].input[1]


def test_pruned_weights_are_exactly_zero_in_the_file(exported):
    _, path = exported("iris_64_32_32", "W6A6-pruned")
    shares = [float((weights == 0).mean()) for weights, _ in weight_matrices(path)]
    assert len(shares) == 4 and min(shares) >= 0.75 and max(shares) < 0.9


def test_a_thermometer_is_a_matrix_of_zeros_and_ones(exported):
    _, path = exported("iris_64_32_32", "W1A1-thermometer")
    weights, bits = weight_matrices(path)[0]
    assert bits == 2 and np.array_equal(weights, np.repeat(np.eye(4), 16, axis=0))


class DiffersWhenExported(torch.nn.Module):
    """Adds to the scores, but only in the exported graph."""

    def __init__(self, module, limit):
        super().__init__()
        self.module = module
        self.input = module.input
        self.limit = limit

    def forward(self, x):
        scores = self.module(x)
        if torch.compiler.is_exporting():
            return scores + (x[:, :1] > self.limit) * 2.0**-10
        return scores


def test_a_file_that_differs_is_not_written_and_the_error_says_in_how_many_rows(exported, tmp_path):
    good, _ = exported("irisnet", "W4A4")
    path = tmp_path / "network.onnx"
    path.write_text("an older file")
    rows = load_iris().features
    limit = 7.0
    random_rows = np.random.default_rng(0).uniform(0, 255 / 32, (256, 4))
    wrong = int((rows[:, 0] > limit).sum() + (random_rows[:, 0] > limit).sum())
    bad = replace(good, module=DiffersWhenExported(good.module, limit).eval())
    with pytest.raises(ExportError, match=f"irisnet-W4A4: .* in {wrong} of 406 rows"):
        export_qonnx(bad, path, rows)
    assert path.read_text() == "an older file"
    assert list(tmp_path.iterdir()) == [path]
