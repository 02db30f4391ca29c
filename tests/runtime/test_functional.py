"""The functional device: compiled or in NumPy, it gives what the network gives."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_networks import (
    random_inputs,
    random_network,
    random_shape,
    random_values,
    with_softmax,
)
from support.small_network import parameter, parameters, small_network, value, values

from bitfold.models.encoding import Encoding
from bitfold.models.errors import InputError, NetworkError
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import ArgMax, Dense, Threshold
from bitfold.models.ops.dense import accumulator_range
from bitfold.models.value import Parameter, Value
from bitfold.runtime import arithmetic
from bitfold.runtime.arithmetic import Applied, CompiledNetwork, layers_of
from bitfold.runtime.functional import FunctionalDevice

FRAMES = (1, 3, 70)
SEEDS = st.integers(0, 2**32 - 1)
CASES = settings(max_examples=150, deadline=None, derandomize=True)


def compiled(network: Network, cache: Path, threads: int = 1) -> CompiledNetwork:
    layers = layers_of(network.input_value, applied(network))
    assert layers, f"{network.name} should be one that can be compiled"
    return CompiledNetwork(network, layers, network.last.op, cache, threads)


def applied(network: Network) -> list[Applied]:
    """The ops of a chain, each with its constants."""
    return [
        (node.op, [network.parameters[name].values for name in node.parameters])
        for node in network.nodes
    ]


def check(network: Network, cache: Path, seed: int) -> None:
    arithmetic = compiled(network, cache)
    for frames in FRAMES:
        x = random_inputs(network, frames, seed)
        np.testing.assert_array_equal(arithmetic(x), network(x))


def chain(source: str, size: int, seed: int, *layers) -> Network:
    """A network of `layers`: (rows, weight encoding), (target encoding, levels) or "argmax"."""
    random = np.random.default_rng(seed)
    made = {"x": Value((size,), Encoding.of(source))}
    parameters, nodes, here = {}, [], "x"
    for i, layer in enumerate(layers):
        name, before = f"n{i}", made[here]
        if layer == "argmax":
            made[name] = Value((1,), Encoding.of("UINT8"))
            nodes.append(Node(name, ArgMax(), (here,), (name,)))
        elif isinstance(layer[0], int):
            encoding = Encoding.of(layer[1])
            weight = random_values(encoding, (layer[0], before.size), random).astype(np.int32)
            sums = Encoding.for_range(*accumulator_range(weight, before.encoding))
            made[name] = Value((layer[0],), sums)
            parameters[name] = Parameter(weight, encoding)
            nodes.append(Node(name, Dense(), (here,), (name,), (name,)))
        else:
            low, high = before.encoding.minimum, before.encoding.maximum + 1  # or out of reach
            values = np.sort(random.integers(low, high + 1, (before.size, layer[1])), axis=1)
            parameters[name] = Parameter(values.astype(np.int32), Encoding.for_range(low, high))
            made[name] = Value((before.size,), Encoding.of(layer[0]))
            op = Threshold.to(made[name].encoding)
            nodes.append(Node(name, op, (here,), (name,), (name,)))
        here = name
    return Network("chain", (size,), (), "x", here, made, parameters, tuple(nodes), ())


@CASES
@given(shape_seed=SEEDS, seed=SEEDS)
def test_random_networks_are_exact(shape_seed, seed, cache):
    check(random_network(random_shape(shape_seed), seed), cache, seed)


@CASES
@given(shape_seed=SEEDS, seed=SEEDS, form=st.sampled_from(["reduced", "plain"]))
def test_random_networks_with_a_softmax_are_exact(shape_seed, seed, form, cache):
    check(random_network(with_softmax(random_shape(shape_seed), form), seed), cache, seed)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(shape_seed=SEEDS, seed=SEEDS)
def test_many_random_networks_are_exact(shape_seed, seed, cache):
    check(random_network(random_shape(shape_seed), seed), cache, seed)


LAYERS = st.one_of(
    st.tuples(
        st.integers(1, 70), st.sampled_from(["BIPOLAR", "BINARY", "TERNARY", "INT5", "UINT8"])
    ),
    st.sampled_from([("BIPOLAR", 1), ("UINT2", 2), ("INT3", 7), ("UINT5", 31), ("UINT8", 200)]),
    st.just(("UINT10", 700)),
)


@CASES
@given(
    source=st.sampled_from(["BIPOLAR", "UINT8", "INT8", "INT12", "UINT16", "INT20"]),
    size=st.integers(1, 150),
    layers=st.lists(LAYERS, min_size=1, max_size=4),
    argmax=st.booleans(),
    seed=SEEDS,
)
def test_layers_in_any_order_and_of_any_width_are_exact(source, size, layers, argmax, seed, cache):
    try:
        network = chain(source, size, seed, *layers, *(["argmax"] if argmax else []))
    except NetworkError as error:
        assert "is not an integer of at most 32 bits" in str(error)
        return
    if layers_of(network.input_value, applied(network)):
        check(network, cache, seed)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="instructions of x86")
@pytest.mark.parametrize("cpu", ["x86-64-v2", "x86-64-v3"])
def test_a_cpu_of_narrower_instructions_gives_the_same(cpu, cache, monkeypatch):
    flags = Path("/proc/cpuinfo").read_text()
    if cpu == "x86-64-v3" and "avx2" not in flags:
        pytest.skip("this CPU has no AVX2")
    monkeypatch.setattr(arithmetic, "FLAGS", (*arithmetic.FLAGS, f"-march={cpu}"))
    arithmetic._load.cache_clear()
    try:
        for seed in range(60):
            check(random_network(random_shape(seed), seed), cache, seed)
    finally:
        arithmetic._load.cache_clear()


def test_of_equal_scores_the_first_is_the_class(cache):
    network = chain("BIPOLAR", 6, 0, (40, "BIPOLAR"), "argmax")
    weights = network.parameters["n0"].values.copy()
    weights[1::2] = weights[::2]  # each row twice
    network = replace(network, parameters={"n0": Parameter(weights, Encoding.of("BIPOLAR"))})
    x = random_inputs(network, 200, 1)
    classes = compiled(network, cache)(x)
    np.testing.assert_array_equal(classes, network(x))
    assert (classes % 2 == 0).all()


def test_a_layer_that_is_applied_twice_is_exact(cache):
    network = chain("UINT3", 9, 0, (9, "INT4"), ("UINT3", 7), (9, "INT4"))
    nodes = (*network.nodes[:2], replace(network.nodes[2], parameters=("n0",)))
    parameters = {name: network.parameters[name] for name in ("n0", "n1")}
    low, high = accumulator_range(parameters["n0"].values, Encoding.of("UINT3"))
    values = {**network.values, "n2": Value((9,), Encoding.for_range(low, high))}
    check(replace(network, nodes=nodes, values=values, parameters=parameters), cache, 1)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "uint64"])
def test_integers_of_any_type_are_taken_as_they_are(kind, cache):
    network = small_network()
    x = random_inputs(network, 50, 0)
    arithmetic = compiled(network, cache)
    np.testing.assert_array_equal(arithmetic(x.astype(kind)), network(x))
    other_order = x.astype(np.dtype(kind).newbyteorder())
    np.testing.assert_array_equal(arithmetic(other_order), network(x))


def test_arrays_that_are_not_contiguous_are_taken(cache):
    network = small_network()
    x = random_inputs(network, 60, 0)
    arithmetic = compiled(network, cache)
    np.testing.assert_array_equal(arithmetic(x[::-2]), network(x[::-2]))
    np.testing.assert_array_equal(arithmetic(np.asfortranarray(x)), network(x))


@pytest.mark.parametrize("first", [(5, "INT3"), ("UINT2", 3)], ids=["weights", "thresholds"])
@pytest.mark.parametrize("source", ["BIPOLAR", "UINT4", "INT4", "UINT8", "INT12", "UINT16"])
@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int64", "uint64"])
def test_an_integer_outside_the_encoding_is_refused_wherever_it_is(source, kind, first, cache):
    network = chain(source, 37, 0, first, (5, "INT3"))
    arithmetic, encoding = compiled(network, cache), Encoding.of(source)
    types = np.iinfo(kind)
    outside = [encoding.minimum - 1, encoding.maximum + 1, types.min, types.max]
    outside += [0] if encoding.is_bipolar else []
    for integer in outside:
        inside = encoding.minimum <= integer <= encoding.maximum and (
            integer or not encoding.is_bipolar
        )
        if inside or not types.min <= integer <= types.max:
            continue
        for frame, feature in ((0, 0), (1, 36), (69, 16)):
            x = np.full((70, 37), encoding.maximum, np.int64).astype(kind)
            if encoding.maximum > types.max:
                x[:] = 1
            x[frame, feature] = integer
            with pytest.raises(
                InputError, match=rf"value {integer} at index \({frame}, {feature}\)"
            ):
                arithmetic(x)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_share_a_batch_and_each_frame_is_in_its_place(threads, cache):
    network = chain("UINT8", 784, 0, ("BIPOLAR", 1), (200, "BIPOLAR"), ("UINT2", 3), (10, "INT4"))
    x = random_inputs(network, 5001, 0).astype(np.uint8)
    np.testing.assert_array_equal(compiled(network, cache, threads)(x), network(x))


def test_threads_refuse_what_any_of_them_finds(cache):
    network = chain("UINT4", 300, 0, (300, "BIPOLAR"))
    x = random_inputs(network, 6000, 0)
    x[4700, 3] = 16
    with pytest.raises(InputError, match=r"value 16 at index \(4700, 3\)"):
        compiled(network, cache, 4)(x)


def test_no_frames_give_no_outputs(cache):
    network = small_network()
    assert compiled(network, cache)(np.zeros((0, 3), np.uint8)).shape == (0, 2)


@pytest.mark.parametrize("encoding", ["UINT31", "UINT32", "INT32"])
def test_what_32_bit_sums_do_not_hold_is_left_to_numpy(encoding):
    if encoding.startswith("UINT"):
        network = small_network(values=values(x=value(3, encoding)))
    else:
        large = parameter([[2**29, 0], [0, 1]], encoding)
        scores = value(2, encoding)
        network = small_network(values=values(scores=scores), parameters=parameters(w1=large))
    assert layers_of(network.input_value, applied(network)) is None


def test_without_a_compiler_numpy_gives_the_same(bundle, network, cache, monkeypatch, tmp_path):
    x = random_inputs(network, 9000, 0).astype(np.uint8)
    fast = FunctionalDevice(bundle, cache)
    outputs, call = fast.run(x)
    monkeypatch.setenv("PATH", str(tmp_path))
    slow = FunctionalDevice(bundle, tmp_path / "cache")
    np.testing.assert_array_equal(slow.run(x)[0], outputs)
    assert slow.run(x)[1] == call
    assert slow.run(x[:0])[0].shape == (0, 5)
    assert not (tmp_path / "cache").exists()
    x[8000, 2] = 99
    for device in (fast, slow):
        with pytest.raises(InputError, match=r"value 99 at index \(8000, 2\)"):
            device.run(x)


def test_one_library_serves_all_networks(bundle, retrained, tmp_path):
    arithmetic._load.cache_clear()
    for made in (bundle, retrained):
        FunctionalDevice(made, tmp_path / "cache").run(np.zeros((1, 8), np.int64))
    check(small_network(), tmp_path / "cache", 0)
    assert len(list((tmp_path / "cache" / "functional").glob("*/*.so"))) == 1
