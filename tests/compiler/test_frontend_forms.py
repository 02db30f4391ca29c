"""The front end on hand-made graphs: the many forms in which exporters write a network."""

import re

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from bitfold.build.frontend import random_samples, read_qonnx, verify_against_source
from bitfold.models.network import Dense, Threshold

RANDOM = np.random.default_rng(7)
# 4-5-3, weights of 4 bits worth 1/8, and a BatchNorm of which two channels fall.
W1 = RANDOM.integers(-7, 8, (5, 4)) / 8
W2 = RANDOM.integers(-7, 8, (3, 5)) / 8
GAMMA = np.array([1.0, -0.5, 2.0, -1.0, 0.5])
BETA = np.array([0.5, -1.0, 0.25, 3.0, 0.0])
MEAN = np.array([4.0, 8.0, -2.0, 1.0, 0.0])

U8_INPUT = "a = Quant<signed = 0, narrow = 0>(x, one, zero, eight)"
U4 = "Quant<signed = 0, narrow = 0>({}, quarter, zero, four)"
LAYER_1 = f"""
    {U8_INPUT}
    b = MatMul(a, w1t)
    c = Mul(b, gamma)
    d = Add(c, beta)
    e = {U4.format("d")}
"""
CONSTANTS = {
    **{"one": 1, "zero": 0, "two": 2, "three": 3, "four": 4, "eight": 8, "sixteen": 16},
    **{"half": 0.5, "quarter": 0.25, "eighth": 0.125},
    **{"w1": W1, "w1t": W1.T, "w2": W2, "w2t": W2.T},
    **{"gamma": GAMMA, "beta": BETA, "mean": MEAN},
    "variance": np.full(5, 1 - 2**-16),
}


@pytest.fixture
def save(tmp_path):
    """Writes a graph given in ONNX's text format; constants that it names are initializers."""

    def write(body, x="float[1, 4] x", y="float[1, 3] y", opset=13, ir=8, **constants):
        quantizers = r"\b(Quant|BipolarQuant|MultiThreshold)\b(?=[<(])"
        body = re.sub(quantizers, r"qonnx.custom_op.general.\1", body)
        model = parser.parse_model(
            f'<ir_version: {ir}, opset_import: ["" : {opset}, "qonnx.custom_op.general" : 1]> '
            f"network ({x}) => ({y}) {{ {body} }}"
        )
        used = {name for node in model.graph.node for name in node.input}
        for name, value in {**CONSTANTS, **constants}.items():
            if name in used:
                value = np.asarray(value)
                value = (
                    value if value.dtype.kind in "iu" and name in constants else value.astype("f")
                )
                model.graph.initializer.append(numpy_helper.from_array(value, name))
        path = tmp_path / f"network{len(list(tmp_path.iterdir()))}.onnx"
        onnx.save(model, path)
        return path

    return write


def read_exactly(path, rows=300, **options):
    """The network, which gives the very integers and scores of the file."""
    network = read_qonnx(path, **options)
    comparison = verify_against_source(network, path, random_samples(network, rows))
    assert comparison.exact, comparison
    assert comparison.score_difference == 0
    return network


def kinds(network):
    return [type(node) for node in network.nodes]


def steps(host_steps):
    return [step.kind for step in host_steps]


FORMS = {
    "scale and bias": LAYER_1 + "y = MatMul(e, w2t)",
    "batch normalization": f"""
        {U8_INPUT}
        b = MatMul(a, w1t)
        d = BatchNormalization<epsilon = 0.0000152587890625>(b, gamma, shifted, zeros, variance)
        e = {U4.format("d")}
        y = MatMul(e, w2t)
    """,
    "transposed weights of Gemm": f"""
        {U8_INPUT}
        b = Gemm<transB = 1>(a, w1)
        c = Mul(gamma, b)
        d = Add(beta, c)
        e = {U4.format("d")}
        y = Gemm<transB = 1>(e, w2)
    """,
    "bias and alpha of Gemm": f"""
        {U8_INPUT}
        b = Gemm<alpha = 0.5, beta = 2.0>(a, w1t, bias)
        c = Mul(b, twice)
        e = {U4.format("c")}
        y = MatMul(e, w2t)
    """,
    "division and subtraction": f"""
        {U8_INPUT}
        b = MatMul(a, w1t)
        c = Div(b, inverse)
        d = Sub(c, minus)
        e = {U4.format("d")}
        y = MatMul(e, w2t)
    """,
    "Relu in front of the quantizer": f"""
        {U8_INPUT}
        b = MatMul(a, w1t)
        c = Mul(b, gamma)
        d = Add(c, beta)
        r = Relu(d)
        e = {U4.format("r")}
        y = MatMul(e, w2t)
    """,
    "quantizers of weights": f"""
        {U8_INPUT}
        q1 = Quant<signed = 1, narrow = 1>(w1, eighth, zero, four)
        t1 = Transpose<perm = [1, 0]>(q1)
        b = MatMul(a, t1)
        c = Mul(b, gamma)
        d = Add(c, beta)
        e = {U4.format("d")}
        q2 = Quant<signed = 1, narrow = 1>(w2t, eighth, zero, four)
        y = MatMul(e, q2)
    """,
    "weights dequantized from int8": f"""
        {U8_INPUT}
        q1 = DequantizeLinear(w1int8, eighth)
        b = Gemm<transB = 1>(a, q1)
        c = Mul(b, gamma)
        d = Add(c, beta)
        e = {U4.format("d")}
        y = MatMul(e, w2t)
    """,
    "QuantizeLinear, Clip and DequantizeLinear": """
        i = QuantizeLinear(x, one, zero_point)
        a = DequantizeLinear(i, one, zero_point)
        b = MatMul(a, w1t)
        c = Mul(b, gamma)
        d = Add(c, beta)
        j = QuantizeLinear(d, quarter, zero_point)
        k = Clip(j, zero_point, fifteen)
        e = DequantizeLinear(k, quarter, zero_point)
        y = MatMul(e, w2t)
    """,
    "flattened images": LAYER_1.replace("(x,", "(flat,").replace("a =", "flat = Flatten(x) a =")
    + "y = MatMul(e, w2t)",
    "reshaped on the way": LAYER_1 + "f = Reshape(e, row) g = Squeeze(f, axis) y = MatMul(g, w2t)",
}
EXTRA = {
    "shifted": BETA,
    "zeros": np.zeros(5),
    "bias": BETA / GAMMA / 4,
    "twice": 2 * GAMMA,
    "inverse": 1 / GAMMA,
    "minus": -BETA,
    "w1int8": (W1 * 8).astype(np.int8),
    "zero_point": np.uint8(0),
    "fifteen": np.uint8(15),
    "row": np.array([1, 1, -1], np.int64),
    "axis": np.array([1], np.int64),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_network_becomes_the_same_integers(save, form):
    x = "float[1, 1, 2, 2] x" if form == "flattened images" else "float[1, 4] x"
    network = read_exactly(save(FORMS[form], x=x, **EXTRA))
    reference = read_exactly(save(FORMS["scale and bias"]))
    assert kinds(network) == [Dense, Threshold, Dense]
    assert list(network.parameters) == list(reference.parameters)
    for name, parameter in network.parameters.items():
        assert np.array_equal(parameter.values, reference.parameters[name].values)
        assert parameter.encoding == reference.parameters[name].encoding


@pytest.mark.parametrize("opset, ir", [(9, 4), (11, 6), (13, 7), (17, 8), (20, 10), (23, 12)])
def test_old_and_new_versions_of_onnx_are_read(save, opset, ir):
    read_exactly(save(FORMS["quantizers of weights"], opset=opset, ir=ir))


def test_initializers_may_be_listed_as_inputs(save):
    path = save(FORMS["scale and bias"])
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(value)
    onnx.save(model, path)
    read_exactly(path)


@pytest.mark.parametrize("batch", ["N", "16"])
def test_the_batch_may_be_open_or_fixed(save, batch):
    path = save(FORMS["scale and bias"], x=f"float[{batch}, 4] x", y=f"float[{batch}, 3] y")
    assert read_exactly(path).sample_shape == (4,)


def test_thresholds_of_a_falling_channel_negate_its_weights(save):
    network = read_exactly(save(FORMS["scale and bias"]))
    signs = np.sign(GAMMA)[:, None]
    assert np.array_equal(network.parameters["dense0.weight"].values, signs * W1 * 8)


def test_a_row_without_weights_may_stand_in_front_of_a_falling_channel(save):
    pruned = W1 * [[1], [0], [1], [0], [0]]
    network = read_exactly(save(FORMS["scale and bias"], w1t=pruned.T))
    assert not network.parameters["dense0.weight"].values[[1, 3, 4]].any()


def test_a_channel_multiplied_by_zero_is_constant(save):
    network = read_exactly(save(FORMS["scale and bias"], gamma=GAMMA * [1, 0, 1, 1, 0], beta=BETA))
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
    assert network.tensors["dense0.activations"].encoding.name == encoding


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
    assert [n.weight for n in network.nodes if isinstance(n, Dense)] == ["dense0.weight"] * 3
    assert network.weight_bits == 16 * 3


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
    assert network.tensors[network.output].encoding.name == "INT3"
    assert steps(network.head) == ["Mul"]


@pytest.mark.parametrize(
    "edge, expected",
    [
        ("a = Quant<signed = 1, narrow = 0>(x, half, zero, four)", ["Quant"]),
        ("a = Quant<signed = 0, narrow = 0>(x, half, three, four)", ["Quant"]),
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
    assert network.tensors["input"].encoding.name == "UINT8"
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
    assert network.tensors["input"].encoding.name == "UINT8"


@pytest.mark.parametrize("domain", ["finn.custom_op.general", "onnx.brevitas", "finn"])
def test_the_domains_of_older_exporters_are_read(save, domain):
    path = save(FORMS["quantizers of weights"])
    model = onnx.load(path)
    for node in model.graph.node:
        if node.domain:
            node.domain = domain
    del model.opset_import[1]
    onnx.save(model, path)
    read_exactly(path)


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
    names = [node.name for node in network.nodes if isinstance(node, Dense)]
    assert names == ["hidden.0.linear", "hidden.1", "last"]


def test_a_file_may_say_what_it_is_and_name_its_classes(save):
    path = save(FORMS["scale and bias"])
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
    read_qonnx(save(FORMS["scale and bias"]), progress=told.append)
    assert told[0].startswith("reading network")
    assert any("FINN: FactorOutMulSignMagnitude" in step for step in told)
    assert told[-1] == "checking dense1 against the source"
