"""What the front end refuses: each with the node, the reason and the remedy, and all at once."""

import numpy as np
import onnx
import pytest
from support.qonnx_graphs import U8_INPUT, writer

from bitfold.build.frontend import random_samples, read_qonnx, verify_against_source
from bitfold.models.errors import FrontendError

U4 = "Quant<signed = 0, narrow = 0>({}, one, zero, four)"
GOOD = f"{U8_INPUT} b = MatMul(a, w1) c = {U4.format('b')} y = MatMul(c, w2)"
# A third operation between the first product and its quantizer.
BETWEEN = GOOD.replace("c =", "n = {} c =").replace("(b, one", "(n, one").format
RANDOM = np.random.default_rng(3)
CONSTANTS = {
    "nine": 9,
    "w1": RANDOM.integers(-7, 8, (4, 5)).astype(np.float32),
    "w2": RANDOM.integers(-7, 8, (5, 3)).astype(np.float32),
    "float1": RANDOM.normal(size=(4, 5)),
    "float2": RANDOM.normal(size=(5, 3)),
    "vector": np.arange(1, 6) / 4,
}


@pytest.fixture
def save(tmp_path):
    write = writer(tmp_path)
    return lambda body, **given: write(body, names=True, **{**CONSTANTS, **given})


def refusal(path, **options):
    with pytest.raises(FrontendError) as caught:
        read_qonnx(path, **options)
    assert "not foreseen" not in str(caught.value), caught.value.__cause__
    return str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    assert "nowhere.onnx: there is no such file" in refusal(tmp_path / "nowhere.onnx")


@pytest.mark.parametrize("content", [b"", b"no protocol buffer at all", bytes(range(256)) * 9])
def test_a_file_that_is_no_onnx_is_refused(tmp_path, content):
    path = tmp_path / "network.onnx"
    path.write_bytes(content)
    assert "another format" in refusal(path)


def test_a_truncated_file_is_refused_wherever_it_ends(save):
    path = save(GOOD)
    content = path.read_bytes()
    for length in range(0, len(content) - 1, 7):
        path.write_bytes(content[:length])
        refusal(path)


def test_lost_external_data_is_named(save):
    path = save(GOOD)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (path.parent / "weights.bin").unlink()
    assert "weights.bin" in refusal(path)


def test_all_nodes_that_cannot_be_lowered_are_listed(save):
    body = f"""
        {U8_INPUT}
        r = Reshape(a, image)
        c = ConvTranspose<kernel_shape = [1, 1]>(r, kernel)
        m = LRN<size = 1>(c)
        f = Flatten(m)
        b = MatMul(f, float1)
        s = Sin(b)
        t = Mul(s, b)
        q = {U4.format("t")}
        y = MatMul(q, float2)
    """
    message = refusal(
        save(body, image=np.array([1, 1, 2, 2]), kernel=np.ones((1, 1, 1, 1), np.float32))
    )
    assert "5 nodes can't be lowered" in message
    for line in (
        "ConvTranspose_2 (ConvTranspose): transposed convolutions are not supported; use plain",
        "LRN_3 (LRN): the operator has no counterpart in integer layers; leave it out",
        "MatMul_5 (MatMul): its weights are not quantized",
        "Sin_6 (Sin): the operator has no counterpart in integer layers; leave it out",
        "Mul_7 (Mul): branches can be joined by Add and Concat only; use one of them",
    ):
        assert line in message, message


@pytest.mark.parametrize(
    "body, expected",
    [
        ("b = MatMul(x, w1) c = Relu(b) y = MatMul(c, w2)", "MatMul_0 (MatMul): the input reaches"),
        ("b = MatMul(x, w1) c = Relu(b) y = MatMul(c, w2)", "MatMul_2 (MatMul): its input is not"),
        (BETWEEN("Sqrt(b)"), "Sqrt_2 (Sqrt): the operator has no counterpart"),
        (BETWEEN("MyOp(b)"), "MyOp_2 (MyOp): the operator has no"),
        (BETWEEN("Sign(b)"), "quantize with BipolarQuant"),
        (BETWEEN("Mul(b, b)"), "Mul_2 (Mul): branches can be joined by"),
        (
            GOOD.replace("y =", "n = Relu(c) y =").replace("(c, w", "(n, w"),
            "put the quantizer behi",
        ),
        (GOOD.replace("four)", "nine)"), "Quant_2 (Quant): it gives integers of 9 bits"),
        (GOOD.replace("eight)", "nine)"), "Quant_0 (Quant): it gives integers of 9 bits"),
        (
            GOOD.replace("(b, one", "(b, vector"),
            "MatMul_3 (MatMul): its input has a scale for each",
        ),
        (GOOD.replace("(b, one", "(b, zero"), "Quant_2 (Quant): its scale is not positive"),
        (GOOD.replace("(c, w2", "(column, c"), "MatMul_3 (MatMul): its weights stand on the left"),
        (BETWEEN("Softmax(b)"), "only the host"),
        (
            GOOD.replace("y =", "s =") + "y = Softsign(s)",
            "Softsign_4 (Softsign): the host can't do it",
        ),
        (GOOD.replace("y =", "s =") + "t = ArgMax<axis=1>(s) y = Cast<to=1>(t) ", None),
        (GOOD.replace("y =", "s =") + "t = ArgMax<axis=0>(s) y = Cast<to=1>(t) ", "ArgMax_4"),
        (
            GOOD.replace("y =", "s =") + "t = ArgMax<axis=1>(s) u = Cast<to=1>(t) y = Mul(u, two)",
            "Mul_6 (Mul): it stands behind the choice of the class",
        ),
        (
            GOOD.replace("b = MatMul(a", "n = Transpose(a) m = Transpose(n) b = MatMul(m"),
            "Transpose_1 (Transpose): it makes (4, 1) of (1, 4), which mixes samples",
        ),
        (
            f"{U8_INPUT} n = Sub(nine, a) c = {U4.format('n')} y = MatMul(c, wide)",
            "Quant_2 (Quant): it falls where the input rises (feature 0)",
        ),
        (
            BETWEEN("LeakyRelu<alpha=-1.0>(b)"),
            "does not rise with its input",
        ),
        ("y = Quant<signed = 0, narrow = 0>(x, one, zero, four)", "there is no layer"),
    ],
)
def test_each_refusal_names_the_node_and_the_reason(save, body, expected):
    path = save(
        body,
        column=np.ones((3, 1), np.float32),
        wide=np.ones((4, 3), np.float32),
        larger=np.ones((2, 5), np.float32),
    )
    if expected is None:
        read_qonnx(path)
    else:
        assert expected in refusal(path)


def test_weights_beyond_8_bits_are_refused(save):
    path = save(
        f"{U8_INPUT} w = Quant<signed = 1, narrow = 0>(wide, one, zero, nine) y = MatMul(a, w)",
        wide=np.array([[200.0], [-3], [-200], [1]], np.float32),
    )
    assert "its weights need 9 bits; quantize weights to at most 8 bits" in refusal(path)


def test_a_weight_that_a_negative_scale_takes_beyond_8_bits_is_refused(save):
    path = save(
        f"{U8_INPUT} b = MatMul(a, wide) c = Mul(b, sign) d = {U4.format('c')} y = MatMul(d, w)",
        wide=np.array([[-128.0, 1], [3, 2], [5, 7], [1, 127]], np.float32),
        sign=np.array([-1.0, 1], np.float32),
        w=np.ones((2, 3), np.float32),
    )
    assert "needs 9 bits; quantize the weights in the narrow range" in refusal(path)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"input_scale": 0.5}, "give input_encoding too"),
        ({"input_encoding": "FLOAT32"}, "'FLOAT32' is not an integer"),
        ({"input_encoding": "UINT9"}, "UINT9 has 9 bits; use at most 8 bits"),
        ({"input_encoding": "UINT8", "input_scale": -1.0}, "not a positive number"),
        ({"input_encoding": "UINT8", "input_scale": float("nan")}, "not a positive number"),
    ],
)
def test_an_input_that_makes_no_sense_is_refused(save, options, expected):
    assert expected in refusal(save(GOOD), **options)


@pytest.mark.parametrize(
    "x, y, expected",
    [
        ("float[1, 4] x, float[1, 4] z", "float[1, 3] y", "the graph has 2 inputs (x, z)"),
        ("float[1, 4] x", "float[1, 3] y, float[1, 5] c", "the graph has 2 outputs (y, c)"),
        ("float[N, M] x", "float[N, 3] y", "shape ['N', 'M']"),
        ("float[4] x", "float[3] y", "shape [4]"),
        ("double[1, 4] x", "float[1, 3] y", "type float64"),
    ],
)
def test_graphs_of_another_shape_are_refused(save, x, y, expected):
    assert expected in refusal(save(GOOD, x=x, y=y))


def test_a_graph_that_is_not_sorted_is_refused(save):
    path = save(GOOD)
    model = onnx.load(path)
    first = model.graph.node.pop(0)
    model.graph.node.append(first)
    onnx.save(model, path)
    assert "nothing before it makes its input a" in refusal(path)


def test_nothing_reaches_the_terminal(save, capfd):
    path = save(GOOD)
    network = read_qonnx(path)
    verify_against_source(network, path, random_samples(network, 10))
    refusal(save(BETWEEN("MyOp(b)")))
    assert capfd.readouterr() == ("", "")


def test_a_network_that_differs_from_its_file_is_found(save):
    path = save(GOOD)
    network = read_qonnx(path)
    x = random_samples(network, 50)
    assert verify_against_source(network, path, x).exact
    before = network.trace(network.quantize(x))["dense0.activations"]
    network.parameters["dense0.thresholds"].values[:] += 20
    after = network.trace(network.quantize(x))["dense0.activations"]
    comparison = verify_against_source(network, path, x)
    assert comparison.layer == "dense0.threshold"
    assert np.array_equal(comparison.mismatches, np.flatnonzero((before != after).any(axis=1)))
    assert len(comparison.mismatches)


def test_what_the_source_rounds_away_is_told_from_what_is_wrong(save):
    body = """
        a = Quant<signed = 0, narrow = 0>(x, tenth, zero, four)
        b = MatMul(a, ones)
        c = Sub(b, limit)
        y = BipolarQuant(c, one)
    """
    path = save(
        body,
        x="float[1, 3] x",
        y="float[1, 1] y",
        tenth=np.float32(0.1),
        ones=np.ones((3, 1), np.float32),
        limit=np.float32(18 * np.float64(np.float32(0.1))),
    )
    network = read_qonnx(path)
    x = np.float32(0.1) * np.indices((16, 16, 16)).reshape(3, -1).T.astype(np.float32)
    comparison = verify_against_source(network, path, x)
    # Three multiples of 0.1 that make 1.8 do so in float32 in one order, and just not in another.
    sums = network.trace(network.quantize(x))["dense0.sums"][:, 0]
    assert 0 < len(comparison.mismatches) < (sums == 18).sum()
    assert (sums[comparison.mismatches] == 18).all()
    assert comparison.faithful and not comparison.exact
    network.parameters["dense0.thresholds"].values[:] += 1
    assert not verify_against_source(network, path, x).faithful
