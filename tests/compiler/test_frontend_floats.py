"""Layers that nobody quantized, in front of the first quantizer and behind the last: the host's."""

from __future__ import annotations

import numpy as np
import pytest
from support.command_line import works
from support.qonnx_graphs import RANDOM, U4, kinds, steps, writer

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.frontend import random_samples, read_qonnx, source_scores, verify_against_source
from bitfold.models.errors import FrontendError
from bitfold.models.network import Network
from bitfold.models.ops import Dense, Threshold
from bitfold.runtime.accelerator import Accelerator

FIRST = f"""
    f = MatMul(x, v1)
    g = Add(f, c1)
    h = BatchNormalization(g, scales, c1, c1, scales)
    i = Relu(h)
    a = {U4.format("i")}
"""
GEMM = f"f = Gemm<transB = 1>(x, v1t, c1) a = {U4.format('f')}"
LAYER = f"b = MatMul(a, w6) e = {U4.format('b')}"
LAST = "s = MatMul(e, v2) y = Add(s, c2)"
CONSTANTS = {
    "v1": RANDOM.normal(size=(4, 6)),
    "v1t": RANDOM.normal(size=(6, 4)),
    "c1": RANDOM.normal(size=6),
    "scales": RANDOM.uniform(0.5, 2, 6),
    "w6": RANDOM.integers(-7, 8, (6, 5)) / 8,
    "w6t": RANDOM.integers(-7, 8, (6, 4)) / 8,
    "w53": RANDOM.integers(-7, 8, (5, 3)) / 8,
    "v2": RANDOM.normal(size=(5, 3)),
    "c2": RANDOM.normal(size=3),
    "v3": RANDOM.normal(size=(5, 5)),
}
NORMALIZED = ["MatMul", "Add", "Mul", "Add", "Relu", "Quant"]


@pytest.fixture
def save(tmp_path):
    write = writer(tmp_path)
    return lambda body, **constants: write(body, names=True, **{**CONSTANTS, **constants})


@pytest.mark.parametrize(
    ("body", "in_front", "behind"),
    [
        (FIRST + LAYER + "y = MatMul(e, w53)", NORMALIZED, ["Mul"]),
        (GEMM + LAYER + "y = MatMul(e, w53)", ["MatMul", "Add", "Quant"], ["Mul"]),
        (FIRST + LAYER + LAST, NORMALIZED, ["Mul", "MatMul", "Add"]),
        (
            GEMM + LAYER + "r = MatMul(e, v3) t = Relu(r) s = MatMul(t, v2) y = Softmax(s)",
            ["MatMul", "Add", "Quant"],
            ["Mul", "MatMul", "Relu", "MatMul", "Softmax"],
        ),
        (
            f"r = MatMul(x, w4) t = Relu(r) f = MatMul(t, v1) a = {U4.format('f')}"
            + LAYER
            + "s = MatMul(e, w53) y = Add(s, c2)",
            ["MatMul", "Relu", "MatMul", "Quant"],
            ["Mul", "Add"],
        ),
    ],
    ids=["first", "first, by Gemm", "first and last", "two at the end", "two at the beginning"],
)
def test_layers_that_nobody_quantized_are_steps_of_the_host(body, in_front, behind, save, tmp_path):
    path = save(body, w4=RANDOM.normal(size=(4, 4)))
    network = read_qonnx(path)
    assert steps(network.quantizer) == in_front and steps(network.head) == behind
    hidden = [Dense, Threshold]
    assert kinds(network) == (hidden if behind.count("MatMul") else [*hidden, Dense])
    assert network.sample_shape == (4,) and network.input_value.size == 6
    x = np.concatenate([random_samples(network, 200), RANDOM.normal(0, 2, (200, 4))])
    assert len(np.unique(network.quantize(x))) == 16, "the samples leave integers out"
    comparison = verify_against_source(network, path, x)
    assert comparison.faithful and len(comparison.rounded) <= 2
    folder = tmp_path / "kept"
    folder.mkdir()
    network.save(folder)
    again = Network.load(folder)
    assert again.id == network.id
    bundle = compile_dataflow(again, folding.choose(again), tmp_path / "made.bundle")
    with Accelerator(bundle, "functional") as accelerator:
        scores = accelerator.scores(x)
        integers = accelerator.run(network.quantize(x), inputs="integers")
    np.testing.assert_array_equal(scores, network.scores(integers))
    right = np.setdiff1d(np.arange(len(x)), comparison.mismatches)
    expected = source_scores(path, x)
    np.testing.assert_allclose(scores[right], expected[right], rtol=1e-5, atol=1e-4)


def test_a_sum_that_the_file_rounds_otherwise_is_counted_and_never_hidden(save):
    body = "f = MatMul(x, ones) a = Quant<signed = 0, narrow = 0>(f, one, zero, four)"
    path = save(body + LAYER + "y = MatMul(e, w53)", ones=np.ones((4, 6)))
    network = read_qonnx(path)
    large = 2.0**24
    x = np.float32([[1, 2, 3, 4], [large, 1, -large, 0], [large, -large, 1, 0]])
    assert network.quantize(x)[:, 0].tolist() == [10, 1, 1]  # as the reals are
    comparison = verify_against_source(network, path, x)
    assert comparison.mismatches.tolist() == [1] == comparison.rounded.tolist()
    assert comparison.layer == "input" and comparison.faithful and not comparison.exact


def test_what_the_host_does_is_listed(save, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = save(GEMM + LAYER + LAST)
    said = "on the host: MatMul 4 x 6, Add, Quant in front; Mul, MatMul 5 x 3, Add behind"
    assert said in works("compile", path, "-o", "made.bundle")
    assert said in works("inspect", "made.bundle")
    works("overlay", "offload", "-o", "engine.bundle")
    assert said in works("inspect", "engine.bundle", "--network", path)
    works("report", "made.bundle", "--rtl", 0, "-o", "made.html")
    page = (tmp_path / "made.html").read_text()
    assert "MatMul 4 x 6, Add, Quant" in page and "Mul, MatMul 5 x 3, Add" in page


REFUSED = {
    "no quantizer at all": (
        "f = MatMul(x, v1) r = Relu(f) y = MatMul(r, v6)",
        "MatMul_0 (MatMul): the input reaches it without being quantized; put a quantizer",
    ),
    "a float layer between integer ones": (
        GEMM + LAYER + f"r = MatMul(e, v3) t = {U4.format('r')} y = MatMul(t, w53)",
        "MatMul_4 (MatMul): its weights are not quantized, with one scale for the layer",
    ),
    "nothing but float layers around a quantizer": (
        GEMM + "y = MatMul(a, v6)",
        "MatMul_2 (MatMul): its weights are not quantized",
    ),
    "a float layer in a branch": (
        GEMM + LAYER + "r = MatMul(e, v3) t = Add(r, e) y = MatMul(t, v2)",
        "MatMul_4 (MatMul): its weights are not quantized",
    ),
    "a float layer behind sums": (
        GEMM + "b = MatMul(a, w6) r = Relu(b) y = MatMul(r, v2)",
        "MatMul_4 (MatMul): its weights are not quantized",
    ),
    "no number among the weights": (
        GEMM + LAYER + "y = MatMul(e, broken)",
        "MatMul_4 (MatMul): a weight is infinite or not a number; train it again",
    ),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_a_layer_that_is_neither_the_hosts_nor_of_integers_is_refused(body, message, save):
    path = save(body, v6=RANDOM.normal(size=(6, 3)), broken=np.full((5, 3), np.nan))
    with pytest.raises(FrontendError) as refused:
        read_qonnx(path)
    assert any(message in str(line) for line in refused.value.args), refused.value
