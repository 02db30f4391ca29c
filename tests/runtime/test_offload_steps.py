"""How a network becomes steps, programs and memory images; the arithmetic judged without RTL."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.offload_networks import SMALL, dense_network, irisnet, with_wide_activations
from support.random_networks import Shape, random_inputs, random_network, random_shape, with_softmax

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.models.errors import OverlayError
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Dense
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.offload import LEGAL_SIZES, Engine
from bitfold.overlays.program import DESCRIPTOR_BEATS, decode
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.library import Library
from bitfold.runtime.offload.assembler import Program
from bitfold.runtime.offload.steps import HostStep, run_steps, split

engines = st.builds(
    Engine,
    rows=st.sampled_from(LEGAL_SIZES["rows"]),
    lanes=st.sampled_from(LEGAL_SIZES["lanes"]),
    input_words=st.sampled_from(LEGAL_SIZES["input_words"][:6]),
    weight_words=st.sampled_from(LEGAL_SIZES["weight_words"][:4]),
    layers=st.integers(1, 6),
    softmax=st.booleans(),
)


def computed(engine: Engine, network: Network, x: np.ndarray) -> np.ndarray:
    """The network by its steps: programs on the machine in NumPy, the rest by the host."""

    def run(program: Program, x: np.ndarray) -> np.ndarray:
        starts = range(0, len(x), program.frames)
        return np.concatenate([program(engine, x[i : i + program.frames]) for i in starts])

    return run_steps(network, split(engine, network), x, run)


def kinds(engine: Engine, network: Network) -> list[str]:
    """The steps in words: a host step by its node, a program by its layers."""
    return [
        step.node.name
        if isinstance(step, HostStep)
        else "+".join(layer.name for layer in step.program.layers)
        for step in split(engine, network)
    ]


def only_program(engine: Engine, network: Network) -> Program:
    (step,) = split(engine, network)
    return step.program


def descriptors(program: Program) -> list[dict[str, int]]:
    size = DESCRIPTOR_BEATS
    return [decode(program.image[size * i : size * (i + 1)]) for i in range(len(program.layers))]


# The integers.


@settings(deadline=None, max_examples=150)
@given(
    engine=engines,
    shape_seed=st.integers(0, 2**32 - 1),
    seed=st.integers(0, 2**32 - 1),
    frames=st.one_of(st.integers(1, 3), st.integers(1, 64)),
)
def test_random_programs_give_the_integers_of_the_network(engine, shape_seed, seed, frames):
    network = random_network(random_shape(shape_seed), seed)
    x = random_inputs(network, frames, seed)
    try:
        y = computed(engine, network, x)
    except OverlayError:
        assert all(
            layer_misfits(engine, network, node)
            for node in network.nodes
            if isinstance(node.op, Dense)
        )
    else:
        np.testing.assert_array_equal(y, network(x))


def layer_misfits(engine: Engine, network: Network, node: Node) -> bool:
    """Whether a layer is beyond some limit of a small engine."""
    source, target = network.values[node.input], network.values[node.output]
    weight_bits = network.parameter(node, "weights").encoding.bits
    return (
        weight_bits * engine.words(source.size) > engine.weight_words
        or source.encoding.bits * engine.words(source.size)
        + target.encoding.bits * engine.words(target.size)
        > engine.input_words
    )


@pytest.mark.parametrize("columns", [1, 63, 64, 65, 127, 128, 129, 300])
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 64, 65])
def test_padding_never_changes_a_result(rows, columns):
    # Two layers, so that the first one's padding would meet the second one's weights.
    network = dense_network((columns, rows, 5), "BIPOLAR", "BIPOLAR")
    x = random_inputs(network, 5, 0)
    for lanes in (64, 256):
        engine = replace(SMALL, lanes=lanes)
        np.testing.assert_array_equal(computed(engine, network, x), network(x))


@pytest.mark.parametrize("x", ["BIPOLAR", "BINARY", "TERNARY", "UINT5", "INT8"])
@pytest.mark.parametrize("w", ["BIPOLAR", "BINARY", "TERNARY", "UINT3", "INT8"])
def test_every_pair_of_encodings_is_exact_at_its_extremes(w, x):
    shape = Shape((70, 9, 3), (x, x), (w, w), None, False, False)
    network = random_network(shape, 0)
    encoding = network.input_value.encoding
    inputs = np.concatenate(
        [
            np.full((1, 70), encoding.minimum),
            np.full((1, 70), encoding.maximum),
            random_inputs(network, 10, 0),
        ]
    )
    np.testing.assert_array_equal(computed(Engine(), network, inputs), network(inputs))


# What a program holds.


def test_a_layer_that_is_applied_twice_is_stored_once_and_run_twice():
    network = irisnet()
    assert sum(isinstance(node.op, Dense) for node in network.nodes) == 4
    program = only_program(Engine(), network)
    first, shared, again, last = descriptors(program)
    assert len({shared["load_offset"], first["load_offset"], last["load_offset"]}) == 3
    assert shared["load_offset"] == again["load_offset"]
    assert shared["load_beats"] == again["load_beats"]
    once = sum(layer["load_beats"] for layer in (first, shared, last))
    assert len(program.image) == 4 * DESCRIPTOR_BEATS + once
    x = random_inputs(network, 30, 0)
    np.testing.assert_array_equal(computed(Engine(), network, x), network(x))


@pytest.mark.parametrize(
    ("widths", "weight", "activation"),
    [
        ((784, 1024, 1024, 1024, 10), "BIPOLAR", "BIPOLAR"),
        ((256, 512, 512, 10), "INT4", "UINT4"),
        ((70, 9, 3), "TERNARY", "INT3"),
        ((4, 1, 1), "INT8", "UINT8"),
    ],
)
@pytest.mark.parametrize(
    "engine",
    [Engine(), Engine(64, 256, 65536, 4096, 128), Engine(8, 128, 4096, 256, 8)],
    ids=lambda engine: f"{engine.rows}x{engine.lanes}",
)
def test_a_layer_loads_its_own_bits_and_never_the_engines_capacity(
    engine, widths, weight, activation
):
    network = dense_network(widths, weight, activation)
    program = only_program(engine, network)
    layers = [node for node in network.nodes if isinstance(node.op, Dense)]
    for i, (node, descriptor) in enumerate(zip(layers, descriptors(program), strict=True)):
        parameter = network.parameter(node, "weights")
        rows, columns = parameter.values.shape
        weights = rows * parameter.encoding.bits * -(-columns // 64)
        last = node is layers[-1]
        levels = 1 if last else 2 ** network.values[layers[i + 1].input].encoding.bits - 1
        # A row's constant is half a beat; an odd row has the other half to itself.
        assert descriptor["load_beats"] == weights + levels * -(-rows // 2) == program.loads[i]
    assert len(program.image) == len(layers) * DESCRIPTOR_BEATS + sum(program.loads)


def test_only_the_first_layer_reads_memory_and_only_the_last_one_writes_it():
    program = only_program(Engine(), dense_network((20, 30, 40, 50, 6)))
    assert [d["origin"] for d in descriptors(program)] == [1, 0, 0, 0]
    assert [d["to_memory"] for d in descriptors(program)] == [0, 0, 0, 1]


@pytest.mark.parametrize("input_words", [64, 128, 1024, 65536])
def test_as_many_frames_go_into_a_call_as_the_chip_holds(input_words):
    engine = replace(Engine(), input_words=input_words)
    network = dense_network((100, 30, 70, 3), "INT4", "UINT3")
    program = only_program(engine, network)
    # Words of 64: 2 x 3 bits and 1 x 3, 1 x 3 and 2 x 3, 2 x 3 and the 1 of 11-bit scores.
    scores = network.output_value.encoding.bits
    assert program.frames == input_words // max(9, 6 + scores)
    x = random_inputs(network, program.frames + 1, 0)
    np.testing.assert_array_equal(computed(engine, network, x), network(x))


# Steps.


def test_a_threshold_in_front_is_the_hosts():
    shape = Shape((6, 8, 3), ("INT8", "BIPOLAR"), ("INT2", "BIPOLAR"), "UINT2", False, False)
    network = random_network(shape, 0)
    assert kinds(Engine(), network) == ["quantize", "fc0+fc1"]
    x = random_inputs(network, 9, 0)
    np.testing.assert_array_equal(computed(Engine(), network, x), network(x))


def test_a_layer_that_is_too_wide_is_the_hosts_and_the_engine_goes_on_behind_it():
    engine = replace(Engine(), weight_words=16)
    network = dense_network((20, 1100, 30, 5), seed=3)
    assert kinds(engine, network) == ["fc0", "fc1", "act1", "fc2"]
    x = random_inputs(network, 9, 0)
    np.testing.assert_array_equal(computed(engine, network, x), network(x))


def test_more_layers_than_a_program_holds_take_several_calls():
    network = dense_network((20, 30, 40, 50, 60, 6), "INT2", "UINT2")
    assert kinds(replace(Engine(), layers=2), network) == ["fc0+fc1", "fc2+fc3", "fc4"]
    assert kinds(replace(Engine(), layers=1), network) == ["fc0", "fc1", "fc2", "fc3", "fc4"]
    assert kinds(replace(Engine(), layers=5), network) == ["fc0+fc1+fc2+fc3+fc4"]
    x = random_inputs(network, 9, 0)
    for layers in range(1, 6):
        engine = replace(Engine(), layers=layers)
        np.testing.assert_array_equal(computed(engine, network, x), network(x))


@pytest.mark.parametrize("declared", ["INT5", "INT9", "INT16"])
@pytest.mark.parametrize("layers", [1, 2, 5])
def test_activations_may_be_declared_wider_than_their_levels(layers, declared):
    # Between calls they travel as they were declared, or not at all if that is too wide.
    network = with_wide_activations(dense_network((20, 30, 40, 50, 6), "INT2", "INT2"), declared)
    engine = replace(Engine(), layers=layers)
    x = random_inputs(network, 9, 0)
    np.testing.assert_array_equal(computed(engine, network, x), network(x))


def test_thresholds_of_too_many_levels_are_the_hosts_and_their_layer_is_not():
    shape = Shape((20, 30, 7), ("INT4", "UINT9"), ("INT4", "INT2"), None, False, False)
    network = random_network(shape, 0)
    assert kinds(Engine(), network) == ["fc0", "act0", "fc1"]
    x = random_inputs(network, 9, 0)
    np.testing.assert_array_equal(computed(Engine(), network, x), network(x))


def test_a_class_among_more_rows_than_the_engine_has_is_chosen_by_the_host():
    network = dense_network((20, 30, 17), argmax=True)
    assert kinds(replace(Engine(), rows=16), network) == ["fc0+fc1", "argmax"]
    assert kinds(replace(Engine(), rows=32), network) == ["fc0+fc1"]
    x = random_inputs(network, 9, 0)
    for rows in (16, 32):
        engine = replace(Engine(), rows=rows)
        np.testing.assert_array_equal(computed(engine, network, x), network(x))


@pytest.mark.parametrize(
    ("classes", "form", "softmax", "expected"),
    [
        (16, "reduced", True, ["fc0+fc1"]),
        (17, "reduced", True, ["fc0+fc1", "softmax"]),
        (5, "plain", True, ["fc0+fc1", "softmax"]),
        (5, "reduced", False, ["fc0+fc1", "softmax"]),
    ],
)
def test_shares_that_the_engine_has_no_rows_or_no_softmax_for_are_the_hosts(
    classes, form, softmax, expected
):
    engine = Engine(rows=16, softmax=softmax)
    shape = Shape((20, 30, classes), ("UINT4",) * 2, ("INT4",) * 2, None, False, False)
    network = random_network(with_softmax(shape, form), 0)
    assert kinds(engine, network) == expected
    x = random_inputs(network, 9, 0)
    np.testing.assert_array_equal(computed(engine, network, x), network(x))


def test_a_network_of_which_no_layer_fits_is_refused_with_every_reason():
    network = dense_network((1000, 2000, 1000), "INT8", "INT8")
    with pytest.raises(OverlayError) as refused:
        split(Engine(input_words=256, weight_words=16), network)
    scores = network.output_value.encoding.bits
    reasons = str(refused.value).split("; ")
    assert reasons == [
        "fc0: weight words a row 128, the engine's limit is 16",
        "fc0: words on chip of one frame 384, the engine's limit is 256",
        "fc1: weight words a row 256, the engine's limit is 16",
        f"fc1: words on chip of one frame {8 * 32 + scores * 16}, the engine's limit is 256",
    ]


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (
            Shape((6, 3), ("INT9",), ("INT2",), None, False, False),
            "fc0: input bits 9, the engine's limit is 8",
        ),
        (
            Shape((6, 3), ("INT2",), ("UINT9",), None, False, False),
            "fc0: weight bits 9, the engine's limit is 8",
        ),
        (
            Shape((16400, 3), ("UINT8",), ("UINT8",), None, False, False),
            f"fc0: largest sum {16400 << 17}, the engine's limit is {2**31 - 1}",
        ),
    ],
    ids=("input", "weights", "sum"),
)
def test_a_limit_is_named_with_layer_and_value(network, reason):
    engine = Engine(input_words=65536, weight_words=4096)
    with pytest.raises(OverlayError) as refused:
        split(engine, random_network(network, 0))
    assert reason in str(refused.value).split("; ")


# The library.


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Two dataflow bundles and two engines, the first of which is too small for most."""
    folder = tmp_path_factory.mktemp("shelf")
    shape = Shape((8, 6, 5), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
    one, two = random_network(shape, 1), replace(random_network(shape, 2), name="two")
    folding = {"fc0": Fold(2, 4), "fc1": Fold(1, 3)}
    make_engine(Engine(8, 64, 64, 16, 1), folder / "a-small")
    make_engine(Engine(), folder / "b-engine")
    compile_dataflow(one, folding, folder / "c-one")
    compile_dataflow(two, folding, folder / "d-two")
    return folder, one, two


def test_the_overlay_made_for_a_network_comes_before_any_engine(shelf):
    folder, one, two = shelf
    library = Library(folder)
    assert library.pick(one).path.name == "c-one"
    assert library.pick(two).path.name == "d-two"
    renamed = replace(two, name="elsewhere")
    assert library.pick(renamed).path.name == "d-two", "what counts is what it computes"


def test_any_other_network_goes_to_the_first_engine_that_it_fits(shelf):
    folder, *_ = shelf
    library = Library(folder)
    narrow = dense_network((20, 30, 5))
    assert library.pick(narrow).path.name == "a-small"
    wide = dense_network((1100, 5), "INT2")
    assert library.pick(wide).path.name == "b-engine"
    turned = Library([folder / "b-engine", folder / "a-small"])
    assert turned.pick(narrow).path.name == "b-engine"


def test_the_user_may_insist_on_an_overlay(shelf):
    folder, one, _ = shelf
    library = Library(folder)
    assert library.pick(one, "dataflow").path.name == "c-one"
    assert library.pick(one, "offload").path.name == "a-small"
    with pytest.raises(OverlayError, match="'dataflo' is unknown; choose one of auto, dataflow, "):
        library.pick(one, "dataflo")
    with Accelerator(library, "functional", network=one, overlay="offload") as accelerator:
        assert accelerator.bundle.kind == "offload"
        x = random_inputs(one, 5, 0)
        np.testing.assert_array_equal(accelerator.run(x), one(x))


def test_where_nothing_runs_a_network_each_candidate_has_its_reason(shelf):
    folder, *_ = shelf
    library = Library(folder)
    network = dense_network((100, 3), "INT2", "INT9")
    with pytest.raises(OverlayError) as refused:
        library.pick(network)
    *reasons, last = str(refused.value).removeprefix("no bundle runs random: ").split("; ")
    assert last == "compile one for it, or make a larger offload overlay"
    assert reasons == [
        f"random ({folder / 'c-one'}): made for another network, random",
        f"two ({folder / 'd-two'}): made for another network, two",
        f"offload 8x64 ({folder / 'a-small'}): fc0: input bits 9, the engine's limit is 8",
        f"offload 64x64 ({folder / 'b-engine'}): fc0: input bits 9, the engine's limit is 8",
    ]
    with pytest.raises(OverlayError) as refused:
        library.pick(network, "dataflow")
    said = str(refused.value)
    assert said.count("a offload overlay, but dataflow was asked for") == 2
    assert said.count("made for another network") == 2


def test_a_library_has_only_one_network_or_says_so(shelf):
    folder, one, _ = shelf
    assert Library(folder / "c-one").only_network().id == one.id
    with pytest.raises(OverlayError, match="made for 2 networks, so say which is to run"):
        Library(folder).only_network()
    with pytest.raises(OverlayError, match="made for 0 networks, so say which is to run"):
        Library(folder / "b-engine").only_network()
