"""What the numbers of a sample mean: by name, never by their dtype."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from support.random_networks import Shape, random_network
from support.small_network import SMALL, small_network

from bitfold.models.errors import InputError, InputWarning
from bitfold.models.host import HostOp
from bitfold.models.inputs import MEANINGS

DTYPES = ("i1", "u1", "<i4", ">i2", "i8", "u8", "f2", "<f4", ">f8", np.longdouble)
BARE = small_network(quantizer=())


def test_the_same_numbers_of_any_dtype_are_the_same_measurements():
    x = np.array([[0, 1, 2], [3, 4, 100]])
    for dtype in DTYPES:
        assert SMALL.quantize(x.astype(dtype)).tolist() == [[0, 4, 8], [12, 15, 15]], dtype
    assert SMALL.quantize(x.tolist()).tolist() == SMALL.quantize(x.astype(float).tolist()).tolist()


def test_pixels_are_the_fractions_that_torchvision_makes_of_them():
    pixels = np.arange(256)[:, None].repeat(3, axis=1)
    expected = SMALL.quantize(pixels.astype(np.float32) / np.float32(255))
    for dtype in (np.uint8, np.int64, np.float32, np.float64):
        found = SMALL.quantize(pixels.astype(dtype), inputs="pixels")
        np.testing.assert_array_equal(found, expected)
    assert set(expected[:, 0]) == {0, 1, 2, 3, 4}


def test_integers_are_taken_as_they_are():
    x = np.array([[0, 15, 7]])
    for dtype in DTYPES:
        found = SMALL.quantize(x.astype(dtype), inputs="integers")
        assert found.tolist() == [[0, 15, 7]] and found.dtype == np.int64, dtype


def test_a_network_without_a_quantizer_takes_whole_numbers_for_its_integers():
    for inputs in ("measurements", "integers"):
        assert BARE.quantize([[0, 15, 7]], inputs=inputs).tolist() == [[0, 15, 7]]
        assert BARE.quantize([[0.0, 15.0, 7.0]], inputs=inputs).tolist() == [[0, 15, 7]]
    wide = random_network(Shape((2, 2), ("INT26",), ("INT2",), None, False, False), 0)
    assert wide.quantize([[2**24 + 1, -(2**25) + 1]]).tolist() == [[2**24 + 1, -(2**25) + 1]]


REFUSED = {
    "a fraction as an integer": (SMALL, [[0, 0.7, 1]], "integers", "is 0.7 at sample 0, feature 1"),
    "no number as an integer": (SMALL, [[0, np.nan, 1]], "integers", "is nan .* whole numbers"),
    "infinity as an integer": (SMALL, [[0, np.inf, 1]], "integers", "is inf .* whole numbers"),
    "an integer beyond the encoding": (
        SMALL,
        [[0, 1, 16]],
        "integers",
        r"x: value 16 at index \(0, 2\) is outside UINT4 \(0..15\); 1 of 3 values are; "
        "give inputs='measurements', or 'pixels' for 0..255",
    ),
    "a negative integer": (SMALL, [[0, -1, 16]], "integers", "value -1 .*; 2 of 3 values"),
    "a fraction as a pixel": (SMALL, [[0, 0.5, 1]], "pixels", "is 0.5 .* whole numbers of 0..255"),
    "no number as a pixel": (SMALL, [[0, np.nan, 1]], "pixels", "is nan .* inputs='measurements'"),
    "a pixel beyond 255": (SMALL, [[0, 256, 1]], "pixels", "is 256 at sample 0, feature 1"),
    "a negative pixel": (SMALL, [[-1, 0, 1]], "pixels", "is -1 at sample 0, feature 0"),
    "a fraction without a quantizer": (
        BARE,
        [[0, 0.7, 1]],
        "measurements",
        "is 0.7 .*the network has no quantizer, and takes whole numbers only",
    ),
    "pixels without a quantizer": (BARE, [[0, 1, 2]], "pixels", "give inputs='integers'"),
    "truth as an integer": (SMALL, [[True, False, True]], "integers", "dtype bool"),
    "another name": (SMALL, [[0, 1, 2]], "floats", "inputs is 'floats'; choose one of meas"),
    "no name": (SMALL, [[0, 1, 2]], None, "inputs is None; choose one of"),
}


@pytest.mark.parametrize(("network", "x", "inputs", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_what_it_is_called_is_refused_with_the_remedy(network, x, inputs, message):
    with pytest.raises(InputError, match=f"^small: .*{message}") as refused:
        network.quantize(x, inputs=inputs)
    assert "\n" not in str(refused.value)


def test_a_quantizer_that_leaves_fractions_is_told():
    halves = small_network(quantizer=(HostOp("Mul", (np.float32(0.5),)),))
    assert halves.quantize([[2, 4, 6]]).tolist() == [[1, 2, 3]]
    with pytest.raises(InputError, match=r"is 0\.5 at sample 0, feature 1; .* quantizer makes"):
        halves.quantize([[2, 1, 6]])


UNIT = small_network(quantizer=(HostOp("Quant", tuple(np.float32([1 / 15, 0, 0, 15]))),))
DOUBTFUL = np.array([[0, 9, 200]], np.uint8)


def test_whole_numbers_that_only_saturate_are_doubted_to_be_measurements():
    with pytest.warns(InputWarning, match=r"0\.\.200 all above 0 saturate; give inputs='pixels'"):
        assert UNIT.quantize(DOUBTFUL).tolist() == [[0, 15, 15]]


@pytest.mark.parametrize(
    ("network", "x", "inputs"),
    [
        (UNIT, DOUBTFUL.astype(np.float32), "measurements"),
        (UNIT, DOUBTFUL, "pixels"),
        (UNIT, DOUBTFUL % 16, "integers"),
        (UNIT, DOUBTFUL % 2, "measurements"),
        (UNIT, DOUBTFUL * 2.0, "measurements"),
        (SMALL, DOUBTFUL // 64, "measurements"),
        (BARE, DOUBTFUL % 16, "measurements"),
        (UNIT, DOUBTFUL[:0], "measurements"),
    ],
)
def test_nothing_else_is_doubted(network, x, inputs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.quantize(x, inputs=inputs)


def test_a_batch_may_be_empty_whatever_it_is():
    for inputs in MEANINGS:
        assert SMALL.quantize(np.zeros((0, 3)), inputs=inputs).shape == (0, 3)
