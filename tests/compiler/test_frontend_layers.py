"""The front end on layers: their weights, their thresholds and their names."""

import numpy as np
import onnx
import pytest
from support.qonnx_graphs import (
    BETA,
    GAMMA,
    LAYER_1,
    RANDOM,
    U4,
    U8_INPUT,
    W1,
    kinds,
    read_exactly,
    steps,
    writer,
)

from bitfold.build.frontend import read_qonnx, verify_against_source
from bitfold.models.ops import Dense, Threshold

NETWORK = LAYER_1 + "y = MatMul(e, w2t)"


@pytest.fixture
def save(tmp_path):
    return writer(tmp_path)


def test_thresholds_of_a_falling_channel_negate_its_weights(save):
    network = read_exactly(save(NETWORK))
    signs = np.sign(GAMMA)[:, None]
    assert np.array_equal(network.parameters["dense0.weight"].values, signs * W1 * 8)


def test_a_row_without_weights_may_stand_in_front_of_a_falling_channel(save):
    pruned = W1 * [[1], [0], [1], [0], [0]]
    network = read_exactly(save(NETWORK, w1t=pruned.T))
    assert not network.parameters["dense0.weight"].values[[1, 3, 4]].any()


def test_a_channel_multiplied_by_zero_is_constant(save):
    network = read_exactly(save(NETWORK, gamma=GAMMA * [1, 0, 1, 1, 0], beta=BETA))
    levels = network.trace(np.array([[0, 0, 0, 0], [255, 3, 9, 255]]))["dense0.activations"]
    assert (levels[:, 1] == 0).all() and (levels[:, 4] == 0).all()


@pytest.mark.parametrize("scale", [0.1, 0.3, 1 / 3, 0.7])
@pytest.mark.parametrize("step", [0.1, 0.2, 0.5, 0.7])
def test_ties_switch_where_the_source_rounds_them(save, scale, step):
    body = """
        a = Quant<signed = 0, narrow = 0>(x, scale, zero, eight)
        b = MatMul(a, w)
        c = Add(b, bias)
        y = Quant<signed = 1, narrow = 0>(c, step, zero, four)
    """
    path = save(
        body,
        x="float[1, 1] x",
        y="float[1, 6] y",
        scale=scale,
        step=step,
        w=np.array([[1.0, -1, 1, 1, -1, 1]]),
        bias=np.array([0, 0, -step, 2.5 * step, step / 2, -1]),
    )
    network = read_qonnx(path)
    x = (np.arange(256, dtype=np.float32) * np.float32(scale))[:, None]
    assert verify_against_source(network, path, x).exact


def test_weights_may_have_one_scale_a_row(save):
    scales = np.array([[0.5], [0.25], [0.125], [1.0], [2.0]])
    body = LAYER_1.replace(
        "b =", "q = Quant<signed = 1, narrow = 1>(w, scales, zero, four) t = Transpose(q) b ="
    )
    body = body.replace("w1t", "t") + "y = MatMul(e, w2t)"
    path = save(body, w=W1 * 8 * scales, scales=scales)
    network = read_exactly(path)
    assert np.array_equal(np.abs(network.parameters["dense0.weight"].values), np.abs(W1 * 8))


@pytest.mark.parametrize(
    "quantizer, encoding",
    [
        ("BipolarQuant(d, half)", "BIPOLAR"),
        ("Quant<signed = 1, narrow = 1>(d, half, zero, one)", "BIPOLAR"),
        ("Quant<signed = 0, narrow = 0>(d, half, zero, one)", "BINARY"),
        ("Quant<signed = 1, narrow = 1>(d, half, zero, two)", "TERNARY"),
        ("Quant<signed = 1, narrow = 0>(d, half, zero, two)", "INT2"),
        ("Quant<signed = 0, narrow = 1>(d, half, zero, two)", "UINT2"),
        ("Quant<signed = 1, narrow = 0>(d, half, zero, three)", "INT3"),
        ("Quant<signed = 1, narrow = 1>(d, half, zero, eight)", "INT8"),
        ("Quant<signed = 0, narrow = 0>(d, half, zero, eight)", "UINT8"),
        ("Quant<signed = 0, narrow = 0>(d, half, three, four)", "UINT4"),
        ('Quant<signed = 1, narrow = 0, rounding_mode = "FLOOR">(d, half, zero, four)', "INT4"),
        ('Quant<signed = 1, narrow = 0, rounding_mode = "CEIL">(d, half, zero, four)', "INT4"),
        ('MultiThreshold<out_dtype = "UINT2">(d, steps)', "UINT2"),
        ('MultiThreshold<out_dtype = "INT2", out_bias = -2.0>(d, steps)', "INT2"),
        (
            'MultiThreshold<out_dtype = "BIPOLAR", out_scale = 2.0, out_bias = -1.0>(d, sign)',
            "BIPOLAR",
        ),
        (
            'MultiThreshold<out_dtype = "FLOAT32", out_scale = 0.5, out_bias = 0.5>(d, steps)',
            "UINT2",
        ),
    ],
)
def test_every_quantizer_becomes_thresholds(save, quantizer, encoding):
    body = LAYER_1.replace(f"e = {U4.format('d')}", f"e = {quantizer}") + "y = MatMul(e, w2t)"
    steps = np.sort(RANDOM.integers(-16, 16, (5, 3)), axis=1)
    network = read_exactly(save(body, steps=steps.astype("f"), sign=np.zeros((1, 1))))
    assert network.values["dense0.activations"].encoding.name == encoding


@pytest.mark.parametrize(
    "between",
    [
        "e = Clip(d, minus, plus)",
        "e = LeakyRelu<alpha = 0.25>(d)",
        "e = Tanh(d)",
        "e = Quant<signed = 1, narrow = 0>(d, half, zero, sixteen)",
        "r = Relu(d) m = Mul(r, three) e = Add(m, beta)",
    ],
)
def test_all_that_rises_in_front_of_a_quantizer_is_part_of_the_thresholds(save, between):
    body = LAYER_1.replace("e =", f"{between} f =").replace("(d, quarter", "(e, quarter")
    path = save(body + "y = MatMul(f, w2t)", minus=-1.0, plus=2.5)
    assert kinds(read_exactly(path)) == [Dense, Threshold, Dense]


def test_an_activation_that_never_switches_is_constant(save):
    body = f"{U8_INPUT} n = Neg(a) e = {U4.format('n')} y = Gemm<transB = 1>(e, w)"
    network = read_exactly(save(body, w=W1[:3]))
    assert (network.parameters["input.thresholds"].values == 256).all()


def test_scale_and_bias_behind_a_quantizer_are_part_of_the_next_layer(save):
    body = LAYER_1 + "f = Mul(e, three) g = Sub(f, w0) h = Add(g, one) y = MatMul(h, w2t)"
    network = read_exactly(save(body, w0=RANDOM.integers(0, 9, 5) / 4))
    assert kinds(network) == [Dense, Threshold, Dense]
    assert steps(network.head) == ["Mul", "Add"]


def test_layers_with_equal_weights_share_them(save):
    shared = np.array([[3, -1, 0, 2], [0, 1, 1, -2], [-3, 2, 1, 0], [1, 1, -1, 2]])
    body = f"""
        {U8_INPUT}
        w = Quant<signed = 1, narrow = 1>(shared, one, zero, three)
        b = Gemm<transB = 1>(a, w)
        c = {U4.format("b")}
        d = Gemm<transB = 1>(c, w)
        e = {U4.format("d")}
        f = Mul(e, half)
        y = Gemm<transB = 1>(f, copy)
    """
    network = read_exactly(
        save(body, y="float[1, 4] y", shared=shared.astype("f"), copy=shared.astype("f"))
    )
    weights = [n.parameter("weights") for n in network.nodes if isinstance(n.op, Dense)]
    assert weights == ["dense0.weight"] * 3
    assert network.weight_bits == 16 * 3


def test_layers_have_the_names_of_their_modules(save):
    middle = "s = MatMul(e, w2t) t = Quant<signed = 1, narrow = 1>(s, one, zero, four)"
    path = save(LAYER_1 + middle + "y = MatMul(t, w3)", w3=np.eye(3))
    model = onnx.load(path)
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    products[0].name = "/hidden/hidden.0/linear/MatMul"
    scopes = onnx.StringStringEntryProto(
        key="pkg.torch.onnx.name_scopes", value="['', 'hidden', 'hidden.1', 'linear_1']"
    )
    products[1].metadata_props.append(scopes)
    products[2].input[1] = "last.weight"
    next(t for t in model.graph.initializer if t.name == "w3").name = "last.weight"
    onnx.save(model, path)
    network = read_exactly(path)
    names = [node.name for node in network.nodes if isinstance(node.op, Dense)]
    assert names == ["hidden.0.linear", "hidden.1", "last"]


def test_a_file_may_say_what_it_is_and_name_its_classes(save):
    path = save(NETWORK)
    model = onnx.load(path)
    said = {"bitfold.name": "flowers", "bitfold.dataset": "iris"}
    said["bitfold.class_names"] = '["setosa", "versicolor", "virginica"]'
    onnx.helper.set_model_props(model, said)
    onnx.save(model, path)
    network = read_qonnx(path)
    assert network.name == "flowers"
    assert network.labels == ("setosa", "versicolor", "virginica")
    assert network.info == {"source": path.name, "dataset": "iris"}
    assert read_qonnx(path, name="mine").name == "mine"


def test_progress_tells_each_step(save):
    told = []
    read_qonnx(save(NETWORK), progress=told.append)
    assert told[0].startswith("reading network")
    assert any("FINN: FactorOutMulSignMagnitude" in step for step in told)
    assert told[-2:] == ["checking dense1 against the source", "comparing with the QONNX file"]
