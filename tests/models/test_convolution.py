"""Convolutions and pooling on integers: the sums of torch, and sizes that are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitfold.models.encoding import Encoding
from bitfold.models.errors import NetworkError
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Conv2d, Flatten, MaxPool, SumPool
from bitfold.models.value import Parameter, Range, Value

torch = pytest.importorskip("torch", reason="torch is not installed")

I4 = Encoding.of("INT4")
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(deadline=None, max_examples=60)
@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=pairs,
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(*4 * [st.integers(0, 3)]),
    groups=st.integers(1, 3),
    channels=pairs,
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    fill=st.integers(-2, 2),
    seed=st.integers(0, 99),
)
def test_a_convolution_is_that_of_torch(
    kernel, stride, dilation, padding, groups, channels, size, fill, seed
):
    random = np.random.default_rng(seed)
    x = random.integers(-8, 8, (2, *size, groups * channels[0]))
    weights = random.integers(-8, 8, (groups * channels[1], *kernel, channels[0])).astype(np.int32)
    op = Conv2d(stride, padding, fill, groups, dilation)
    source, parameter = Value(x.shape[1:], I4), Parameter(weights, I4)
    try:
        (shape,) = op.shapes([source], [parameter])
    except NetworkError:
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
        tall, wide = size[0] + sum(padding[:2]), size[1] + sum(padding[2:])
        empty = max(padding[:2]) >= reach[0] or max(padding[2:]) >= reach[1]
        assert empty or tall < reach[0] or wide < reach[1]
        return
    (y,) = op.evaluate([x], [weights])
    padded = np.pad(x, ((0, 0), padding[:2], padding[2:], (0, 0)), constant_values=fill)
    expected = torch.nn.functional.conv2d(
        torch.tensor(padded.transpose(0, 3, 1, 2), dtype=torch.float64),
        torch.tensor(weights.transpose(0, 3, 1, 2), dtype=torch.float64),
        stride=stride,
        dilation=dilation,
        groups=groups,
    )
    np.testing.assert_array_equal(y, expected.numpy().transpose(0, 2, 3, 1))
    assert y.shape[1:] == shape
    (bounds,) = op.bounds([Range.of(source)], [parameter])
    assert (bounds.low <= y).all() and (y <= bounds.high).all()


def test_the_bounds_of_a_convolution_are_reached():
    weights = np.array([[[[1]], [[-2]]]], np.int32)  # 1 out, 2 x 1, 1 in
    op = Conv2d(padding=(1, 0, 0, 0), fill=3)
    (bounds,) = op.bounds([Range.of(Value((2, 1, 1), I4))], [Parameter(weights, I4)])
    assert bounds.low.ravel().tolist() == [3 - 2 * 7, -8 - 2 * 7]
    assert bounds.high.ravel().tolist() == [3 + 2 * 8, 7 + 2 * 8]


@settings(deadline=None, max_examples=30)
@given(kernel=pairs, stride=pairs, padding=st.tuples(*4 * [st.integers(0, 1)]))
def test_pooling_is_the_largest_or_the_sum_of_what_a_window_sees(kernel, stride, padding):
    x = np.random.default_rng(0).integers(-8, 8, (2, 5, 6, 3))
    if max(padding[:2]) >= kernel[0] or max(padding[2:]) >= kernel[1]:
        with pytest.raises(NetworkError, match="see nothing else"):
            MaxPool(kernel, stride, padding).shapes([Value((5, 6, 3), I4)], [])
        return
    ((tall, wide, _),) = MaxPool(kernel, stride, padding).shapes([Value((5, 6, 3), I4)], [])
    largest = MaxPool(kernel, stride, padding).evaluate([x], [])[0]
    sums = SumPool(kernel, stride, padding).evaluate([x], [])[0]
    assert largest.shape == sums.shape == (2, tall, wide, 3)
    for i in range(tall):
        for j in range(wide):
            top, left = i * stride[0] - padding[0], j * stride[1] - padding[2]
            rows = slice(max(top, 0), max(top + kernel[0], 0))
            seen = x[:, rows, max(left, 0) : max(left + kernel[1], 0)].reshape(2, -1, 3)
            np.testing.assert_array_equal(largest[:, i, j], seen.max(axis=1))
            np.testing.assert_array_equal(sums[:, i, j], seen.sum(axis=1))


@pytest.mark.parametrize(
    ("op", "weights", "message"),
    [
        (Conv2d(), (4, 2, 2), r"its weights are \(4, 2, 2\), not \(out_channels"),
        (Conv2d(), (4, 2, 2, 2), r"1 groups of 2 channels for an input of 3"),
        (Conv2d(groups=3), (4, 2, 2, 1), r"3 groups of 1 channels .* 4 output channels"),
        (Conv2d(), (4, 6, 2, 3), r"a window of 6x2 does not fit 5x5"),
        (Conv2d(stride=(0, 1)), (4, 2, 2, 3), r"stride \(0, 1\) .* 1 or more"),
        (MaxPool((2, 2), (2, 2), (2, 0, 0, 0)), None, r"see nothing else"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(op, weights, message):
    given_ = [] if weights is None else [Parameter(np.ones(weights, np.int32), I4)]
    with pytest.raises(NetworkError, match=message):
        op.shapes([Value((5, 5, 3), I4)], given_)


def test_a_feature_map_is_needed():
    with pytest.raises(NetworkError, match=r"slides over \(height, width, channels\), but"):
        MaxPool((2, 2), (2, 2)).shapes([Value((5,), I4)], [])


def test_a_convolutional_network_is_stored_and_read_again(tmp_path):
    weights = np.random.default_rng(0).integers(-8, 8, (4, 3, 2, 1)).astype(np.int32)
    values = {"x": Value((6, 5, 2), I4)}
    nodes = []
    parameters = {"w": Parameter(weights, I4)}
    for name, op, given_ in (
        ("conv", Conv2d((2, 1), (1, 0, 0, 1), -1, groups=2), ("w",)),
        ("pool", MaxPool((2, 2), (1, 2), (0, 1, 0, 1)), ()),
        ("sum", SumPool((2, 2), (1, 1)), ()),
        ("flat", Flatten((2, 0, 1)), ()),
    ):
        source = nodes[-1].output if nodes else "x"
        (values[name],) = op.infer([values[source]], [parameters[each] for each in given_])
        nodes.append(Node(name, op, (source,), (name,), given_))
    network = Network("n", (6, 5, 2), (), "x", "flat", values, parameters, tuple(nodes), ())
    network.save(tmp_path)
    again = Network.load(tmp_path)
    assert again.id == network.id
    x = np.random.default_rng(1).integers(-8, 8, (7, 6, 5, 2))
    np.testing.assert_array_equal(again(x), network(x))
    assert network.weight_bits == 4 * weights.size
