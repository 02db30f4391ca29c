"""The host's float32 steps: the arithmetic of the ONNX operators, one rounding a step."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfold.models.errors import NetworkError
from bitfold.models.host import HostOp, apply

floats = st.floats(-1e6, 1e6, width=32)


def quant(scale: float, zero_point: float, low: float, high: float) -> HostOp:
    return HostOp("Quant", tuple(np.float32(v) for v in (scale, zero_point, low, high)))


@given(
    value=floats,
    exponent=st.integers(-6, 2),
    zero_point=st.integers(-3, 3),
    bits=st.integers(2, 8),
    signed=st.booleans(),
)
def test_quant_rounds_half_to_even_and_saturates(value, exponent, zero_point, bits, signed):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    step = quant(2.0**exponent, zero_point, low, high)
    # Exact arithmetic: float32 divides by a power of two without rounding, and the sum is exact
    # wherever it can still round to a neighbour.
    exact = Fraction(value) / Fraction(2) ** exponent + zero_point
    expected = min(max(round(exact), low), high)
    got = step(np.array([[value]], np.float32))
    assert got.dtype == np.float32
    if abs(exact) < 2**20:
        assert got[0, 0] == expected
    else:
        assert got[0, 0] == (high if exact > 0 else low)


def test_every_tie_goes_to_the_even_neighbour():
    ties = np.arange(-8, 8, dtype=np.float32)[None] + np.float32(0.5)
    got = quant(1, 0, -128, 127)(ties)
    np.testing.assert_array_equal(got % 2, 0)
    np.testing.assert_array_equal(np.abs(got - ties), 0.5)


def test_bipolar_quant_takes_zero_for_plus_one():
    x = np.array([[-1e-30, -0.0, 0.0, 1e-30]], np.float32)
    np.testing.assert_array_equal(HostOp("BipolarQuant")(x), [[-1, 1, 1, 1]])


def test_each_step_rounds_to_float32_on_its_own():
    tenth = np.float32(0.1)
    x = np.array([[3, 7]], np.float32)
    steps = (HostOp("Mul", (tenth,)), HostOp("Add", (np.float32([1, 2]),)), HostOp("Div", (tenth,)))
    expected = (x * tenth + np.float32([1, 2])) / tenth
    got = apply(steps, x.astype(np.float64))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)
    merged = x + np.float32([10, 20])
    assert (got != merged).any(), "the example would not notice merged steps"


def test_an_operand_in_double_precision_does_not_widen_a_step():
    step = HostOp("Mul", (np.float64(0.1),))
    assert step(np.array([[3]], np.float32)).dtype == np.float32


@given(st.lists(st.lists(st.floats(-80, 80, width=32), min_size=3, max_size=3), min_size=1))
def test_softmax_sums_to_one_and_keeps_the_order(rows):
    x = np.array(rows, np.float32)
    y = HostOp("Softmax")(x)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-6)
    for scores, shares in zip(x, y):
        assert (np.diff(shares[np.argsort(scores, kind="stable")]) >= 0).all()


def test_softmax_of_large_scores_does_not_overflow():
    np.testing.assert_array_equal(
        HostOp("Softmax")(np.array([[1e38, -1e38]], np.float32)), [[1, 0]]
    )


def test_an_unknown_step_is_named_with_those_that_exist():
    with pytest.raises(NetworkError, match=r"'Sqrt' is unknown; known: MatMul, Mul, .*Softmax"):
        HostOp("Sqrt")(np.zeros((1, 1), np.float32))
