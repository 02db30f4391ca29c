"""Encodings: their names, their values, and the bits that store them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfold.models.encoding import Encoding
from bitfold.models.errors import InputError, NetworkError

NAMES = (
    *("BIPOLAR", "BINARY", "TERNARY"),
    *(f"{sign}INT{bits}" for sign in ("U", "") for bits in range(2, 33)),
)


@pytest.mark.parametrize("name", NAMES)
def test_an_encoding_has_the_range_of_its_qonnx_datatype(name):
    theirs = pytest.importorskip("qonnx.core.datatype").DataType[name]
    encoding = Encoding.of(name)
    assert (encoding.minimum, encoding.maximum) == (theirs.min(), theirs.max())
    assert encoding.bits == theirs.bitwidth()
    assert encoding.signed == (theirs.signed() and not encoding.is_bipolar)
    assert theirs.allowed(0) != encoding.is_bipolar


@pytest.mark.parametrize("name", NAMES)
def test_stored_bits_are_twos_complement_or_unsigned_and_come_back(name):
    encoding = Encoding.of(name)
    low, high, step = encoding.minimum, encoding.maximum, encoding.step
    middle = range(max(low, -200), min(high, 200) + 1, step)
    values = np.array([low, high, *middle], np.int64)
    stored = encoding.to_bits(values)
    assert stored.dtype == np.uint64
    for value, bits in zip(values.tolist(), stored.tolist()):
        assert bits == ((value + 1) // 2 if encoding.is_bipolar else value % 2**encoding.bits)
    back = encoding.from_bits(stored)
    assert back.dtype == np.int64
    np.testing.assert_array_equal(back, values)


def test_uint1_is_another_name_of_binary():
    assert Encoding.of("UINT1") == Encoding.of("BINARY")


@pytest.mark.parametrize("name", ["FLOAT32", "INT1", "INT33", "UINT0", "INT", "int8", "", "UINT8 "])
def test_a_name_that_is_no_integer_of_32_bits_is_refused(name):
    with pytest.raises(NetworkError, match=r"not an integer of at most 32 bits; use BIPOLAR"):
        Encoding.of(name)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1))
def test_the_narrowest_encoding_of_a_range_holds_it_and_none_narrower_does(one, other):
    low, high = min(one, other), max(one, other)
    encoding = Encoding.for_range(low, high)
    assert encoding.minimum <= low and high <= encoding.maximum
    fits = [
        other
        for name in NAMES
        if name not in ("BIPOLAR", "TERNARY")
        and (other := Encoding.of(name)).bits < encoding.bits
        and other.minimum <= low
        and high <= other.maximum
    ]
    assert not fits


@pytest.mark.parametrize(
    ("name", "values", "offender"),
    [
        ("UINT2", [[0, 3], [4, 0]], r"value 4 at index \(1, 0\)"),
        ("INT3", [[-4, 3], [-5, 4]], r"value -5 at index \(1, 0\).*2 of 4"),
        ("BIPOLAR", [[1, -1], [1, 0]], r"value 0 at index \(1, 1\).*BIPOLAR \(\{-1, \+1\}\)"),
        ("TERNARY", [[-2, 0]], r"value -2 at index \(0, 0\).*TERNARY \(-1\.\.1\)"),
    ],
)
def test_values_outside_are_named_with_their_place(name, values, offender):
    with pytest.raises(InputError, match=f"layer: {offender}"):
        Encoding.of(name).check(np.array(values), "layer")
