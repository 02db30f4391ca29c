"""Whatever is given to the API becomes exact results, or one error of ours in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_networks import random_inputs

from bitfold.models.errors import BitfoldError, DeviceError, InputError
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.functional import FunctionalDevice
from bitfold.runtime.library import Library
from bitfold.runtime.verilated import Memory, VerilatedDevice

METHODS = ("run", "scores", "classify", "figures")
DEVICES = ("functional", "verilated")


class Hostile:
    """Anything that is asked of it fails."""

    def __array__(self, *_, **__):
        raise RuntimeError("no\narray")

    def __repr__(self):
        raise RuntimeError("no text")


def endless() -> list:
    own: list = []
    own.append(own)
    return own


REFUSED = {
    "ragged list": [[1] * 8, [1] * 7],
    "deeper ragged list": [[1] * 8, [[1] * 8]],
    "list in itself": endless(),
    "text": "abc",
    "texts": [["1"] * 8],
    "bytes": b"12345678",
    "nothing": None,
    "nothings": [[None] * 8],
    "object": object(),
    "objects": np.ones((1, 8), object),
    "hostile": Hostile(),
    "hostile objects": [[Hostile()] * 8],
    "dictionary": {"x": [1] * 8},
    "set": {1, 2},
    "generator": (row for row in [[1] * 8]),
    "complex": np.ones((1, 8), complex),
    "booleans": np.ones((1, 8), bool),
    "dates": np.zeros((1, 8), "datetime64[s]"),
    "durations": np.zeros((1, 8), "timedelta64[s]"),
    "structure": np.zeros((1, 8), [("a", "i4"), ("b", "f4")]),
    "structure of arrays": np.zeros(1, [("a", "i4", 8)]),
    "raw memory": np.zeros((1, 8), "V4"),
    "unicode": np.zeros((1, 8), "U3"),
    "one number": 1,
    "one number in an array": np.array(1),
    "one sample without a batch": np.ones(8, int),
    "three dimensions": np.ones((1, 1, 8), int),
    "no features": np.ones((3, 0), int),
    "another size": np.ones((3, 9), int),
    "masked": np.ma.array(np.ones((1, 8), int), mask=[[True] + [False] * 7]),
    "integers beyond 64 bits": [[2**70] * 8],
    "integers beyond the input": [[2**63] * 8],
    "negative integers": np.full((1, 8), -1, np.int8),
    "not a number": np.full((1, 8), np.nan),
    "infinite": np.full((1, 8), np.inf, np.float16),
    "beyond float32": np.full((1, 8), 1e300),
    "huge": np.broadcast_to(np.int8(1), (1 << 50, 8)),
    "huge floats": np.broadcast_to(np.float32(1), (1 << 50, 8)),
}


def taken(x: np.ndarray) -> dict:
    """The integers `x` in forms that are as good."""
    backwards = np.ascontiguousarray(x[::-1])[::-1]
    read_only = x.copy()
    read_only.flags.writeable = False
    unaligned = np.frombuffer(b"." + x.astype(np.int64).tobytes(), np.int64, offset=1)
    masked = np.ma.array(x, mask=np.zeros(x.shape, bool))
    with np.errstate(all="ignore"):
        forms = {str(kind): x.astype(kind) for kind in ("i1", "u1", "<i4", ">i2", ">i8", ">u4")}
    return forms | {
        "list": x.tolist(),
        "tuples": tuple(map(tuple, x.tolist())),
        "list of arrays": list(x),
        "columns first": np.asfortranarray(x),
        "backwards": backwards,
        "every second": np.repeat(x, 2, axis=0)[::2],
        "a part": np.pad(x, 3)[3:-3, 3:-3],
        "read-only": read_only,
        "unaligned": unaligned.reshape(x.shape),
        "nothing masked": masked,
        "matrix": np.matrix(x),
        "memory": memoryview(x.copy()),
        "big-endian floats": x.astype(">f8"),
        "small floats": x.astype(np.float16),
        "long floats": x.astype(np.longdouble),
        "transposed floats": np.asfortranarray(x.astype(np.float32)),
    }


@pytest.fixture(scope="module", params=DEVICES)
def accelerator(request, bundle, cache):
    with Accelerator(bundle, request.param, cache) as opened:
        yield opened


def one_line(error: BaseException) -> None:
    assert isinstance(error, BitfoldError)
    assert len(str(error)) < 400 and "\n" not in str(error), str(error)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_array_of_samples_is_one_line(kind, method, accelerator):
    with pytest.raises(InputError, match=r"random: ") as refused:
        getattr(accelerator, method)(REFUSED[kind])
    one_line(refused.value)


def test_a_ragged_list_is_told_with_the_remedy(accelerator):
    with pytest.raises(InputError, match=r"give samples of equal length|give floats"):
        accelerator.run(REFUSED["ragged list"])


def test_every_form_of_the_same_numbers_gives_the_same(accelerator, network):
    x = random_inputs(network, 5, 0)
    expected = network(x)
    for name, form in taken(x).items():
        np.testing.assert_array_equal(accelerator.run(form), expected, name)
        np.testing.assert_array_equal(network(network.quantize(form)), expected, name)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=4)
    | st.binary(max_size=4)
    | st.just(np.float16("inf"))
    | st.just(np.datetime64("NaT"))
    | st.just(np.arange(8)),
    lambda inner: (
        st.lists(inner, max_size=9)
        | st.tuples(*[inner] * 8)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=24,
)


@settings(deadline=None, max_examples=150)
@given(x=ANYTHING | st.lists(st.lists(st.integers(0, 20), min_size=7, max_size=8), max_size=3))
def test_anything_gives_exact_results_or_one_line(x, network, bundle, cache):
    with Accelerator(bundle, "functional", cache) as accelerator:
        try:
            y = accelerator.run(x)
        except BitfoldError as error:
            one_line(error)
        else:
            np.testing.assert_array_equal(y, network(network.quantize(np.array(x))))


@pytest.mark.parametrize(
    "frames", [0, -1, -(10**30), 10**30, 2**32, 1.5, 10.0, float("nan"), "10", None, [1], 1j]
)
def test_a_count_of_frames_is_a_whole_number_above_0(frames, accelerator):
    with pytest.raises(InputError, match=r"frames: .* give 1 or more") as refused:
        accelerator.throughput_test(frames)
    one_line(refused.value)


def test_numpys_whole_numbers_are_counts(accelerator):
    assert accelerator.throughput_test(np.int8(3))["frames"] == 3


NO_BUNDLES = [
    None,
    5,
    1.5,
    b"path",
    [],
    [None],
    [[]],
    {},
    object(),
    Hostile(),
    "no\0path",
    "x" * 300,
]
NO_BUNDLES += [[Hostile()], np.zeros(3), (n for n in (1, 2)), Path("no\0path"), Path("nowhere")]


@pytest.mark.parametrize("bundles", NO_BUNDLES, ids=lambda value: type(value).__name__)
def test_what_is_no_bundle_is_one_line(bundles):
    for open_it in (Library, Accelerator):
        with pytest.raises(BitfoldError) as refused:
            open_it(bundles)
        one_line(refused.value)


NOTHINGS = [5, 1.5, b"x", object(), Hostile(), np.zeros(2), ["a"], {}, 1j]


@pytest.mark.parametrize("value", NOTHINGS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("option", ["device", "network", "overlay", "cache", "progress"])
def test_an_option_of_another_type_is_one_line(option, value, bundle, cache):
    options = {"device": "functional", "cache": cache, option: value}
    with pytest.raises(BitfoldError) as refused:
        Accelerator(bundle, **options)
    one_line(refused.value)


@pytest.mark.parametrize("device", ["", "Functional", "no\nsuch", "x" * 1000, VerilatedDevice])
def test_a_device_that_is_none_is_named_with_those_that_are(device, bundle):
    with pytest.raises(DeviceError, match="is unknown; choose one of auto, functional") as refused:
        Accelerator(bundle, device)
    one_line(refused.value)


def test_a_cache_may_be_a_text(bundle, network, tmp_path, cache):
    x = random_inputs(network, 2, 0)
    for device in DEVICES:
        with Accelerator(bundle, device, str(cache)) as accelerator:
            np.testing.assert_array_equal(accelerator.run(x), network(x))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"latency_cycles": -1}, "latency_cycles: -1 is out of range; give 0 or more"),
        ({"latency_cycles": 2**32}, "latency_cycles: 4294967296 is out of range"),
        ({"latency_cycles": 1.5}, "latency_cycles: 1.5 is no whole number"),
        ({"latency_cycles": None}, "latency_cycles: None is no whole number"),
        (
            {"hesitation_percent": 101},
            "hesitation_percent: 101 is out of range; give 0 or more, at",
        ),
        ({"seed": -1}, "seed: -1 is out of range"),
        ({"seed": "1"}, "seed: '1' is no whole number"),
        ({"mute": "AR"}, "mute is 'AR'; give a tuple of some of AR, R, AW, W, B"),
        ({"mute": ("X",)}, "mute is .*; give a tuple of some of"),
        ({"mute": ([],)}, "mute is .*; give a tuple of some of"),
        ({"mute": None}, "mute is None; give a tuple of some of"),
    ],
)
def test_a_memory_that_can_not_be_is_one_line(options, said):
    with pytest.raises(InputError, match=said):
        Memory(**options)


@pytest.mark.parametrize("value", [-1, 2**32, 1.5, "1", None])
def test_options_of_devices_are_whole_numbers(value, bundle, cache):
    with pytest.raises(InputError, match=r"watchdog_cycles: .* give 0 or more"):
        VerilatedDevice(bundle, cache=cache, watchdog_cycles=value)
    with pytest.raises(InputError, match=r"threads: .* give 0 or more, at most 1024"):
        FunctionalDevice(bundle, cache, threads=value)
