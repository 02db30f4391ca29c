"""The integer network: against plain Python loops, on disk, and its id."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_networks import random_inputs, random_network, random_shape
from support.small_network import SMALL, parameter, parameters, small_network, value, values

from bitfold.models.encoding import Encoding
from bitfold.models.errors import InputError, NetworkError
from bitfold.models.host import HostOp
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import ArgMax, Dense, Flatten, Threshold
from bitfold.models.value import Parameter, Value


def in_plain_python(network: Network, sample: list[int]) -> dict[str, list[int]]:
    """Every value of `network` for one sample, by Python's own integers."""
    values = {network.input: sample}
    for node in network.nodes:
        x = values[node.input]
        if isinstance(node.op, Dense):
            weight = network.parameter(node, "weights").values.tolist()
            y = [sum(w * v for w, v in zip(row, x)) for row in weight]
        elif isinstance(node.op, Threshold):
            rows = network.parameter(node, "thresholds").values.tolist()
            rows = rows * len(x) if len(rows) == 1 else rows
            step = 2 if network.values[node.output].encoding.name == "BIPOLAR" else 1
            y = [node.op.base + step * sum(v >= t for t in row) for v, row in zip(x, rows)]
        else:
            y = [x.index(max(x))]
        values[node.output] = y
    return values


@settings(deadline=None)
@given(shape=st.integers(0, 2**32 - 1), seed=st.integers(0, 2**32 - 1))
def test_a_network_computes_what_plain_loops_compute(shape, seed):
    network = random_network(random_shape(shape), seed)
    x = random_inputs(network, 3, seed)
    trace = network.trace(x)
    for i, sample in enumerate(x.tolist()):
        for name, expected in in_plain_python(network, sample).items():
            assert trace[name][i].tolist() == expected, name
    assert network(x).dtype == np.int64


def test_sums_beyond_the_mantissa_of_float32_stay_exact():
    size = 400
    random = np.random.default_rng(0)
    weight = random.integers(-128, 128, (5, size)).astype(np.int32)
    weight[0] = -128
    network = Network(
        name="wide",
        sample_shape=(size,),
        quantizer=(),
        input="x",
        output="y",
        values={"x": Value((size,), Encoding.of("INT16")), "y": Value((5,), Encoding.of("INT32"))},
        parameters={"w": Parameter(weight, Encoding.of("INT8"))},
        nodes=(Node("fc", Dense(), ("x",), ("y",), ("w",)),),
        head=(),
    )
    x = random.integers(-(2**15), 2**15, (4, size))
    x[0] = -(2**15)
    largest = 128 * 2**15 * size
    assert largest > 2**24, "the example would not leave float32"
    expected = [[sum(a * b for a, b in zip(row, r)) for row in weight.tolist()] for r in x.tolist()]
    assert network(x).tolist() == expected
    assert network(x)[0, 0] == largest


def test_the_first_of_equal_scores_is_the_class():
    (y,) = ArgMax().evaluate([np.array([[1, 3, 3], [2, 2, 2], [-5, -4, -9]])], [])
    assert y.tolist() == [[1], [0], [1]]


def test_a_value_on_a_threshold_has_reached_it():
    thresholds = np.array([[-2, 0, 0, 5]], np.int32)
    x = np.array([[-3], [-2], [-1], [0], [4], [5]])
    (levels,) = Threshold(-1).evaluate([x], [thresholds])
    assert levels.ravel().tolist() == [-1, 0, 0, 2, 2, 3]
    (signs,) = Threshold(-1, 2).evaluate([x], [thresholds[:, :1]])
    assert signs.ravel().tolist() == [-1, 1, 1, 1, 1, 1]


# What a user gives.


def test_measurements_are_quantized_as_the_models_quantizer_says():
    x = np.array([[0.0, 0.125, 0.375], [0.3, 3.75, 99.0], [-5, 1, 2]], np.float32)
    assert SMALL.quantize(x).tolist() == [[0, 0, 2], [1, 15, 15], [0, 4, 8]]
    assert SMALL.quantize(x.astype(np.float64)).tolist() == SMALL.quantize(x).tolist()


def test_scores_are_the_head_in_float32_and_classes_their_largest():
    outputs = np.array([[1, -3], [5, -10], [-2, 1]])
    expected = outputs.astype(np.float32) * np.float32(0.5) + np.float32([0.25, 3])
    scores = SMALL.scores(outputs)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, expected)
    np.testing.assert_array_equal(SMALL.classes(outputs), expected.argmax(axis=1))
    assert (expected.argmax(axis=1) != outputs.argmax(axis=1)).any(), "the head decides nothing"


def test_samples_may_have_the_models_own_shape():
    image = small_network(sample_shape=(1, 3))
    x = np.array([[1, 9, 3]])
    np.testing.assert_array_equal(image(x[:, None]), image(x))
    with pytest.raises(InputError, match=r"shape \(1, 3, 1\); expected \(batch, 3\) or .*1, 3\)"):
        image(x[..., None])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 4), int), r"shape \(2, 4\); expected \(batch, 3\)"),
        (np.zeros(3, int), r"shape \(3,\); expected \(batch, 3\)"),
        (np.zeros((2, 3), complex), "dtype complex128; give floats or integers"),
        (np.zeros((2, 3), bool), "dtype bool"),
        (np.array([["1", "2", "3"]]), "dtype <U1"),
        (np.array([[0, 1, None]]), "dtype object"),
        (np.array([[0, 1, 2], [0, np.nan, 1]]), "nan at sample 1, feature 1; replace or drop"),
        (np.array([[0, 1, -np.inf]]), "-inf at sample 0, feature 2"),
    ],
)
def test_input_that_does_not_fit_is_refused_with_what_would(x, message):
    with pytest.raises(InputError, match=f"small: input.*{message}"):
        SMALL.quantize(x)


def test_the_integer_layers_take_no_floats():
    with pytest.raises(InputError, match=r"dtype float64.*quantize measurements first"):
        SMALL(np.zeros((1, 3)))


def test_an_input_error_is_a_value_error_too():
    with pytest.raises(ValueError, match="shape"):
        SMALL.quantize(np.zeros((2, 4)))


def test_a_flattened_batch_may_be_empty():
    (y,) = Flatten((2, 0, 1)).evaluate([np.zeros((0, 4, 3, 2), np.int64)], [])
    assert y.shape == (0, 24)


def test_a_batch_may_be_empty():
    outputs = SMALL(np.zeros((0, 3), int))
    assert outputs.shape == (0, 2)
    assert SMALL.classes(outputs).shape == (0,)


def test_weight_bits_count_a_shared_layer_once():
    square = Parameter(np.ones((3, 3), np.int32), Encoding.of("INT2"))
    network = Network(
        name="twice",
        sample_shape=(3,),
        quantizer=(),
        input="x",
        output="z",
        values={
            "x": Value((3,), Encoding.of("UINT2")),
            "y": Value((3,), Encoding.of("UINT4")),
            "z": Value((3,), Encoding.of("UINT6")),
        },
        parameters={"w": square},
        nodes=(
            Node("first", Dense(), ("x",), ("y",), ("w",)),
            Node("second", Dense(), ("y",), ("z",), ("w",)),
        ),
        head=(),
    )
    assert network.weight_bits == 3 * 3 * 2
    assert SMALL.weight_bits == 2 * 3 * 1 + 2 * 2 * 3


# On disk.


@settings(deadline=None, max_examples=25)
@given(shape=st.integers(0, 2**32 - 1), seed=st.integers(0, 2**32 - 1))
def test_a_saved_network_comes_back_the_same(shape, seed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    network = random_network(random_shape(shape), seed)
    network.save(folder)
    loaded = Network.load(folder)
    assert loaded.id == network.id
    x = random_inputs(network, 5, seed)
    np.testing.assert_array_equal(loaded(x), network(x))


def test_the_hosts_side_and_the_notes_are_saved_too(tmp_path):
    SMALL.save(tmp_path)
    loaded = Network.load(tmp_path)
    x = np.array([[0.125, 3, 1], [2, 0.3, 0.375]], np.float32)
    np.testing.assert_array_equal(loaded.quantize(x), SMALL.quantize(x))
    outputs = SMALL(SMALL.quantize(x))
    np.testing.assert_array_equal(loaded.scores(outputs), SMALL.scores(outputs))
    for note in ("name", "sample_shape", "labels", "info", "values", "nodes"):
        assert getattr(loaded, note) == getattr(SMALL, note), note


def test_saving_twice_writes_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        SMALL.save(tmp_path / folder)
    for file in ("network.json", "network.npz"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def _unknown_op(document: dict) -> None:
    document["structure"]["nodes"][0]["op"]["kind"] = "Conv"


def _op_of_words(document: dict) -> None:
    document["structure"]["nodes"][0]["op"]["attributes"]["base"] = "low"


def _op_with_more(document: dict) -> None:
    document["structure"]["nodes"][1]["op"]["attributes"]["stride"] = 2


def _other_format(document: dict) -> None:
    document["format"] = 99


def _no_values(document: dict) -> None:
    del document["structure"]["values"]


def _missing_array(document: dict) -> None:
    document["structure"]["parameters"]["w9"] = {"shape": [1, 1], "encoding": "INT3"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_unknown_op, "operation 'Conv' is unknown; known: Add, ArgMax"),
        (_op_of_words, "base"),
        (_op_with_more, "stride"),
        (_other_format, "network format 99, but this bitfold reads 2; compile it again"),
        (_no_values, "network.json: structure.values is missing"),
        (_missing_array, "network.npz has no array 'parameter/w9'; compile it again"),
    ],
)
def test_a_network_file_of_another_kind_is_refused(change, message, tmp_path):
    SMALL.save(tmp_path)
    file = tmp_path / "network.json"
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    with pytest.raises(NetworkError, match=message):
        Network.load(tmp_path)


@pytest.mark.parametrize("file", ["network.json", "network.npz"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "garbage"])
def test_a_damaged_network_file_is_refused(file, damage, tmp_path):
    SMALL.save(tmp_path)
    path = tmp_path / file
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        half = content[: len(content) // 2]
        path.write_bytes({"empty": b"", "truncated": half, "garbage": b"\xff" * 100}[damage])
    with pytest.raises(
        NetworkError, match=rf"{file}: (can't be read|not (a )?readable).*compile it aga"
    ):
        Network.load(tmp_path)


def test_pickled_arrays_are_not_loaded(tmp_path):
    SMALL.save(tmp_path)
    with np.load(tmp_path / "network.npz") as arrays:
        content = dict(arrays)
    content["parameter/w0"] = np.array([[1, -1, 1], [-1, -1, 1]], object)
    np.savez(tmp_path / "network.npz", **content)
    with pytest.raises(NetworkError, match=r"network\.npz: not a readable network"):
        Network.load(tmp_path)


# The id.

WITH_CLASS = values(**{"class": value(1, "BINARY")})


def test_the_id_does_not_depend_on_names_of_the_network_labels_or_notes():
    other = small_network(name="other", labels=("a", "b"), info={"source": "elsewhere"})
    assert other.id == SMALL.id


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": parameters(w1=parameter([[3, -2], [-4, 2]], "INT3"))},
        {"parameters": parameters(steps=parameter([[-1, 1, 3], [-3, 0, 5]], "INT4"))},
        {"values": values(scores=value(2, "INT7"))},
        {"parameters": parameters(w1=parameter([[3, -2], [-4, 1]], "INT4"))},
        {"quantizer": (HostOp("Quant", tuple(np.float32([0.5, 0, 0, 15]))),)},
        {"head": SMALL.head[:1]},
        {"head": (SMALL.head[0], HostOp("Add", (np.float32([0.25, 4]),)))},
        {"head": (SMALL.head[0], HostOp("Sub", SMALL.head[1].operands))},
        {"sample_shape": (1, 3)},
        {
            "values": WITH_CLASS,
            "nodes": (*SMALL.nodes, Node("argmax", ArgMax(), ("scores",), ("class",))),
            "output": "class",
            "head": (),
        },
    ],
    ids=str,
)
def test_the_id_depends_on_all_that_is_computed(changes):
    assert small_network(**changes).id != SMALL.id
