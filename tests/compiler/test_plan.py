"""The design of an overlay and what is written from it: figures, memory images, wiring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_networks import Shape, random_folding, random_network, random_shape

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.emit import dataflow_rtl
from bitfold.build.compile.lowering import lower
from bitfold.build.compile.passes.argmax import choose_class_on_chip
from bitfold.models.encoding import Encoding
from bitfold.models.errors import FoldingError, OverlayError
from bitfold.models.host import HostOp
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import ArgMax, Dense, Threshold
from bitfold.models.value import Parameter, Value
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.dataflow.stages import ArgMaxStage, MatrixStage, ThresholdStage
from bitfold.overlays.dataflow.storage import design_images
from bitfold.overlays.images import image_name

SHAPE = Shape((6, 4, 3), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
SMALL = random_network(SHAPE, 1)
FOLDING = {"fc0": Fold(2, 3), "fc1": Fold(1, 4)}

seeds = st.integers(0, 2**32 - 1)


def folded(shape: int, seed: int):
    network = random_network(random_shape(shape), seed)
    return network, lower(network, random_folding(network, seed))


# Figures. That the RTL has them too is for test_end_to_end.py and test_random_networks.py.


def test_the_figures_of_a_small_overlay_are_those_counted_by_hand():
    design = lower(SMALL, FOLDING)
    # In cycle 0 the one input beat is taken; from 2 on the link gives 2 beats of 3 integers: 2, 3.
    # fc0 (2 blocks of rows, 2 of columns, 1 register in its dot products) gives its blocks 4 cycles
    # after it has all columns, and 2 later: 7, 9; the threshold (1 bit) 2 cycles later: 9, 11. The
    # link to fc1 gathers 4: 13. fc1 (3 blocks, all columns at once, no register) gives a row a
    # cycle, 3 later: 16, 17, 18; the link to the port gathers 3: 20.
    assert design.latency_cycles == 20
    assert design.initiation_interval == 4  # fc0: 2 x 2
    assert design.bottleneck == "fc0"
    # 8 for the shell, 1 to multiply by one beat a frame, the memory there and back, 9 frames more.
    assert design.call_cycles(10, memory_latency_cycles=20) == 8 + 1 + 2 * 20 + 20 + 9 * 4
    assert design.call_cycles(0, memory_latency_cycles=20) == 0


@settings(deadline=None)
@given(shape=seeds, seed=seeds)
def test_the_slowest_stage_or_port_sets_the_pace_and_is_named(shape, seed):
    _, design = folded(shape, seed)
    cycles = {stage.name: stage.cycles for stage in design.stages}
    ports = {"input port": design.input.beats, "output port": design.output.beats}
    assert design.initiation_interval == max({**cycles, **ports}.values())
    assert {**cycles, **ports}[design.bottleneck] == design.initiation_interval


@settings(deadline=None)
@given(shape=seeds, seed=seeds)
def test_a_frame_takes_no_less_than_its_slowest_part(shape, seed):
    _, design = folded(shape, seed)
    assert design.latency_cycles >= max(s.cycles for s in design.stages)
    assert design.latency_cycles >= design.input.beats - 1 + design.output.beats


@settings(deadline=None)
@given(shape=seeds, seed=seeds)
def test_lanes_fit_together(shape, seed):
    _, design = folded(shape, seed)
    lanes = design.input.lanes
    for i, stage in enumerate(design.stages):
        (edge,) = design.into(i)
        link = edge.link
        assert edge.source == (i - 1 if i else None)
        if link:
            assert link.lanes_in == lanes and link.lanes_out == stage.lanes_in
            assert link.wide % link.lanes_in == link.padded % link.lanes_out == 0
        else:
            assert stage.lanes_in == lanes
        lanes = stage.lanes_out
    (out,) = design.into(None)
    assert out.source == len(design.stages) - 1
    if out.link:
        assert (out.link.lanes_in, out.link.lanes_out) == (lanes, design.output.lanes)
    else:
        assert (lanes, design.output.beats) == (design.output.elements, 1)


def test_each_layer_is_a_stage_and_thresholds_are_wired_to_their_matrix():
    network = random_network(replace(SHAPE, input_threshold="UINT2", argmax=True), 1)
    design = lower(network, {"quantize": Fold(3), **FOLDING})
    kinds = [type(stage) for stage in design.stages]
    assert kinds == [ThresholdStage, MatrixStage, ThresholdStage, MatrixStage, ArgMaxStage]
    direct = [edge.link is None for edge in design.edges]
    assert direct == [False, False, True, False, True, True]
    assert design.layers == ("quantize", "fc0", "fc1")
    assert design.folding == {"quantize": Fold(3), **FOLDING}


def test_the_estimate_grows_with_the_products_in_parallel():
    network = random_network(replace(SHAPE, widths=(64, 64, 64)), 1)
    luts = [lower(network, {"fc0": Fold(n, n), "fc1": Fold(n, n)}).luts() for n in (4, 16, 64)]
    assert luts == sorted(luts) and luts[0] < luts[-1] / 4


# What no overlay can hold.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc1": None}, "fc1: no PE and SIMD given; give one for every layer"),
        ({"fc7": Fold(1, 1)}, "fc7: not a layer that can be folded; these can: fc0, fc1"),
        ({"act0": Fold(1)}, "act0: not a layer that can be folded; these can: fc0, fc1"),
        ({"fc0": Fold(3, 3)}, "fc0: PE=3 does not divide 4 rows; try 1, 2 or 4"),
        ({"fc0": Fold(2, 5)}, "fc0: SIMD=5 does not divide 6 columns; try 2, 3 or 6"),
        ({"fc0": Fold(-2, 3)}, "fc0: PE=-2 does not divide 4 rows"),
    ],
)
def test_a_folding_that_does_not_fit_names_the_layer(change, message):
    wrong = {name: fold for name, fold in {**FOLDING, **change}.items() if fold}
    with pytest.raises(FoldingError, match=f"^{message}"):
        lower(SMALL, wrong)


def one_layer(weight: str, thresholds: int | None = None) -> Network:
    values = np.full((2, 3), Encoding.of(weight).maximum, np.int32)
    tensors = {"x": Value((3,), Encoding.of("UINT2")), "y": Value((2,), Encoding.of("INT16"))}
    parameters = {"w": Parameter(values, Encoding.of(weight))}
    nodes: list = [Node("fc", Dense(), ("x",), ("y",), ("w",))]
    if thresholds:
        steps = np.arange(thresholds, dtype=np.int32)[None]
        parameters["t"] = Parameter(steps, Encoding.of("INT16"))
        tensors["z"] = Value((2,), Encoding.of("UINT16"))
        nodes.append(Node("act", Threshold(0), ("y",), ("z",), ("t",)))
    return Network(
        name="one",
        sample_shape=(3,),
        quantizer=(),
        input="x",
        output=nodes[-1].output,
        values=tensors,
        parameters=parameters,
        nodes=tuple(nodes),
        head=(),
    )


def test_weights_of_more_than_eight_bits_are_refused():
    lower(one_layer("INT8"), {"fc": Fold(1, 1)})
    with pytest.raises(OverlayError, match=r"^fc: weights of 9 bits; the overlay takes at most 8"):
        lower(one_layer("INT9"), {"fc": Fold(1, 1)})


def test_activations_of_more_than_eight_bits_are_refused():
    lower(one_layer("INT8", thresholds=255), {"fc": Fold(1, 1)})
    with pytest.raises(OverlayError, match=r"^act: 256 thresholds a channel; .* at most 255: quan"):
        lower(one_layer("INT8", thresholds=256), {"fc": Fold(1, 1)})


@pytest.mark.parametrize("clock", [0, -100, float("nan"), float("inf")])
def test_a_clock_that_is_no_number_above_zero_is_refused(clock, tmp_path):
    with pytest.raises(OverlayError, match="MHz can't be; give a number above zero"):
        compile_dataflow(SMALL, FOLDING, tmp_path / "bundle", clock)
    assert not list(tmp_path.iterdir())


# Memory images, read back as the RTL's comments say they are laid out.


def words_of(image: str) -> list[int]:
    return [int(line, 16) for line in image.split()]


def field(word: int, index: int, encoding: Encoding) -> int:
    stored = word >> index * encoding.bits & (1 << encoding.bits) - 1
    return int(encoding.from_bits(np.array(stored, np.uint64)))


@settings(deadline=None, max_examples=40)
@given(shape=seeds, seed=seeds)
def test_weight_images_hold_the_weights_where_mvau_reads_them(shape, seed):
    network, design = folded(shape, seed)
    images = design_images(design)
    nodes = {node.name: node for node in network.nodes}
    for i, stage in enumerate(design.stages):
        if not isinstance(stage, MatrixStage):
            continue
        words = words_of(images[image_name(i, "weights")])
        pe, simd, folds = stage.fold.pe, stage.fold.simd, stage.columns // stage.fold.simd
        assert len(words) == stage.rows // pe * folds
        read = [
            [
                field(words[r // pe * folds + c // simd], r % pe * simd + c % simd, stage.weight)
                for c in range(stage.columns)
            ]
            for r in range(stage.rows)
        ]
        assert read == network.parameter(nodes[stage.name], "weights").values.tolist()


@settings(deadline=None, max_examples=50)
@given(shape=seeds, seed=seeds)
def test_threshold_images_lead_to_the_level_of_every_accumulator(shape, seed):
    network, design = folded(shape, seed)
    images = design_images(design)
    nodes = {node.name: node for node in network.nodes}
    random = np.random.default_rng(seed)
    for i, stage in enumerate(design.stages):
        if not isinstance(stage, ThresholdStage):
            continue
        lowest, highest = stage.input.encoding.minimum, stage.input.encoding.maximum
        never = Encoding.for_range(min(lowest, -1), highest + 1)
        words = [field(w, 0, never) for w in words_of(images[image_name(i, "thresholds")])]
        thresholds = network.parameter(nodes[stage.name], "thresholds").values
        pe, folds = stage.fold.pe, 1 if stage.shared else stage.output.size // stage.fold.pe
        fold_space = 1 << (folds - 1).bit_length()
        for channel in random.integers(0, stage.output.size, 5):
            row = thresholds[0 if stage.shared else channel]
            base = (channel % pe * fold_space + channel // pe % folds) << stage.level_bits
            for value in np.clip([lowest, highest, 0, *row[:9], *(row[:9] - 1)], lowest, highest):
                node = 1
                for _ in range(stage.level_bits):
                    node = 2 * node + (value >= words[base + node])
                assert node - (1 << stage.level_bits) == (row <= value).sum()


def test_sums_of_32_bits_with_thresholds_are_refused_by_layer_value_limit_and_remedy():
    shape = Shape((6, 4, 3), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
    network = random_network(shape, 1)
    threshold = next(node for node in network.nodes if isinstance(node.op, Threshold))
    wide = {**network.values, threshold.input: Value((4,), Encoding.of("INT32"))}
    with pytest.raises(OverlayError) as caught:
        lower(replace(network, values=wide), FOLDING)
    for part in (f"{threshold.name}: it compares INT32", "below 2147483647", "declare the narrow"):
        assert part in str(caught.value)
    fits = {**network.values, threshold.input: Value((4,), Encoding.of("INT31"))}
    assert design_images(lower(replace(network, values=fits), FOLDING))


def test_a_shared_parameter_has_equal_images_in_both_places():
    twice = Network(
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
        parameters={"w": Parameter(np.eye(3, dtype=np.int32), Encoding.of("INT2"))},
        nodes=(
            Node("first", Dense(), ("x",), ("y",), ("w",)),
            Node("second", Dense(), ("y",), ("z",), ("w",)),
        ),
        head=(),
    )
    same = {"first": Fold(1, 3), "second": Fold(1, 3)}
    images = design_images(lower(twice, same))
    assert images[image_name(0, "weights")] == images[image_name(1, "weights")]


def test_only_images_depend_on_weights_so_that_one_build_serves_a_retrained_network():
    networks = [random_network(SHAPE, seed) for seed in (1, 2)]
    designs = [lower(network, FOLDING) for network in networks]
    rtl = [dataflow_rtl(network, design) for network, design in zip(networks, designs)]
    assert rtl[0] == rtl[1]
    assert design_images(designs[0]) != design_images(designs[1])


# The class on chip.


def with_head(*head: HostOp) -> Network:
    return replace(SMALL, head=head)


SCALE, HALF = np.float32(0.25), np.float32(0.5)


@pytest.mark.parametrize(
    "head",
    [
        (),
        (HostOp("Mul", (SCALE,)),),
        (HostOp("Div", (np.float32([0.25, 0.25, 0.25]),)), HostOp("Add", (HALF,))),
        (HostOp("Sub", (np.float32([1, 1, 1]),)), HostOp("Softmax")),
    ],
    ids=str,
)
def test_the_class_is_chosen_on_chip_where_the_head_keeps_the_order(head):
    network = with_head(*head)
    chosen = choose_class_on_chip(network)
    assert isinstance(chosen.nodes[-1].op, ArgMax) and not chosen.head
    x = np.random.default_rng(0).integers(0, 16, (200, 6))
    np.testing.assert_array_equal(chosen.classes(chosen(x)), network.classes(network(x)))
    assert choose_class_on_chip(chosen) == chosen


@pytest.mark.parametrize(
    "head",
    [
        (HostOp("Mul", (-SCALE,)),),
        (HostOp("Mul", (np.float32(0),)),),
        (HostOp("Mul", (np.float32([0.25, 0.5, 0.25]),)),),
        (HostOp("Mul", (SCALE,)), HostOp("Add", (np.float32([0, 0, 1]),))),
        (HostOp("BipolarQuant"),),
        (HostOp("Quant", tuple(np.float32([1, 0, -8, 7]))),),
    ],
    ids=str,
)
def test_the_class_is_left_to_the_host_where_the_head_may_change_the_order(head):
    with pytest.raises(
        OverlayError, match=f"random: the class can't be chosen on chip.*{head[-1].kind}"
    ):
        choose_class_on_chip(with_head(*head))


def test_one_output_has_no_class():
    with pytest.raises(
        OverlayError, match="one output has no largest; leave the class to the host"
    ):
        choose_class_on_chip(
            random_network(Shape((6, 1), ("UINT4",), ("INT3",), None, False, False), 1)
        )
