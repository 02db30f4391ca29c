"""The front end at the edges: what the host does before the first and behind the last layer."""

import numpy as np
import onnx
import pytest
from support.qonnx_graphs import LAYER_1, RANDOM, U4, U8_INPUT, kinds, read_exactly, steps, writer

from bitfold.build.frontend import random_samples, read_qonnx, verify_against_source
from bitfold.models.ops import Dense, Threshold


@pytest.fixture
def save(tmp_path):
    return writer(tmp_path)


@pytest.mark.parametrize(
    "tail, head",
    [
        ("y = Mul(s, third)", ["Mul", "Mul"]),
        ("t = Mul(s, scales) y = Add(t, biases)", ["Mul", "Mul", "Add"]),
        ("t = Sub(s, biases) u = Div(t, scales) y = Softmax(u)", ["Mul", "Sub", "Div", "Softmax"]),
        (
            "y = BatchNormalization(s, scales, biases, biases, scales)",
            ["Mul", "Mul", "Add"],
        ),
        ("t = Sub(biases, s) y = Neg(t)", ["Mul", "Mul", "Add", "Mul"]),
        (
            "y = Quant<signed = 1, narrow = 0>(s, half, one, sixteen)",
            ["Mul", "Quant", "Sub", "Mul"],
        ),
        ("t = Softmax(s) y = Identity(t)", ["Mul", "Softmax"]),
        ("t = Add(s, biases) y = Relu(t)", ["Mul", "Add", "Relu"]),
    ],
)
def test_what_stands_behind_the_last_layer_is_the_head(save, tail, head):
    constants = {
        "third": 1 / 3,
        "scales": np.array([0.3, 1.7, 2.0]),
        "biases": np.array([1.1, -3.0, 0.7]),
    }
    path = save(LAYER_1 + "s = MatMul(e, w2t)" + tail, **constants)
    network = read_qonnx(path)
    assert kinds(network) == [Dense, Threshold, Dense]
    assert steps(network.head) == head
    comparison = verify_against_source(network, path, random_samples(network, 300))
    assert comparison.exact
    if "Softmax" not in tail:  # whose exponential is not the same to the bit
        assert comparison.score_difference == 0


@pytest.mark.parametrize(
    "choice, y",
    [
        ("y = ArgMax<axis = 1>(s)", "int64[1, 1] y"),
        ("y = ArgMax<axis = -1, keepdims = 0>(s)", "int64[1] y"),
        ("t = Softmax(s) values, y = TopK(t, k)", "int64[1, 1] y"),
    ],
)
def test_the_choice_of_the_class_is_left_to_the_network(save, choice, y):
    path = save(LAYER_1 + "s = MatMul(e, w2t)" + choice, y=y, k=np.array([1]))
    network = read_qonnx(path)
    assert kinds(network) == [Dense, Threshold, Dense]
    assert verify_against_source(network, path, random_samples(network, 300)).exact


def test_a_network_may_end_in_thresholds(save):
    tail = "s = MatMul(e, w2t) y = Quant<signed = 1, narrow = 0>(s, half, zero, three)"
    network = read_exactly(save(LAYER_1 + tail))
    assert kinds(network) == [Dense, Threshold, Dense, Threshold]
    assert network.output_value.encoding.name == "INT3"
    assert steps(network.head) == ["Mul"]


@pytest.mark.parametrize(
    "edge, expected",
    [
        ("a = Quant<signed = 1, narrow = 0>(x, half, zero, four)", ["Quant"]),
        ("a = Quant<signed = 0, narrow = 0>(x, half, three, four)", ["Quant"]),
        ("r = Relu(x) a = Quant<signed = 0, narrow = 0>(r, half, zero, four)", ["Relu", "Quant"]),
        (
            "m = Mul(x, two) s = Sub(m, one) a = BipolarQuant(s, one)",
            ["Mul", "Sub", "BipolarQuant"],
        ),
        (
            "m = Sub(one, x) s = Div(m, deviation) "
            "a = Quant<signed = 1, narrow = 1>(s, half, zero, three)",
            ["Mul", "Add", "Div", "Quant"],
        ),
        (
            "n = BatchNormalization(x, g, h, h, g) "
            "a = Quant<signed = 0, narrow = 0>(n, half, zero, four)",
            ["Mul", "Add", "Quant"],
        ),
        ("i = QuantizeLinear(x, half, odd) a = DequantizeLinear(i, half, odd)", ["Quant", "Add"]),
    ],
)
def test_what_stands_before_the_first_quantizer_is_done_by_the_host(save, edge, expected):
    body = LAYER_1.replace(U8_INPUT, edge) + "y = MatMul(e, w2t)"
    constants = {
        "deviation": np.array([0.3, 0.7, 1.1, 2.0]),
        "g": np.array([0.8, 0.1, 1.9, 3.0]),
        "h": np.array([5.1, 3.5, 1.4, 0.2]),
        "odd": np.uint8(3),
    }
    path = save(body, **constants)
    network = read_qonnx(path)
    assert steps(network.quantizer) == expected
    assert kinds(network) == [Dense, Threshold, Dense]
    x = RANDOM.normal(0, 4, (2000, 4)).astype(np.float32)
    x[:500] = np.round(x[:500] * 4) / 4  # ties
    assert verify_against_source(network, path, x).exact


def test_a_second_quantizer_in_front_of_the_first_layer_becomes_thresholds(save):
    edge = f"i = Quant<signed = 0, narrow = 0>(x, half, three, four) a = {U4.format('i')}"
    network = read_exactly(save(LAYER_1.replace(U8_INPUT, edge) + "y = MatMul(e, w2t)"))
    assert kinds(network) == [Threshold, Dense, Threshold, Dense]
    # Above the zero point of 3 each integer is worth 1/2, which is two steps of 1/4.
    levels = network.trace(np.arange(16)[:, None].repeat(4, axis=1))["input.activations"]
    assert np.array_equal(levels[:, 0], np.clip(2 * (np.arange(16) - 3), 0, 15))


def test_with_input_encoding_the_first_quantizer_becomes_thresholds(save):
    edge = "m = Mul(x, two) s = Sub(m, one) a = Quant<signed = 1, narrow = 0>(s, half, zero, two)"
    path = save(LAYER_1.replace(U8_INPUT, edge) + "y = MatMul(e, w2t)")
    network = read_exactly(path, input_encoding="UINT8", input_scale=1 / 255)
    assert kinds(network) == [Threshold, Dense, Threshold, Dense]
    assert network.values["input"].encoding.name == "UINT8"
    assert len(network.parameters["input.thresholds"].values) == 1
    pixels = np.arange(256, dtype=np.uint8)[:, None].repeat(4, axis=1)
    scaled = pixels / np.float32(255)
    assert np.array_equal(network(pixels), network(network.quantize(scaled)))
    assert verify_against_source(network, path, scaled).exact


@pytest.mark.parametrize("encoding, scale", [("UINT8", 1 / 256), ("BIPOLAR", None), ("INT4", 0.25)])
def test_with_input_encoding_no_quantizer_is_needed(save, encoding, scale):
    path = save(LAYER_1.replace(U8_INPUT, "a = Sub(x, half)") + "y = MatMul(e, w2t)")
    network = read_qonnx(path, input_encoding=encoding, input_scale=scale)
    assert kinds(network) == [Dense, Threshold, Dense]
    assert verify_against_source(network, path, random_samples(network, 300)).exact


@pytest.mark.parametrize("annotated", [True, False])
def test_a_file_may_declare_the_integers_of_its_input(save, annotated):
    x, cast = (
        ("float[1, 4] x", "Identity(x)") if annotated else ("uint8[1, 4] x", "Cast<to = 1>(x)")
    )
    path = save(LAYER_1.replace(U8_INPUT, f"a = {cast}") + "y = MatMul(e, w2t)", x=x)
    if annotated:
        model = onnx.load(path)
        datatype = onnx.StringStringEntryProto(key="finn_datatype", value="UINT8")
        model.graph.quantization_annotation.append(
            onnx.TensorAnnotation(tensor_name="x", quant_parameter_tensor_names=[datatype])
        )
        onnx.save(model, path)
    network = read_exactly(path)
    assert network.values["input"].encoding.name == "UINT8"
