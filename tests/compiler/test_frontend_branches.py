"""Networks that branch, through the front end: what the file computes, on every device."""

import logging

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.export import export_qonnx
from brevitas.quant import Int8WeightPerTensorFloat, Uint8ActPerTensorFloat
from support.qonnx_graphs import LAYER_1, U4, U8_INPUT, kinds, read_exactly, writer
from torch import nn

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.compile.folding import for_cycles
from bitfold.build.compile.lowering import lower
from bitfold.build.frontend import (
    random_samples,
    read_qonnx,
    source_scores,
    verify_against_source,
)
from bitfold.models.datasets import InputFormat
from bitfold.models.errors import FrontendError
from bitfold.models.layers import Dense, Input, Scores, fold_batch_norms
from bitfold.models.ops import Add, Concatenate
from bitfold.models.quantization import quantization
from bitfold.overlays.offload import Engine
from bitfold.runtime.functional import FunctionalDevice
from bitfold.runtime.verilated import VerilatedDevice

FEATURES, SIZE, CLASSES = 6, 12, 3
ENGINE = Engine(8, 64, 256, 16, 8)


class Branches(nn.Module):
    """A layer, two branches behind it that `join`, and the scores."""

    def __init__(self, bits, inside, join):
        super().__init__()
        self.input = Input(bits, InputFormat(FEATURES, 8, 1 / 32))
        self.stem = Dense(bits, FEATURES, SIZE)
        self.left = nn.Sequential(Dense(bits, SIZE, SIZE), Dense(bits, SIZE, inside))
        self.right = nn.Identity() if inside == SIZE else Dense(bits, SIZE, SIZE)
        self.join = join
        joined = SIZE if join is torch.add else SIZE + inside
        self.behind = Dense(bits, joined, SIZE)
        self.scores = Scores(bits, SIZE, CLASSES)

    def forward(self, x):
        x = self.stem(self.input(x))
        return self.scores(self.behind(self.join(self.left(x), self.right(x))))


def concatenated(left, right):
    return torch.cat([left, right], dim=1)


def exported(module, path, features=FEATURES):
    """What Brevitas writes for the module with random BatchNorms, of which half the channels fall;
    and the module, ready to be compared with."""
    torch.manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
            nn.init.normal_(layer.running_mean, std=2.0)
            nn.init.uniform_(layer.running_var, 0.5, 20.0)
    module = fold_batch_norms(module)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    export_qonnx(module, torch.zeros(1, features), str(path), external_data=False)
    return path, module


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return make_engine(ENGINE, tmp_path_factory.mktemp("engine") / "offload.bundle")


def run(device, network, x):
    try:
        device.load(network)
        return device.run(x)[0]
    finally:
        device.close()


@pytest.mark.parametrize("name", ["W1A2", "W2A2", "W4A4"])
@pytest.mark.parametrize("join", [torch.add, concatenated], ids=["residual", "concat"])
def test_what_brevitas_branches_is_exact_on_every_device(tmp_path, engine, cache, name, join):
    torch.manual_seed(0)
    module = Branches(quantization(name), SIZE if join is torch.add else 8, join)
    path, module = exported(module, tmp_path / "network.onnx")
    network = read_qonnx(path)
    x = random_samples(network, 200)
    comparison = verify_against_source(network, path, x)
    assert comparison.exact, comparison
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    assert np.array_equal(source_scores(path, x), expected)
    integers = network.quantize(x)
    outputs = network(integers)
    assert np.array_equal(network.scores(outputs), expected)
    assert {Add if join is torch.add else Concatenate} < set(kinds(network))
    dataflow = compile_dataflow(network, for_cycles(network, 64), tmp_path / "dataflow.bundle")
    assert np.array_equal(dataflow.design(integers), outputs)
    for bundle in (dataflow, engine):
        assert np.array_equal(run(FunctionalDevice(bundle, cache), network, integers), outputs)
    if (name, join) == ("W2A2", torch.add):
        for bundle in (dataflow, engine):
            device = VerilatedDevice(bundle, cache=cache)
            assert np.array_equal(run(device, network, integers[:5]), outputs[:5])


class Skip(nn.Module):
    """A residual layer with learnt scales, as Brevitas has it: one quantizer for both branches."""

    def __init__(self):
        super().__init__()
        weights = {"weight_quant": Int8WeightPerTensorFloat, "weight_bit_width": 4}
        signed = {"bit_width": 4, "return_quant_tensor": True}
        self.input = qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat, return_quant_tensor=True)
        self.fc0 = qnn.QuantLinear(FEATURES, SIZE, bias=False, **weights)
        self.relu = qnn.QuantReLU(**signed)
        self.fc1 = qnn.QuantLinear(SIZE, SIZE, bias=False, **weights)
        self.add = qnn.QuantEltwiseAdd(bit_width=4, return_quant_tensor=True)
        self.scores = qnn.QuantLinear(SIZE, CLASSES, bias=False, **weights)

    def forward(self, x):
        x = self.relu(self.fc0(self.input(x)))
        return self.scores(self.add(x, self.fc1(x)))


def test_a_residual_layer_with_learnt_scales_is_the_files_but_for_its_rounding(tmp_path):
    torch.manual_seed(0)
    module = Skip()
    module(torch.rand(200, FEATURES) * 4)  # from which Brevitas takes its scales
    path, _ = exported(module, tmp_path / "network.onnx")
    network = read_qonnx(path)
    comparison = verify_against_source(network, path, random_samples(network, 1000))
    assert comparison.faithful
    (add,) = [node for node in network.nodes if isinstance(node.op, Add)]
    assert add.name == "add"
    # The first quantizer is one value; the one that both branches share comes behind it.
    assert len(network.readers("fc0.activations")) == 2


RANDOM = np.random.default_rng(5)
CONSTANTS = {
    "three": 3,
    "v1t": RANDOM.integers(-7, 8, (4, 5)) / 8,
    "square": RANDOM.integers(-7, 8, (5, 5)) / 8,
    "w310": RANDOM.integers(-7, 8, (10, 3)) / 8,
    "w315": RANDOM.integers(-7, 8, (15, 3)) / 8,
    "w44": RANDOM.integers(-7, 8, (4, 4)) / 8,
    "w43": RANDOM.integers(-7, 8, (4, 3)) / 8,
    "shape": np.array([1, 5, 1]),
    "beta2": np.array([1.5, 0.25, -2, 0, 3]),
    "zero_point": np.uint8(0),
    "nothing": np.zeros((1, 5)),
    "w1six": RANDOM.integers(-7, 8, (4, 6)) / 8,
}
U4B = U4.format
BRANCH = f"{LAYER_1} f = MatMul(e, square) g = {U4B('f')}"
"""e and g: integers of one scale, of 4 bits."""
BACK = "y = MatMul(j, w2t)"


@pytest.fixture
def save(tmp_path):
    write = writer(tmp_path)
    return lambda body, **given: write(body, names=True, **{**CONSTANTS, **given})


FORMS = {
    "a residual layer": (f"{BRANCH} j = Add(g, e) {BACK}", [Add]),
    "three in a row": (
        f"{BRANCH} h = Add(g, e) i = {U4B('h')} k = MatMul(i, square) l = {U4B('k')} "
        f"j = Add(i, l) m = {U4B('j')} n = Concat<axis=-1>(m, i) y = MatMul(n, w310)",
        [Add, Add, Concatenate],
    ),
    "x + x": (f"{LAYER_1} j = Add(e, e) {BACK}", [Add]),
    "two layers that read the input": (
        f"{U8_INPUT} b = MatMul(a, w1t) c = {U4B('b')} d = MatMul(a, v1t) e = {U4B('d')} "
        f"j = Add(c, e) {BACK}",
        [Add],
    ),
    "the input itself as a branch": (
        f"{U8_INPUT} x4 = MatMul(a, w44) b = {U4B('x4').replace('quarter', 'one')} "
        "j = Add(a, b) k = Quant<signed = 0, narrow = 0>(j, two, zero, four) y = MatMul(k, w43)",
        [Add],
    ),
    "three branches one behind the other": (
        f"{BRANCH} j = Concat<axis=1>(e, g, e) y = MatMul(j, w315)",
        [Concatenate],
    ),
    "sums that two quantizers read": (
        f"{U8_INPUT} b = MatMul(a, w1t) c = {U4B('b')} d = Add(b, beta2) e = {U4B('d')} "
        f"j = Add(c, e) {BACK}",
        [Add],
    ),
    "a sum of sums": (
        f"{U8_INPUT} b = MatMul(a, w1t) c = MatMul(a, v1t) j = Add(b, c) d = {U4B('j')} "
        "y = MatMul(d, w2t)",
        [Add],
    ),
    "a zero point and a bias in a branch": (
        f"{U8_INPUT} b = MatMul(a, w1t) c = Quant<signed = 0, narrow = 0>(b, quarter, three, four) "
        f"d = Add(c, beta2) e = MatMul(c, square) f = {U4B('e')} j = Add(d, f) {BACK}",
        [Add],
    ),
    "branches of other scales, in front of thresholds": (
        f"{LAYER_1} f = MatMul(e, square) g = Quant<signed = 1, narrow = 0>(f, half, zero, three) "
        f"h = Concat<axis=1>(e, g) i = {U4B('h')} y = MatMul(i, w310)",
        [Concatenate],
    ),
    "other shapes on the way": (
        f"{BRANCH} h = Reshape(g, shape) i = Reshape(e, shape) k = Add(h, i) j = Flatten(k) {BACK}",
        [Add],
    ),
    "QuantizeLinear that two DequantizeLinear read": (
        f"{U8_INPUT} b = MatMul(a, w1t) c = QuantizeLinear(b, half, zero_point) "
        "d = DequantizeLinear(c, half, zero_point) e = DequantizeLinear(c, half, zero_point) "
        "f = MatMul(d, square) g = QuantizeLinear(f, half, zero_point) "
        f"h = DequantizeLinear(g, half, zero_point) j = Add(h, e) k = {U4B('j')} "
        "y = MatMul(k, w2t)",
        [Add],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_whatever_branches_is_read_exactly_and_runs_on_both_overlays(save, engine, cache, form):
    body, joins = FORMS[form]
    network = read_exactly(save(body))
    assert [kind for kind in kinds(network) if kind in (Add, Concatenate)] == joins
    x = network.quantize(random_samples(network, 20))
    assert np.array_equal(lower(network, for_cycles(network, 64))(x), network(x))
    assert np.array_equal(run(FunctionalDevice(engine, cache), network, x), network(x))


@pytest.mark.parametrize("last", ["y = Add(g, e)", "h = Add(g, e) y = Mul(h, gamma)"])
def test_a_join_may_be_the_last_layer(save, engine, cache, last):
    network = read_exactly(save(f"{BRANCH} {last}", y="float[1, 5] y"))
    assert isinstance(network.last.op, Add)
    x = network.quantize(random_samples(network, 20))
    assert np.array_equal(lower(network, for_cycles(network, 64))(x), network(x))
    assert np.array_equal(run(FunctionalDevice(engine, cache), network, x), network(x))


def test_two_equal_quantizers_of_the_input_are_one(save):
    network = read_exactly(
        save(
            f"{U8_INPUT} b = MatMul(a, w1t) c = {U4B('b')} "
            "d = Quant<signed = 0, narrow = 0>(x, one, zero, eight) "
            f"e = MatMul(d, v1t) f = {U4B('e')} j = Add(c, f) {BACK}"
        )
    )
    assert len(network.readers("input")) == 2


def refusal(path):
    with pytest.raises(FrontendError) as caught:
        read_qonnx(path)
    assert "not foreseen" not in str(caught.value), caught.value.__cause__
    return str(caught.value)


HALF = "Quant<signed = 0, narrow = 0>(f, half, zero, four)"
OTHER = f"{LAYER_1} f = MatMul(e, square) g = {HALF}"
FALLING = np.array([1, -1, 2, 1, 1]) / 4
REFUSED = {
    "Add of other scales": (
        f"{OTHER} j = Add(e, g) {BACK}",
        "Add_7 (Add): its branches have different scales (0.25 and 0.5), so that their integers "
        "can't be added; quantize both branches with one scale: share the quantizer (Brevitas: "
        "return_quant_tensor with a shared QuantIdentity, or qnn.QuantEltwiseAdd)",
    ),
    "Concat of other scales in front of weights": (
        f"{OTHER} j = Concat<axis=1>(e, g) y = MatMul(j, w310)",
        "MatMul_8 (MatMul): its input has a scale for each feature, which integer sums can't have; "
        "quantize activations with one scale for the tensor, and branches that meet with one "
        "quantizer",
    ),
    "Mul": (
        f"{BRANCH} j = Mul(e, g) {BACK}",
        "Mul_7 (Mul): branches can be joined by Add and Concat only",
    ),
    "Sub": (
        f"{BRANCH} j = Sub(e, g) {BACK}",
        "Sub_7 (Sub): branches can be joined by Add and Concat only",
    ),
    "a branch of wide sums in front of weights": (
        f"{LAYER_1} f = MatMul(e, square) h = Mul(f, eight) j = Add(h, e) {BACK}",
        "MatMul_8 (MatMul): its input is not quantized; put a quantizer of 1 to 8 bits",
    ),
    "a Relu in front of a join": (
        f"{BRANCH} h = Relu(g) j = Add(h, e) {BACK}",
        "Relu_7 (Relu): it stands between a quantizer and the next layer",
    ),
    "an input that is not quantized": (
        f"b = Add(x, x) a = {U4.format('b')} y = MatMul(a, w43)",
        "Add_0 (Add): the input reaches it without being quantized",
    ),
    "an input with two quantizers": (
        f"{U8_INPUT} b = MatMul(a, w1t) c = {U4B('b')} d = {U4B('x')} e = MatMul(d, v1t) "
        f"f = {U4B('e')} j = Add(c, f) {BACK}",
        "Quant_3 (Quant): the input is quantized by another node too; share one quantizer",
    ),
    "a constant in a Concat": (
        f"{BRANCH} j = Concat<axis=1>(g, nothing) y = MatMul(j, w310)",
        "Concat_7 (Concat): it joins constants to activations; leave them out",
    ),
    "a Concat along the batch": (
        f"{BRANCH} h = Concat<axis=0>(g, e) y = MatMul(h, w2t)",
        "Concat_7 (Concat): it joins samples of shape (5,) along axis 0; join along the first axis",
    ),
    "an Add that broadcasts": (
        f"{BRANCH} h = Reshape(g, column) k = Reshape(e, row) j = Add(h, k) l = Flatten(j) y = "
        "MatMul(l, w2t)",
        "adds (5, 1) and (1, 5); give its branches one shape",
    ),
    "a feature that falls behind a join": (
        f"{BRANCH} h = Add(e, g) i = Mul(h, falling) k = Add(i, three) j = {U4B('k')} {BACK}",
        "Quant_10 (Quant): it falls where the input rises (feature 1); negate the feature",
    ),
    "both outputs of a node": (
        f"{LAYER_1} s, t = TopK(e, five) u = Cast<to=1>(t) j = Add(s, u) {BACK}",
        "TopK_5 (TopK): several of its outputs are used; use one of them",
    ),
    "the class among the scores": (
        f"{LAYER_1} s = ArgMax<axis=1>(e) t = Cast<to=1>(s) y = Add(e, t)",
        "Add_7 (Add): it stands behind the choice of the class",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_joined_in_integers_is_refused_with_the_remedy(save, what):
    body, expected = REFUSED[what]
    constants = {
        "falling": FALLING,
        "five": np.array([5]),
        "column": np.array([1, 5, 1]),
        "row": np.array([1, 1, 5]),
    }
    assert expected in refusal(save(body, **constants))
