"""Foldings: only legal ones, the cheapest for a target, and the files that state them."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.bnn_pynq_files import CNV, write_files
from support.random_convolutions import Maps
from support.random_networks import Shape, random_folding, random_network, random_shape

from bitfold.build.compile import folding
from bitfold.build.compile.lowering import Foldable, foldable, lower
from bitfold.build.frontend.bnn_pynq import read_bnn_pynq
from bitfold.models.encoding import Encoding
from bitfold.models.errors import FoldingError
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Conv2d, Dense
from bitfold.models.value import Parameter, Value
from bitfold.overlays import kernels
from bitfold.overlays.dataflow.fold import Fold

# Two layers, 6 -> 4 -> 3, and the same behind an input threshold.
SHAPE = Shape((6, 4, 3), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
SMALL = random_network(SHAPE, 1)
WITH_THRESHOLD = random_network(
    Shape((6, 4, 3), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), "UINT2", False, False), 1
)

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
networks = st.builds(
    lambda shape, seed: random_network(random_shape(shape), seed),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def all_foldings(network: Network) -> list[dict[str, Fold]]:
    layers = foldable(network)
    choices = [
        [Fold(pe, simd) for pe in divisors(size.rows) for simd in divisors(size.columns)]
        for size in layers.values()
    ]
    return [dict(zip(layers, folds)) for folds in product(*choices)]


def products(chosen: dict[str, Fold]) -> int:
    """Products a cycle, and as a tie-break rows in parallel: what `for_cycles` keeps low."""
    return sum(fold.pe * fold.simd for fold in chosen.values())


# The layers that can be folded.


def test_matrices_and_a_threshold_in_front_can_be_folded():
    layers = {"fc0": Foldable(4, 6), "fc1": Foldable(3, 4)}
    assert foldable(SMALL) == layers
    assert foldable(WITH_THRESHOLD) == {"quantize": Foldable(6, 1), **layers}


@settings(deadline=None, max_examples=20, phases=NO_SHRINKING)
@given(network=networks, cycles=st.integers(1, 10_000))
def test_only_legal_foldings_are_chosen_and_they_meet_the_target(network, cycles):
    least = folding.least_cycles(network)
    if cycles < least:
        with pytest.raises(FoldingError, match=f"{cycles} cycles a frame can't be reached"):
            folding.for_cycles(network, cycles)
        return
    chosen = folding.for_cycles(network, cycles)
    assert set(chosen) == set(foldable(network))
    for layer, (rows, columns, *_) in foldable(network).items():
        assert rows % chosen[layer].pe == 0
        assert columns % chosen[layer].simd == 0
    assert lower(network, chosen).initiation_interval <= cycles


@pytest.mark.parametrize("network", [SMALL, WITH_THRESHOLD], ids=["matrices", "with a threshold"])
@pytest.mark.parametrize("cycles", [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 23, 24, 25, 100])
def test_no_legal_folding_that_meets_the_target_takes_fewer_products(network, cycles):
    chosen = folding.for_cycles(network, cycles)
    rivals = [
        rival
        for rival in all_foldings(network)
        if lower(network, rival).initiation_interval <= cycles
    ]
    assert products(chosen) == min(map(products, rivals))
    cheapest = [rival for rival in rivals if products(rival) == products(chosen)]
    assert sum(f.pe for f in chosen.values()) == min(
        sum(f.pe for f in rival.values()) for rival in cheapest
    )


def test_a_target_below_what_a_port_takes_names_the_port_and_what_it_takes():
    wide = random_network(Shape((96, 4), ("INT8",), ("BIPOLAR",), None, False, False), 1)
    assert folding.least_cycles(wide) == 12  # 96 bytes in beats of 8
    with pytest.raises(FoldingError, match="the input port takes 12 for its 64-bit beats"):
        folding.for_cycles(wide, 11)
    assert lower(wide, folding.for_cycles(wide, 12)).initiation_interval == 12


@pytest.mark.parametrize("cycles", [0, -1])
def test_a_target_below_one_cycle_is_refused(cycles):
    with pytest.raises(FoldingError, match=f"^{cycles} cycles a frame can't be; ask for 1 or more"):
        folding.for_cycles(SMALL, cycles)


@given(fps=st.floats(1e5, 1e8), clock=st.floats(1, 500))
def test_a_frame_rate_is_reached_at_the_clock(fps, clock):
    if clock * 1e6 / fps < 1:
        with pytest.raises(FoldingError, match="more than one each cycle"):
            folding.for_frames_per_second(SMALL, fps, clock)
        return
    chosen = folding.for_frames_per_second(SMALL, fps, clock)
    assert clock * 1e6 / lower(SMALL, chosen).initiation_interval >= fps


@pytest.mark.parametrize(
    ("fps", "clock"),
    [(0, 100), (-1, 100), (1, 0), (1, -5), (np.nan, 100), (1, np.nan), (np.inf, 1)],
)
def test_a_frame_rate_or_clock_that_is_no_number_above_zero_is_refused(fps, clock):
    with pytest.raises(FoldingError, match="both must be numbers above zero"):
        folding.for_frames_per_second(SMALL, fps, clock)


@settings(deadline=None, max_examples=4, phases=NO_SHRINKING)
@given(network=networks, share=st.floats(0, 1))
def test_a_lut_budget_gives_the_fastest_folding_within_it(network, share):
    slowest = max(size.rows * size.columns for size in foldable(network).values())
    cost = {
        cycles: lower(network, folding.for_cycles(network, cycles)).luts()
        for cycles in range(folding.least_cycles(network), min(slowest, 300) + 1)
    }
    budget = round(min(cost.values()) + share * (max(cost.values()) - min(cost.values())))
    chosen = lower(network, folding.for_luts(network, budget))
    assert chosen.luts() <= budget
    fastest = min(cycles for cycles, luts in cost.items() if luts <= budget)
    assert chosen.initiation_interval <= fastest


def test_a_lut_budget_that_nothing_fits_is_refused():
    with pytest.raises(
        FoldingError, match=r"even the smallest folding is estimated at \d+ LUTs, ab"
    ):
        folding.for_luts(SMALL, 1)


# Reuse factors.


@settings(deadline=None, max_examples=15, phases=NO_SHRINKING)
@given(network=networks, reuse=st.integers(2, 300))
def test_every_multiplier_does_the_reuse_factor_s_products_or_the_nearest_number(network, reuse):
    sizes = foldable(network)
    most = max(size.rows * size.columns for size in sizes.values())
    if reuse > most:
        with pytest.raises(FoldingError, match=f"reuse {reuse} can't be"):
            folding.for_reuse(network, reuse)
        return
    chosen = folding.for_reuse(network, reuse)
    stages = {stage.name: stage for stage in lower(network, chosen).stages}
    for layer, size in sizes.items():
        rows, columns = size.rows, size.columns
        rivals = [
            (rows // pe) * (columns // simd) for pe in divisors(rows) for simd in divisors(columns)
        ]
        assert folding.legal_reuse(size) == sorted(set(rivals)) == divisors(rows * columns)
        taken = rows * columns // (chosen[layer].pe * chosen[layer].simd)
        assert abs(taken - reuse) == min(abs(rival - reuse) for rival in rivals)
        assert stages[layer].cycles == taken


def test_of_two_reuse_factors_that_are_as_near_the_smaller_is_taken():
    # 24 products in fc0 and 12 in fc1: 10 lies between 8 and 12, and 12 is one that both can have.
    assert folding.for_reuse(SMALL, 12) == {"fc0": Fold(1, 2), "fc1": Fold(1, 1)}
    assert folding.for_reuse(SMALL, 10)["fc0"] == Fold(1, 3)


def test_reuse_1_is_every_layer_unrolled():
    assert folding.for_reuse(SMALL, 1) == folding.unrolled(SMALL)
    assert folding.choose(SMALL, reuse=1, levels=2) == folding.unrolled(SMALL, 2)


@pytest.mark.parametrize("reuse", [-1, 0, 25])
def test_a_reuse_factor_that_no_layer_can_have_is_refused_with_those_that_can_be(reuse):
    expected = (
        f"reuse {reuse} can't be; that of a layer has to divide its products: "
        "fc0 1, 2, 3, 4, 6, 8, 12, 24; fc1 1, 2, 3, 4, 6, 12"
    )
    with pytest.raises(FoldingError, match=f"{expected}$"):
        folding.choose(SMALL, reuse=reuse)


# Choosing.


def test_without_a_target_a_frame_takes_at_most_64_cycles():
    assert folding.choose(SMALL) == folding.for_cycles(SMALL, 64)


def test_a_slow_port_sets_the_pace_where_no_target_is_named():
    wide = random_network(Shape((96, 4), ("INT8",), ("BIPOLAR",), None, False, False), 1)
    many = Network(
        name="many",
        sample_shape=(784,),
        quantizer=(),
        input="x",
        output="y",
        values={"x": Value((784,), Encoding.of("UINT8")), "y": Value((2,), Encoding.of("INT19"))},
        parameters={"w": Parameter(np.ones((2, 784), np.int32), Encoding.of("BIPOLAR"))},
        nodes=(Node("fc", Dense(), ("x",), ("y",), ("w",)),),
        head=(),
    )
    assert lower(wide, folding.choose(wide)).initiation_interval <= 64
    assert lower(many, folding.choose(many)).initiation_interval == 98


def test_two_targets_at_once_are_refused():
    with pytest.raises(FoldingError, match="cycles and luts are targets of their own; give one"):
        folding.choose(SMALL, cycles=3, luts=300)


def test_single_layers_can_be_overridden():
    chosen = folding.for_cycles(SMALL, 24)
    changed = folding.override(SMALL, chosen, ["fc0=2,3", "fc1=3"])
    assert changed == {"fc0": Fold(2, 3), "fc1": Fold(3, 1)}
    assert folding.override(SMALL, chosen, []) == chosen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fc9=1,1", r"fc9=1,1: 'fc9' is no layer; there are fc0, fc1"),
        ("fc0", r"fc0: write it as fc0=PE,SIMD, as in fc0=2,4"),
        ("fc0=", r"fc0=: write it as"),
        ("fc0=a,b", r"fc0=a,b: write it as"),
        ("fc0=-2", r"fc0=-2: write it as"),
        ("fc0=1,2,3", r"fc0=1,2,3: write it as"),
        ("fc0=\u00b2,1", "fc0=\u00b2,1: write it as"),
        ("fc0=" + "9" * 5000, "fc0=9+: write it as"),
        ("fc0=unrolled," + "9" * 9, "fc0: unrolled=999999999 cycles; from 1 to 256 can be"),
        ("fc0=3,1", r"fc0: PE=3 does not divide 4 rows; try 1, 2 or 4"),
        ("fc0=1,4", r"fc0: SIMD=4 does not divide 6 columns; try 2, 3 or 6"),
        ("fc0=0", r"fc0: PE=0 does not divide 4 rows; try 1, 2 or 4"),
        ("fc1=2", r"fc1: PE=2 does not divide 3 rows; try 1 or 3"),
    ],
)
def test_an_illegal_override_names_layer_value_and_remedy(text, message):
    with pytest.raises(FoldingError, match=f"^{message}"):
        folding.override(SMALL, folding.for_cycles(SMALL, 24), [text])


@pytest.mark.parametrize("cycles", [-1, 257, 10**7])
def test_a_layer_has_no_more_registers_than_logic_between_them(cycles, written):
    content = {"fc0": {"PE": 4, "SIMD": 6, "unrolled": cycles}, "fc1": {"PE": 1, "SIMD": 4}}
    with pytest.raises(FoldingError, match=f"fc0: unrolled={cycles} cycles; from 1 to 256 can be"):
        lower(SMALL, folding.from_json(SMALL, written(content)))


def test_more_cycles_a_frame_than_there_are_numbers_is_the_smallest_folding():
    assert folding.for_frames_per_second(SMALL, 1e-320, 100.0) == folding.for_cycles(SMALL, 10**9)


def test_a_layer_of_one_row_says_that_only_one_divides():
    one = random_network(Shape((5, 1), ("UINT2",), ("INT2",), None, False, False), 1)
    with pytest.raises(FoldingError, match="fc0: PE=2 does not divide 1 rows; only 1 does"):
        lower(one, {"fc0": Fold(2, 1)})


# Files.


@pytest.fixture
def written(tmp_path):
    def write(content) -> object:
        file = tmp_path / "folding.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    return write


def test_a_file_may_name_the_layers(written):
    content = {"fc0": {"PE": 2, "SIMD": 3}, "fc1": {"PE": 1, "SIMD": 4}}
    assert folding.from_json(SMALL, written(content)) == {"fc0": Fold(2, 3), "fc1": Fold(1, 4)}


@pytest.mark.parametrize("stem", ["MVAU_", "MVAU_hls_", "MVAU_rtl_", "MatrixVectorActivation_"])
def test_a_file_may_be_finns_folding_config(stem, written):
    content = {
        "Defaults": {},
        f"{stem}0": {"PE": 2, "SIMD": 3, "ram_style": "auto", "resType": "lut"},
        f"{stem}1": {"PE": 3, "SIMD": 2, "mem_mode": "internal_decoupled"},
    }
    expected = {"fc0": Fold(2, 3), "fc1": Fold(3, 2)}
    assert folding.from_json(SMALL, written(content)) == expected


def test_finns_defaults_stand_for_the_layers_that_are_left_out(written):
    content = {"Defaults": {"PE": [1, ["all"]], "SIMD": [2, ["MVAU"]]}, "MVAU_1": {"SIMD": 4}}
    expected = {"fc0": Fold(1, 2), "fc1": Fold(1, 4)}
    assert folding.from_json(SMALL, written(content)) == expected


def test_finns_first_thresholding_is_the_threshold_in_front(written):
    content = {
        "Thresholding_rtl_0": {"PE": 3},
        "MVAU_hls_0": {"PE": 2, "SIMD": 3},
        "MVAU_hls_1": {"PE": 1, "SIMD": 4},
    }
    expected = {"quantize": Fold(3), "fc0": Fold(2, 3), "fc1": Fold(1, 4)}
    assert folding.from_json(WITH_THRESHOLD, written(content)) == expected


@settings(deadline=None)
@given(network=networks, seed=st.integers(0, 2**32 - 1))
def test_what_is_written_for_finn_is_read_back(network, seed, tmp_path_factory):
    file = tmp_path_factory.mktemp("finn") / "folding.json"
    chosen = random_folding(network, seed)
    file.write_text(json.dumps(folding.to_finn_json(network, chosen)))
    assert folding.from_json(network, file) == chosen


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable JSON"),
        ("[1]", r"it is \[1\], and has to be an object; give a folding: an object of layers"),
        ({"fc0": 3}, "fc0 is 3, and has to be an object"),
        ({"fc0": {"PE": [], "SIMD": 3}}, r"fc0: PE is \[\], and has to be a whole number; give"),
        ({"Defaults": {"PE": [], "SIMD": [[1]]}}, r"fc0: PE is \[\], and has to be a whole number"),
        ({"Defaults": [1]}, r"Defaults is \[1\], and has to be an object"),
        ({"MVAU_" + "9" * 5000: {"PE": 1, "SIMD": 1}}, "MVAU_9+ is no layer of the network"),
        ({"MVAU_\u00b2": {"PE": 1, "SIMD": 1}}, "MVAU_\u00b2 is no layer of the network"),
        ({"fc0": {"PE": 1, "SIMD": 1}, "MVAU_0": {}}, "fc0 and MVAU_0 are both fc0; drop one"),
        ('{"fc0": {"PE": %s}}' % ("9" * 5000), "not readable JSON .a number of 5000 digits"),
        ({"fc0": {"PE": 1, "SIMD": 1, "unrolled": None}}, "fc0: unrolled is null, and has to be"),
        ({"fc0": {"PE": 2}}, "fc0: give PE and SIMD"),
        ({"fc0": {"PE": 2, "SIMD": 3}}, "fc1: give PE and SIMD"),
        ({"MVAU_0": {"SIMD": 3}}, "MVAU_0: give PE and SIMD"),
        ({"fc0": {"PE": "2", "SIMD": 3}}, 'fc0: PE is "2", and has to be a whole number'),
        ({"fc0": {"PE": 2, "SIMD": 1.5}}, "fc0: SIMD is 1.5, and has to be a whole number"),
        ({"fc0": {"PE": True, "SIMD": 3}}, "fc0: PE is true, and has to be a whole number"),
        (
            {"MVAU_2": {"PE": 1, "SIMD": 1}},
            r"MVAU_2 is no layer of the network; it has fc0, fc1 \(in FINN",
        ),
        ({"Pump_0": {"PE": 1}}, "Pump_0 is no layer"),
    ],
)
def test_a_file_that_does_not_fit_names_itself_and_the_entry(content, message, written):
    file = written(content)
    with pytest.raises(FoldingError, match=rf"folding\.json: {message}"):
        folding.from_json(SMALL, file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FoldingError, match=r"none\.json: can't be read .No such file"):
        folding.from_json(SMALL, tmp_path / "none.json")


def test_a_file_with_an_illegal_fold_names_the_layer(written):
    content = {"fc0": {"PE": 3, "SIMD": 3}, "fc1": {"PE": 1, "SIMD": 4}}
    chosen = folding.choose(SMALL, file=written(content))
    with pytest.raises(FoldingError, match="fc0: PE=3 does not divide 4 rows; try 1, 2 or 4"):
        lower(SMALL, chosen)


# Unrolled layers.


def test_a_layer_that_does_all_at_once_is_unrolled():
    chosen = folding.for_cycles(SMALL, 1)
    whole = {name: size.whole for name, size in foldable(SMALL).items()}
    assert {name: Fold(fold.pe, fold.simd) for name, fold in chosen.items()} == whole
    assert all(fold.unrolled for fold in chosen.values())
    assert chosen == folding.choose(SMALL, unroll=True)


def test_fewer_luts_between_registers_take_more_cycles():
    deep = [lower(SMALL, folding.unrolled(SMALL, levels)).latency_cycles for levels in (1, 3, 100)]
    assert deep == sorted(deep, reverse=True) and deep[0] > deep[-1]


def test_one_layer_can_be_unrolled_by_name():
    chosen = folding.choose(SMALL)
    rows, columns, *_ = foldable(SMALL)["fc0"]
    assert folding.override(SMALL, chosen, ["fc0=unrolled,3"])["fc0"] == Fold(rows, columns, 3)
    assert folding.override(SMALL, chosen, ["fc0=unrolled"])["fc0"].unrolled >= 1


def test_a_folding_file_can_unroll_a_layer(written):
    rows, columns, *_ = foldable(SMALL)["fc0"]
    content = {"fc0": {"PE": rows, "SIMD": columns, "unrolled": 2}, "fc1": {"PE": 1, "SIMD": 1}}
    assert folding.from_json(SMALL, written(content))["fc0"] == Fold(rows, columns, 2)


@pytest.mark.parametrize(
    ("network", "layer", "fold", "message"),
    [
        (SMALL, "fc0", Fold(1, 1, 2), "fc0: PE=1 and SIMD=1, but a layer is unrolled whole; give"),
        (WITH_THRESHOLD, "quantize", Fold(3, 1, 1), "only a dense layer can be unrolled; give PE"),
    ],
)
def test_what_can_not_be_unrolled_is_refused(network, layer, fold, message):
    with pytest.raises(FoldingError, match=message):
        lower(network, {**folding.choose(network), layer: fold})


def test_unrolling_with_no_lut_between_registers_is_refused():
    with pytest.raises(FoldingError, match="0 LUTs between registers can't be"):
        folding.unrolled(SMALL, 0)


# Convolutions.


def finn_config(network: Network) -> dict[str, dict]:
    """A folding config as FINN writes it for a network of convolutions."""
    config: dict[str, dict] = {"Defaults": {}, "Thresholding_rtl_0": {"PE": 1}}
    for i, layer in enumerate(kernels.products(network)):
        size = foldable(network)[layer]
        config[f"ConvolutionInputGenerator_hls_{i}"] = {"SIMD": 1, "ram_style": "distributed"}
        config[f"MVAU_hls_{i}"] = {"PE": size.rows, "SIMD": size.columns, "resType": "lut"}
    return config | {"StreamingMaxPool_hls_0": {"PE": 1}, "LabelSelect_hls_0": {"PE": 1}}


def test_finn_s_config_of_a_convolutional_network_folds_what_has_weights(tmp_path, written):
    network = read_bnn_pynq(write_files(tmp_path, CNV, "W1A1"))
    sizes = foldable(network)
    chosen = folding.from_json(network, written(finn_config(network)))
    for layer in kernels.products(network):
        assert chosen[layer] == Fold(sizes[layer].rows, sizes[layer].columns)
    others = set(sizes) - set(kernels.products(network))
    assert others and all(
        sizes[layer].cycles(chosen[layer])
        <= max(sizes[name].cycles(chosen[name]) for name in kernels.products(network))
        or chosen[layer] == sizes[layer].whole
        for layer in others
    )
    lower(network, chosen)


def test_a_feature_map_that_takes_longer_than_the_target_is_named(tmp_path):
    network = read_bnn_pynq(write_files(tmp_path, CNV, "W1A1"))
    with pytest.raises(FoldingError, match=r"20 cycles a frame can't be reached: conv0 takes 324 "):
        folding.for_cycles(network, 20)


def test_a_depthwise_layer_is_folded_by_its_channels_alone():
    drawing = Maps(3)
    x = drawing.value("x", Value((5, 5, 6), Encoding.of("UINT4")))
    weights = np.ones((6, 3, 3, 1), np.int32)
    made = drawing.add(Conv2d(groups=6), [x], Parameter(weights, Encoding.of("INT2")))
    network = drawing.network("depthwise", (5, 5, 6), made)
    assert foldable(network)["n0"].columns == 1
    assert folding.to_finn_json(network, {"n0": Fold(3)}) == {
        "Defaults": {},
        "VVAU_0": {"PE": 3, "SIMD": 1},
    }
    assert lower(network, {"n0": Fold(3)}).initiation_interval == 9 * 9 * 2


EIGHT_BITS = random_network(
    Shape((64, 64, 8), ("UINT8", "UINT4"), ("INT8", "INT4"), None, False, False), 3
)


@pytest.mark.parametrize("clock", [50, 100, 150])
def test_every_stage_of_the_folding_found_reaches_the_clock_or_no_fold_of_its_layer_does(clock):
    network = EIGHT_BITS
    chosen = folding.for_cycles(network, 64, clock_mhz=clock)
    for name, size in foldable(network).items():
        each = product(divisors(size.rows), divisors(size.columns))
        others = [fold for fold in (Fold(*both) for both in each) if size.cycles(fold) <= 64]

        def mhz(fold, name=name):
            made = lower(network, {**chosen, name: fold}, clock)
            return min(stage.mhz for stage in made.stages if stage.layer == name)

        assert mhz(chosen[name]) >= min(clock, max(map(mhz, others)))


def test_a_faster_clock_takes_more_registers_and_a_later_first_frame():
    network = EIGHT_BITS
    folds = {"fc0": Fold(1, 64), "fc1": Fold(1, 8)}
    slow, fast = (lower(network, folds, clock) for clock in (50, 400))
    assert fast.clock.mhz >= slow.clock.mhz
    assert min(stage.mhz for stage in fast.stages) > min(stage.mhz for stage in slow.stages)
    assert fast.latency_cycles > slow.latency_cycles
    assert fast.initiation_interval == slow.initiation_interval


def test_a_frame_rate_at_a_clock_that_is_not_reached_takes_fewer_cycles_a_frame():
    frames, asked = 1e6, 1000.0
    made = lower(SMALL, folding.for_frames_per_second(SMALL, frames, asked), asked)
    assert made.clock.mhz < asked
    assert made.clock.mhz * 1e6 / made.initiation_interval >= frames
    with pytest.raises(FoldingError, match=r"can't be reached: .* allows about \d+ MHz"):
        folding.for_frames_per_second(SMALL, 900e6, asked)
