"""The front end on the many forms in which exporters write one and the same network."""

import numpy as np
import onnx
import pytest
from support.qonnx_graphs import BETA, GAMMA, LAYER_1, U4, U8_INPUT, W1, kinds, read_exactly, writer

from bitfold.models.ops import Dense, Threshold

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
    "variance": np.full(5, 1 - 2**-16),  # 1 with the epsilon
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


@pytest.fixture
def save(tmp_path):
    return writer(tmp_path)


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
