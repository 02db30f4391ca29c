"""The front end on what QKeras and Keras export: compared with what they compute themselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.pages import Page

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.frontend import random_samples, read_qonnx, verify_against_source
from bitfold.models.datasets import load_iris
from bitfold.models.errors import FrontendError
from bitfold.models.ops import Dense
from bitfold.runtime.accelerator import Accelerator

REPOSITORY = Path(__file__).parents[2]
# QKeras can't live in this environment: make_qkeras_models.py made these files in its own.
FILES = REPOSITORY / "tests" / "data"
STEP = {"input_encoding": "UINT8", "input_scale": 1 / 32}
QKERAS = {"six_bits": {}, "few_bits": {}, "lost_input": STEP}


def qkeras(name: str) -> tuple[Path, np.ndarray, np.ndarray]:
    """The file, rows, and what QKeras itself made of them."""
    kept = np.load(FILES / f"qkeras_{name}.npz")
    return FILES / f"qkeras_{name}.onnx", kept["x"], kept["y"]


def encodings(network) -> list[tuple[str, str]]:
    """Of weights and inputs, layer by layer."""
    return [
        (network.parameter(n, "weights").encoding.name, network.values[n.input].encoding.name)
        for n in network.nodes
        if isinstance(n.op, Dense)
    ]


@pytest.mark.parametrize("name", QKERAS)
def test_a_qkeras_model_gives_what_qkeras_gives(name):
    path, x, y = qkeras(name)
    network = read_qonnx(path, **QKERAS[name])
    assert verify_against_source(network, path, random_samples(network, 300)).exact
    scores = network.scores(network(network.quantize(x)))
    if network.head[-1].kind == "Softmax":
        np.testing.assert_allclose(scores, y, atol=1e-6)
        assert np.array_equal(scores.argmax(axis=1), y.argmax(axis=1))
    else:
        assert np.array_equal(scores, y)


def test_every_quantizer_of_qkeras_that_the_converter_knows_becomes_its_encoding():
    assert encodings(read_qonnx(qkeras("six_bits")[0])) == [
        ("INT6", "UINT8"),
        ("INT6", "UINT6"),
        ("INT6", "UINT6"),
        ("INT6", "UINT6"),
    ]
    assert encodings(read_qonnx(qkeras("few_bits")[0])) == [
        ("BIPOLAR", "UINT8"),
        ("TERNARY", "UINT3"),
        ("INT4", "BIPOLAR"),
    ]


def test_without_the_quantizer_that_the_converter_lost_the_first_layer_is_the_hosts():
    path = qkeras("lost_input")[0]
    assert "MatMul" in [step.kind for step in read_qonnx(path).quantizer]
    said = read_qonnx(path, input_encoding="UINT8", input_scale=1 / 32)
    assert [step.kind for step in said.quantizer] == ["Quant"]


def test_a_qkeras_model_classifies_on_the_rtl_as_in_qkeras(cache, tmp_path):
    path, x, y = qkeras("few_bits")
    network = read_qonnx(path)
    bundle = compile_dataflow(network, folding.for_reuse(network, 32), tmp_path / "bundle")
    with Accelerator(bundle, "verilated", cache) as accelerator:
        assert np.array_equal(accelerator.scores(x), y)
        assert np.array_equal(accelerator.classify(x), y.argmax(axis=1))


@pytest.fixture(scope="module")
def keras(tmp_path_factory, home) -> Path:
    """A folder with what the Keras example of docs/frontends.md leaves."""
    folder = tmp_path_factory.mktemp("keras")
    page = Page.read(REPOSITORY / "docs" / "frontends.md")
    for block in page.blocks():
        language, _, file = block.language.partition(" ")
        if language == "python" and file:
            (folder / file).write_text(block.text)
            made = subprocess.run(
                [sys.executable, file],
                cwd=folder,
                env={**os.environ, "HOME": str(home)},
                capture_output=True,
                text=True,
            )
            assert made.returncode == 0, made.stderr
    return folder


def test_a_float_model_of_keras_is_refused_with_what_to_do(keras):
    with pytest.raises(FrontendError) as caught:
        read_qonnx(keras / "keras.onnx")
    said = str(caught.value)
    assert "4 nodes can't be lowered" in said
    assert len(re.findall("its weights are not quantized.* quantize the file", said)) == 4
    assert len(re.findall("the input reaches it without being quantized", said)) == 1
    assert len(re.findall("its input is not quantized", said)) == 3


def test_a_model_of_keras_that_onnxruntime_quantized_is_read_exactly(keras):
    network = read_qonnx(keras / "keras_8_bits.onnx")
    iris = load_iris()
    for x in (iris.features, random_samples(network, 300)):
        assert verify_against_source(network, keras / "keras_8_bits.onnx", x).exact
    assert encodings(network)[1:] == [("INT8", "UINT8")] * 3
    classes = network.classes(network(network.quantize(iris.features)))
    predicted = np.load(keras / "keras.npy").argmax(axis=1)
    # Eight bits after training, and no training since: a flower or two may change sides.
    assert (classes == predicted).sum() >= 145
