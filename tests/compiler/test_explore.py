"""The search over foldings, its front, its limits and its picture; and the estimate behind it."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from statistics import median

import pytest
from support.command_line import fails, read, works
from support.random_networks import Shape, random_network

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.lowering import lower
from bitfold.build.implement.synthesis import synthesise_bundle
from bitfold.build.inspect.explore import explore
from bitfold.models.errors import FoldingError
from bitfold.overlays.dataflow.cost import calibration
from bitfold.overlays.dataflow.fold import Fold

DOCS = Path(__file__).parents[2] / "docs"
BINARY = Shape((64, 64, 8), ("BIPOLAR",) * 2, ("BIPOLAR",) * 2, None, False, False)
WIDE = Shape((8, 32, 8), ("INT8",) * 2, ("INT8",) * 2, None, False, True)


@pytest.fixture(scope="module")
def network():
    return random_network(BINARY, seed=0)


@pytest.fixture(scope="module")
def found(network):
    return explore(network)


def test_no_point_of_the_front_is_beaten_and_every_other_one_is(found):
    for candidate in found.front:
        assert not any(other.beats(candidate) for other in found.candidates)

    def figures(c):
        return c.luts, c.latency_cycles / c.clock_mhz, c.initiation_interval / c.clock_mhz

    front = {figures(point) for point in found.front}
    assert len(front) == len(found.front) >= 3
    for candidate in found.candidates:
        beaten = any(point.beats(candidate) for point in found.front)
        assert figures(candidate) in front or beaten


def test_the_front_reaches_from_folded_layers_to_all_of_them_unrolled(network, found):
    assert not any(fold.unrolled for fold in found.front[0].folding.values())
    assert all(fold.unrolled for fold in found.front[-1].folding.values())
    assert found.front[-1].initiation_interval == folding.least_cycles(network)


def test_the_figures_of_a_point_are_those_of_its_overlay(network, found):
    for point in found.front:
        overlay = lower(network, point.folding)
        assert point.luts == overlay.luts()
        assert point.latency_cycles == overlay.latency_cycles
        assert point.initiation_interval == overlay.initiation_interval


def test_limits_keep_what_is_within_both(found):
    middle = found.front[len(found.front) // 2]
    kept = found.within(middle.luts, middle.frames_per_second)
    assert middle in kept
    assert all(c.luts <= middle.luts for c in kept)
    assert all(c.frames_per_second >= middle.frames_per_second for c in kept)
    assert found.within(inf, 0) == found.front


def test_limits_that_nothing_keeps_name_what_comes_nearest(found):
    smallest = min(c.luts for c in found.front)
    with pytest.raises(FoldingError, match=f"the smallest takes {smallest:,}"):
        found.within(10, 0)
    with pytest.raises(FoldingError, match="the fastest folding of all gives"):
        found.within(inf, 1e9)


def test_frames_a_second_are_those_at_the_clock_that_a_point_reaches(network):
    for asked in (50.0, 400.0):
        for point in explore(network, clock_mhz=asked).front:
            made = lower(network, point.folding, asked).clock
            assert point.clock == made
            assert point.clock_mhz == min(asked, made.mhz)
            assert point.frames_per_second == point.clock_mhz * 1e6 / point.initiation_interval
            assert made.limited_by in ("shell", *(n.name for n in network.nodes))


def test_multipliers_beyond_the_dsps_of_the_chip_are_logic():
    network = random_network(WIDE, seed=0)
    folds = {"fc0": Fold(32, 8), "fc1": Fold(1, 1)}
    candidates = [
        c for c in explore(network).candidates if not any(f.unrolled for f in c.folding.values())
    ]
    assert all(c.dsps <= 220 for c in candidates)
    overlay = lower(network, folds)
    assert overlay.dsps == 32 * 8 + 1
    assert overlay.luts(dsps=False) > 2 * overlay.luts()


def test_the_estimate_states_the_error_of_a_real_calibration():
    for fitted in (calibration().luts, calibration().clock):
        assert fitted.designs >= 40 and 0 < fitted.median_error <= fitted.worst_error
        assert all(v >= 0 for kind in fitted.coefficients.values() for v in kind.values())


def test_the_page_states_the_error_of_the_clock():
    clock = calibration().clock
    page = " ".join((DOCS / "overlays.md").read_text().split())
    assert (
        f"Of {clock.designs} designs that took no part in a fit, it is off by "
        f"{100 * clock.median_error:.0f} % in the median and {100 * clock.worst_error:.0f} % at "
        f"worst, and promises {clock.promised_too_much} more than 1.1 times what they reach"
    ) in page


@pytest.mark.slow
def test_the_estimate_is_mostly_off_by_no_more_than_it_states(network, tmp_path, cache):
    errors = []
    for cycles in (1, 8, 64):
        folds = folding.for_cycles(network, cycles)
        bundle = compile_dataflow(network, folds, tmp_path / f"{cycles}.bundle")
        luts = synthesise_bundle(bundle, core_only=True, cache=cache).luts
        errors.append(abs(lower(network, folds).luts() / luts - 1))
    assert median(errors) <= calibration().luts.worst_error


def test_the_command_writes_what_compile_reads_and_draws_a_picture(here):
    text = works(
        *("explore", "net.onnx", "--max-luts", 3000, "--min-fps", 1e6, "--clock", 200),
        *("--picture", "net.png", "-o", "smallest.json", "--json", "explore.json"),
    )
    said = read(here / "explore.json")
    kept = [point for point in said["front"] if point["within_limits"]]
    assert kept and all(point["luts_estimated"] <= 3000 for point in kept)
    assert all(point["frames_per_second_predicted"] >= 1e6 for point in kept)
    assert f"{said['luts_error_median']:.0%} in the median" in text
    assert json.loads((here / "smallest.json").read_text()) == kept[0]["folding"]
    assert (here / "net.png").read_bytes().startswith(b"\x89PNG")
    same = ("--folding", "smallest.json", "--clock", 200)
    works("compile", "net.onnx", *same, "--json", "compile.json")
    compiled = read(here / "compile.json")
    assert compiled["latency_cycles_predicted"] == kept[0]["latency_cycles_predicted"]


def test_a_picture_of_an_unknown_kind_is_refused_before_any_work(here):
    assert ".svg, .png or .pdf" in fails("explore", "net.onnx", "--picture", "net.gif", code=2)
