"""Convolutional networks through the front end: the integers of the file, and of Brevitas."""

import dataclasses
import re

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from support.brevitas_networks import RandomConvolutions, export
from support.qonnx_graphs import kinds, read_exactly, steps, writer
from torch import nn

from bitfold.build.frontend import (
    random_samples,
    read_qonnx,
    source_scores,
    trace_model,
    verify_against_source,
)
from bitfold.models.convolutions import (
    Convolution,
    ConvolutionalNetwork,
    Residual,
    Separable,
    average,
)
from bitfold.models.datasets import InputFormat
from bitfold.models.errors import FrontendError
from bitfold.models.layers import fold_batch_norms
from bitfold.models.ops import (
    Add,
    Conv2d,
    Dense,
    Flatten,
    MaxPool,
    SumPool,
    Threshold,
)
from bitfold.models.quantization import quantization
from bitfold.models.tracing import layer_outputs

IMAGE = InputFormat(features=3 * 8 * 8, bits=8, scale=1 / 32, image=(3, 8, 8))


def same_everywhere(module, path, rows=50):
    """The network, of which every integer is that of the file and of torch."""
    network = read_qonnx(path)
    x = random_samples(network, rows)
    comparison = verify_against_source(network, path, x)
    assert comparison.exact, comparison
    layers, scores = layer_outputs(module, x)
    assert np.array_equal(source_scores(path, x), scores)
    integers = network.quantize(x)
    trace = network.trace(integers)
    assert np.array_equal(network.scores(trace[network.output]), scores)
    shown = trace_model(network, path, x, [output.values for output in layers[1:]], scores)
    assert sum("sums" in name or "activations" in name for name in shown.tensors) >= 2
    for name, expected in shown.tensors.items():
        assert np.array_equal(trace[name], expected), name
    return network


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.integers(0, 2**32 - 1))
def test_random_networks_of_brevitas_are_read_exactly(tmp_path, seed):
    module = RandomConvolutions(np.random.default_rng(seed))
    same_everywhere(module, export(module, tmp_path / "network.onnx", module.shape), rows=20)


def residual(bits):
    maps = nn.Sequential(
        Convolution(bits, 3, 4, padding=1),
        Residual(bits, 4, 4, 1),
        Residual(bits, 4, 6, 2),
        Residual(bits, 6, 8, 2),
        average(bits, 2),
    )
    return ConvolutionalNetwork(bits, IMAGE, maps, 8, 4)


def separable(bits):
    maps = nn.Sequential(
        Convolution(bits, 3, 4, stride=2, padding=1),
        Separable(bits, 4, 6, 1),
        Separable(bits, 6, 8, 2),
        average(bits, 2),
    )
    return ConvolutionalNetwork(bits, IMAGE, maps, 8, 4)


@pytest.mark.parametrize(
    "build, name, op, count",
    [
        (residual, "W2A2", Add, 3),
        (residual, "W1A2", Add, 3),
        (separable, "W4A4", SumPool, 1),
    ],
)
def test_small_cousins_of_published_networks_are_read_exactly(tmp_path, build, name, op, count):
    torch.manual_seed(3)
    module = build(quantization(name))
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
            nn.init.normal_(layer.running_mean, std=2.0)
            nn.init.uniform_(layer.running_var, 0.5, 20.0)
    path = export(fold_batch_norms(module), tmp_path / "network.onnx", (IMAGE.features,))
    network = same_everywhere(module, path)
    assert kinds(network).count(op) == count
    assert network.input_value.shape == (8, 8, 3) and network.sample_shape == (192,)
    names = [node.name for node in network.nodes if isinstance(node.op, Conv2d)]
    assert "maps.0.conv" in names


class Learnt(nn.Module):
    """What a tutorial writes: learnt scales, one a channel, a bias, a truncating average."""

    def __init__(self):
        super().__init__()
        self.input = qnn.QuantIdentity(bit_width=8, signed=False, return_quant_tensor=True)
        few = {"weight_bit_width": 4, "weight_scaling_per_output_channel": True}
        self.conv = qnn.QuantConv2d(3, 6, 3, stride=2, padding=1, **few)
        self.norm = nn.BatchNorm2d(6)
        self.relu = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.depthwise = qnn.QuantConv2d(6, 6, 3, padding=1, groups=6, bias=False, **few)
        self.signed = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.average = qnn.TruncAvgPool2d(2, bit_width=4)
        self.scores = qnn.QuantLinear(24, 5, weight_bit_width=4, bias=True)

    def forward(self, x):
        x = self.relu(self.norm(self.conv(self.input(x))))
        x = self.average(self.signed(self.depthwise(x)))
        return self.scores(x.flatten(1))


def test_learnt_scales_and_a_truncated_average_are_the_files_but_for_its_rounding(tmp_path):
    torch.manual_seed(0)
    module = Learnt()
    module(torch.randn(50, 3, 8, 8))  # from which Brevitas takes its scales
    path = export(module, tmp_path / "network.onnx", (3, 8, 8))
    network = read_qonnx(path)
    assert verify_against_source(network, path, random_samples(network, 300)).faithful
    assert network.sample_shape == (3, 8, 8) and network.input_value.shape == (8, 8, 3)
    assert steps(network.quantizer)[-1] == "Permute"
    (average,) = [node for node in network.nodes if isinstance(node.op, SumPool)]
    assert average.name == "average"
    assert network.nodes[network.nodes.index(average) + 1].kind == "Threshold"
    depthwise = next(node for node in network.nodes if node.name == "depthwise")
    assert depthwise.op.groups == 6
    assert network.parameter(depthwise, "weights").values.shape == (6, 3, 3, 1)


class Images(CalibrationDataReader):
    def __init__(self, x):
        self.rows = iter([{"x": row[None]} for row in x])

    def get_next(self):
        return next(self.rows, None)


@pytest.mark.parametrize("per_channel", [False, True])
def test_what_onnxruntime_quantizes_is_read_with_its_zero_points(tmp_path, per_channel):
    torch.manual_seed(1)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, padding=(0, 1), groups=2),
        nn.LeakyReLU(0.1),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    ).eval()
    plain, path = tmp_path / "float.onnx", tmp_path / "network.onnx"
    inputs = torch.randn(20, 3, 8, 8)
    torch.onnx.export(
        module, inputs[:1], str(plain), dynamo=False, input_names=["x"], opset_version=17
    )
    quantize_static(
        str(plain),
        str(path),
        Images(inputs.numpy()),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
    )
    network = read_qonnx(path)
    comparison = verify_against_source(network, path, random_samples(network, 200))
    assert comparison.faithful
    assert {Conv2d, MaxPool, SumPool, Flatten, Dense, Threshold} == set(kinds(network))
    fills = [node.op.fill for node in network.nodes if isinstance(node.op, Conv2d)]
    assert len(set(fills)) == 2 and 0 not in fills  # the zero points


# Graphs by hand: a 2-channel map of 4x5, 4 bits each worth 1/4, then weights of 3 bits.

RANDOM = np.random.default_rng(3)
KERNEL = RANDOM.integers(-3, 4, (3, 2, 3, 3)) / 8
FALLS = np.array([1.0, -0.5, 2.0]).reshape(3, 1, 1)
SHIFTS = np.array([0.5, -1.0, 0.25]).reshape(3, 1, 1)
MAPS = {
    "kernel": KERNEL,
    "falls": FALLS,
    "shifts": SHIFTS,
    "flips": -FALLS,
    "one_by_one": RANDOM.integers(-3, 4, (4, 3, 1, 1)) / 8,
    "depthwise": RANDOM.integers(-3, 4, (3, 1, 2, 2)) / 8,
    "bias": np.array([0.5, -1.0, 0.125]),
    "dense": RANDOM.integers(-3, 4, (3, 6)) / 8,
    "around": np.array([0, 0, 1, 0, 0, 0, 0, 2]),
    "six": RANDOM.integers(-3, 4, (6, 2)) / 8,
    "wide": RANDOM.integers(-3, 4, (18, 2)) / 8,
}
INPUT = "a = Quant<signed = 0, narrow = 0>(x, quarter, zero, four)"
CONV = "b = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(a, kernel, bias)"
U2 = "Quant<signed = 0, narrow = 0>({}, half, zero, two)"
TAIL = "f = Flatten({}) y = MatMul(f, wide)"


@pytest.fixture
def save(tmp_path):
    write = writer(tmp_path)

    def maps(body, x="float[1, 2, 4, 5] x", y="float[1, n] y", **constants):
        return write(body, x, y, names=True, **{**MAPS, **constants})

    return maps


def graph(*lines):
    return " ".join((INPUT, *lines))


READ = {
    "unequal padding": (
        "b = Conv<pads = [2, 0, 1, 1], strides = [2, 2]>(a, kernel)",
        f"c = {U2.format('b')}",
        TAIL.format("c"),
    ),
    "same padding": (
        'b = Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>(a, kernel)',
        f"c = {U2.format('b')}",
        TAIL.format("c"),
    ),
    "dilation": (
        "b = Conv<pads = [1, 1, 1, 1], dilations = [2, 1]>(a, kernel)",
        f"c = {U2.format('b')}",
        "m = GlobalMaxPool(c) f = Flatten(m) y = MatMul(f, dense)",
    ),
    "a constant a channel": (
        CONV,
        "m = Mul(b, falls) s = Add(m, shifts)",
        f"c = {U2.format('s')}",
        TAIL.format("c"),
    ),
    "a smallest": (
        CONV,
        "p = MaxPool<kernel_shape = [2, 2], strides = [1, 1], pads = [0, 0, 1, 1]>(b)",
        "m = Mul(p, falls) s = Add(m, shifts)",
        f"c = {U2.format('s')}",
        TAIL.format("c"),
    ),
    "a largest of what falls": (
        CONV,
        "m = Mul(b, falls)",
        "p = MaxPool<kernel_shape = [2, 2], strides = [1, 1], pads = [1, 0, 0, 1]>(m)",
        "s = Add(p, shifts)",
        f"c = {U2.format('s')}",
        TAIL.format("c"),
    ),
    "what falls behind a sum of branches": (
        CONV,
        "s = Add(b, b) m = Mul(s, falls)",
        f"c = {U2.format('m')}",
        TAIL.format("c"),
    ),
    "a Pad in front of a padded convolution": (
        "p = Pad(a, around) b = Conv<pads = [1, 1, 0, 0], strides = [2, 2]>(p, kernel)",
        f"c = {U2.format('b')}",
        TAIL.format("c"),
    ),
    "a Pad with another value": (
        "p = Pad(a, around, half) b = Conv<strides = [2, 2]>(p, kernel)",
        f"c = {U2.format('b')}",
        TAIL.format("c"),
    ),
    "a Pad in front of a largest": (
        CONV,
        f"c = {U2.format('b')}",
        "p = Pad(c, around) m = MaxPool<kernel_shape = [2, 3], strides = [1, 2]>(p)",
        "g = GlobalMaxPool(m) f = Flatten(g) y = MatMul(f, dense)",
    ),
    "a Pad in front of an average": (
        CONV,
        f"c = {U2.format('b')}",
        "p = Pad(c, around) m = AveragePool<kernel_shape = [2, 4], strides = [1, 1]>(p)",
        "g = GlobalMaxPool(m) f = Flatten(g) y = MatMul(f, dense)",
    ),
    "sums that are averaged": (CONV, "y = GlobalAveragePool(b)"),
    "sums of which the largest is taken": (
        CONV,
        "p = MaxPool<kernel_shape = [2, 3]>(b) y = Mul(p, two)",
    ),
    "a mean": (
        CONV,
        f"c = {U2.format('b')}",
        "m = ReduceMean<axes = [2, 3], keepdims = 0>(c) y = MatMul(m, dense)",
    ),
    "an average that counts its padding": (
        CONV,
        f"c = {U2.format('b')}",
        "p = AveragePool<kernel_shape = [2, 2], pads = [1, 1, 0, 0], count_include_pad = 1>(c)",
        TAIL.format("p"),
    ),
    "a largest at a ragged edge": (
        CONV,
        f"c = {U2.format('b')}",
        "p = MaxPool<kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1>(c)",
        "f = Flatten(p) y = MatMul(f, six)",
    ),
    "channels last at the end": (
        CONV,
        f"c = {U2.format('b')}",
        "t = Transpose<perm = [0, 2, 3, 1]>(c)",
        TAIL.format("t"),
    ),
    "a map as output": (CONV, f"y = {U2.format('b')}"),
    "joined channels": (
        CONV,
        f"c = {U2.format('b')}",
        "j = Concat<axis = 1>(c, c) y = GlobalAveragePool(j)",
    ),
    "a map that two branches read": (
        CONV,
        f"c = {U2.format('b')}",
        "d = Conv(c, one_by_one)",
        f"e = {U2.format('d')}",
        "g = Conv(c, one_by_one)",
        "s = Add(e, g) y = GlobalAveragePool(s)",
    ),
}
# The scale of sums and of what is quantized, to be added.
READ["a map that two branches read"] = (
    CONV,
    f"c = {U2.format('b')}",
    "d = Conv(c, one_by_one) g = Conv(c, other) s = Add(d, g)",
    f"y = {U2.format('s')}",
)


@pytest.mark.parametrize("case", READ)
def test_what_stands_around_convolutions_is_read_exactly(save, case):
    other = RANDOM.permuted(MAPS["one_by_one"], axis=0)
    path = save(graph(*READ[case]), other=other)
    network = read_qonnx(path)
    comparison = verify_against_source(network, path, random_samples(network, 300))
    assert comparison.exact, comparison
    if not re.search("GlobalAveragePool|ReduceMean", READ[case][-1]):  # which divide by 6
        assert comparison.score_difference == 0
    assert len(network.output_value.shape) == 1
    # A pooling comes behind the thresholds wherever it can.
    order = [kind for kind in kinds(network) if kind in (MaxPool, Threshold)]
    assert MaxPool not in order[:1] or case in (
        "a smallest",
        "sums of which the largest is taken",
    )


def test_a_smallest_is_the_largest_of_what_is_negated(save):
    network = read_exactly(save(graph(*READ["a smallest"])))
    assert kinds(network) == [Conv2d, MaxPool, Conv2d, Threshold, Flatten, Dense]
    negation = network.nodes[2]
    assert negation.op.groups == 3
    assert network.parameter(negation, "weights").values.ravel().tolist() == [1, -1, 1]


def test_channels_that_come_last_in_a_file_keep_their_places(save):
    body = f"""
        {INPUT}
        t = Transpose<perm = [0, 3, 1, 2]>(a)
        b = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(t, kernel, bias)
        y = {U2.format("b")}
    """
    network = read_exactly(save(body, x="float[1, 4, 5, 2] x"))
    assert network.input_value.shape == (4, 5, 2)
    assert "Permute" not in steps(network.quantizer)
    before = body.replace("Quant<signed = 0, narrow = 0>(x, ", "Transpose<perm = [0, 3, 1, 2]>(x)")
    before = before.replace("quarter, zero, four)", "", 1)
    before = before.replace("t = Transpose<perm = [0, 3, 1, 2]>(a)", INPUT.replace("x,", "a,"))
    before = before.replace("a = Quant", "t = Quant")
    network = read_exactly(save(before, x="float[1, 4, 5, 2] x"))
    assert steps(network.quantizer).count("Permute") == 2


def test_a_map_that_the_reader_makes_of_pixels_is_the_files(save):
    path = save(
        f"s = Reshape(x, image) {CONV.replace('(a,', '(s,')} y = {U2.format('b')}",
        x="float[1, 40] x",
        image=np.array([1, 2, 4, 5]),
    )
    network = read_exactly(path, input_encoding="UINT8", input_scale=1 / 255)
    assert network.input_value.shape == (4, 5, 2)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 40))
    integers = network.quantize(pixels, inputs="pixels")
    moved = pixels.reshape(20, 2, 4, 5).transpose(0, 2, 3, 1)
    assert np.array_equal(integers, moved)
    assert np.array_equal(network.quantize(moved, inputs="integers"), moved)


SIGN = "c = BipolarQuant(b, one)"
REFUSED = {
    "a zero that bits do not have": (
        (CONV, SIGN, "d = Conv<pads = [1, 1, 1, 1]>(c, wide_kernel) y = Flatten(d)"),
        r"Conv_3 \(Conv\): its padding is 0, which is no value of its input: BIPOLAR.*; leave out",
    ),
    "a zero between integers": (
        (
            CONV,
            f"q = {U2.format('b')} c = Add(q, eighth)",
            "d = Conv<pads = [1, 1, 1, 1]>(c, wide_kernel) y = Flatten(d)",
        ),
        r"Conv_4 \(Conv\): its padding is 0, which is no value of its input: UINT2",
    ),
    "a zero that differs by channel": (
        (
            CONV,
            f"q = {U2.format('b')} c = Add(q, shifts)",
            "d = Conv<pads = [1, 1, 1, 1]>(c, wide_kernel) y = Flatten(d)",
        ),
        r"Conv_4 \(Conv\): its padding is 0, for which each of its channels has another integer",
    ),
    "weights that nobody quantized": (
        ("b = Conv(a, floats)", f"y = {U2.format('b')}"),
        r"Conv_1 \(Conv\): its weights are not quantized.*; train it with",
    ),
    "an input that nobody quantized": (
        ("",),
        r"Conv_0 \(Conv\): the input reaches it without being quantized; put a quantizer",
    ),
    "a float layer in front": (
        ("",),
        r"Conv_0 \(Conv\): the host can't do it in front",
    ),
    "sums in front of a convolution": (
        (CONV, "d = Conv(b, one_by_one)", f"y = {U2.format('d')}"),
        r"Conv_2 \(Conv\): its input is not quantized; put a quantizer",
    ),
    "an average of fewer pixels": (
        (
            f"c = {U2.format('a')}",
            "p = AveragePool<kernel_shape = [2, 2], pads = [1, 1, 0, 0]>(c) y = Flatten(p)",
        ),
        r"AveragePool_2 \(AveragePool\): it divides by fewer pixels at the border; leave out",
    ),
    "a largest between two that fall": (
        (
            CONV,
            "m = Mul(b, falls)",
            "p = MaxPool<kernel_shape = [2, 2]>(m)",
            "n = Mul(p, flips)",
            f"y = {U2.format('n')}",
        ),
        r"MaxPool_3 \(MaxPool\): a largest is a smallest where a factor is negative.*behind the qu",
    ),
    "a Pad that is no value of what it pads": (
        ("p = Pad(a, around, eighth) b = Conv(p, kernel)", f"y = {U2.format('b')}"),
        r"Conv_2 \(Conv\): its padding is 0.125, which is no value of its input: UINT4",
    ),
    "a Pad that may be the largest": (
        ("p = Pad(a, around, half) b = MaxPool<kernel_shape = [3, 3]>(p) y = Flatten(b)",),
        r"MaxPool_2 \(MaxPool\): the largest may be its padding of 0.5; pad in the pooling",
    ),
    "a Pad of channels": (
        ("p = Pad(a, channels) b = Conv(p, wide_kernel) y = Flatten(b)",),
        r"Pad_1 \(Pad\): it is no constant around the height and the width of a feature map",
    ),
    "a Pad that mirrors": (
        ('p = Pad<mode = "reflect">(a, around) b = Conv(p, kernel) y = Flatten(b)',),
        r"Pad_1 \(Pad\): it is no constant around the height and the width",
    ),
    "a Pad in front of something else": (
        ("p = Pad(a, around) m = Mul(p, two) b = Conv(m, kernel)", f"y = {U2.format('b')}"),
        r"Mul_2 \(Mul\): it stands behind a Pad; pad right in front of a convolution",
    ),
    "a Pad that is flattened": (
        (CONV, f"c = {U2.format('b')}", "p = Pad(c, around) y = Flatten(p)"),
        r"Flatten_4 \(Flatten\): it stands behind a Pad",
    ),
    "a Pad at the end": (
        (CONV, f"c = {U2.format('b')}", "y = Pad(c, around)"),
        r"Pad_3 \(Pad\): no convolution and no pooling stands behind it; leave it out",
    ),
    "a Pad of more than the kernel sees": (
        ("p = Pad(a, around) b = MaxPool<kernel_shape = [1, 1]>(p) y = Flatten(b)",),
        r"MaxPool_2 \(MaxPool\): a padding of 1 beside its height leaves windows of 1 that see",
    ),
    "a constant a pixel": (
        (CONV, "m = Mul(b, pixels)", f"y = {U2.format('m')}"),
        r"Mul_2 \(Mul\): its constant of shape \(1, 1, 2, 3\) does not fit.*one value a channel",
    ),
    "a mean of rows": (
        ("m = ReduceMean<axes = [2], keepdims = 1>(a) y = Flatten(m)",),
        r"ReduceMean_1 \(ReduceMean\): it averages axes 2; average the height and the width",
    ),
    "rows joined": (
        (CONV, f"c = {U2.format('b')}", "j = Concat<axis = 2>(c, c) y = Flatten(j)"),
        r"Concat_3 \(Concat\): it joins samples of shape \(3, 2, 3\) along axis 2",
    ),
    "channels moved": (
        (
            CONV,
            f"c = {U2.format('b')}",
            "t = Transpose<perm = [0, 2, 3, 1]>(c) m = Mul(t, two) y = Flatten(m)",
        ),
        r"Mul_4 \(Mul\): the channels do not stand first in front of it; export with channels",
    ),
    "a map made of features": (
        (
            CONV,
            f"c = {U2.format('b')}",
            "f = Flatten(c) r = Reshape(f, image) d = Conv(r, wide_kernel) y = Flatten(d)",
        ),
        r"Reshape_4 \(Reshape\): it makes a feature map of features; give the input the shape",
    ),
    "a transposed convolution": (
        ("b = ConvTranspose(a, upward) y = Flatten(b)",),
        r"ConvTranspose_1 \(ConvTranspose\): transposed convolutions are not supported; use plain",
    ),
}
BEFORE = {
    "an input that nobody quantized": "b = Conv(x, kernel) y = Flatten(b)",
    "a float layer in front": f"b = Conv(x, kernel) c = {U2.format('b')} d = Conv(c, one_by_one) "
    "y = Flatten(d)",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_exact_is_refused_with_the_reason_and_a_remedy(save, case):
    lines, expected = REFUSED[case]
    constants = {
        "wide_kernel": RANDOM.integers(-3, 4, (2, 3, 2, 2)) / 8,
        "floats": RANDOM.normal(size=(3, 2, 3, 3)),
        "pixels": RANDOM.normal(size=(1, 1, 2, 3)),
        "upward": RANDOM.integers(-3, 4, (2, 3, 2, 2)) / 8,
        "image": np.array([1, 3, 2, 3]),
        "channels": np.array([0, 0, 0, 0, 0, 1, 0, 0]),
    }
    path = save(BEFORE.get(case) or graph(*lines), **constants)
    with pytest.raises(FrontendError) as error:
        read_qonnx(path)
    assert re.search(expected, str(error.value)), error.value


def test_nodes_that_are_refused_for_one_reason_are_told_in_one_line(save):
    body = [f"n{i} = Erf({'a' if i == 0 else f'n{i - 1}'})" for i in range(12)]
    with pytest.raises(FrontendError) as error:
        read_qonnx(save(graph(*body, "y = Flatten(n11)")))
    message = str(error.value)
    assert "12 nodes can't be lowered" in message
    assert "Erf_1, Erf_2, Erf_3 and 9 more (Erf): the operator has no counterpart" in message
    assert message.count("Erf_") == 3


def test_a_comparison_finds_a_wrong_weight_in_a_convolution(save):
    path = save(graph(*READ["a constant a channel"]))
    network = read_qonnx(path)
    node = network.nodes[1]
    thresholds = network.parameter(node, "thresholds")
    values = thresholds.values.copy()
    values[1] += 1
    wrong = dataclasses.replace(
        network,
        parameters={
            **network.parameters,
            node.parameter("thresholds"): dataclasses.replace(thresholds, values=values),
        },
    )
    comparison = verify_against_source(wrong, path, random_samples(network, 200))
    assert not comparison.faithful and comparison.layer == node.name
