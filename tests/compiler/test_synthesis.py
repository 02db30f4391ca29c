"""Synthesis: what is counted, of which parts, and that the netlist computes what it should."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from support.command_line import fails, read, works
from support.random_networks import Shape, random_network

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import RTL, compile_dataflow, make_engine
from bitfold.build.compile.passes.softmax import share_on_chip
from bitfold.build.implement import synthesis
from bitfold.build.implement.synthesis import (
    CELLS,
    synthesise,
    synthesise_bundle,
    synthesise_part,
    timing,
)
from bitfold.build.implement.synthesis.elaboration import core_of, elaborate, elaborate_bundle
from bitfold.build.implement.synthesis.netlist import NetlistDevice, sample_inputs
from bitfold.build.implement.synthesis.resources import count
from bitfold.build.implement.synthesis.timing import place_and_route, time_overlay, time_stage
from bitfold.models.errors import ToolError
from bitfold.overlays.boards.chip import XC7Z020, Resources
from bitfold.overlays.bundle import DataflowBundle
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.offload import Engine

SMALL = Shape((4, 8, 3), ("UINT4", "UINT2"), ("BIPOLAR", "BIPOLAR"), None, False, False)
"""65,536 different inputs."""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> DataflowBundle:
    network = random_network(SMALL, seed=3)
    folds = {"fc0": Fold(4, 4), "fc1": Fold(1, 8)}
    return compile_dataflow(network, folds, tmp_path_factory.mktemp("small") / "small.bundle")


def source(folder: Path, text: str) -> list[Path]:
    file = folder / "design.sv"
    file.write_text(text)
    return [file]


REGISTERED = """
module design #(parameter BITS = 8, parameter IMAGE = "") (
  input wire aclk, input wire [BITS-1:0] a, input wire [BITS-1:0] b, output reg [2*BITS-1:0] q
);
  reg [BITS-1:0] a1, b1;
  always @(posedge aclk) begin a1 <= a; b1 <= b; q <= %s; end
endmodule
"""


# What is counted.


def test_a_distributed_memory_counts_the_luts_that_hold_it():
    taken = count({"LUT2": 3, "LUT6": 4, "RAM32M": 2, "SRL16E": 1, "FDRE": 5, "INV": 9})
    assert taken == Resources(luts=3 + 4 + 2 * 4 + 1, memory_luts=2 * 4 + 1, flip_flops=5)


def test_a_lut_with_two_outputs_is_one():
    assert count({"LUT6_2": 7, "LUT6": 1}) == Resources(luts=8)


def test_a_primitive_that_is_not_known_is_refused():
    with pytest.raises(ToolError, match="2 cells URAM288"):
        count({"LUT6": 1, "URAM288": 2})


def test_half_a_block_ram_is_half_of_one():
    assert count({"RAMB18E1": 3, "RAMB36E1": 1}).block_rams == 2.5
    assert XC7Z020.has.ramb36 == 140


def test_parameters_choose_the_size(tmp_path, cache):
    sources = source(tmp_path, REGISTERED % "a1 ^ b1")
    for bits in (4, 9):
        made = synthesise(sources, "design", parameters={"BITS": bits}, cache=cache)
        assert (made.luts, made.flip_flops) == (bits, 3 * bits)
        assert made.ports["a"] == ("input", bits) and made.ports["q"] == ("output", 2 * bits)


def test_a_multiplier_takes_a_dsp_unless_that_is_forbidden(tmp_path, cache):
    sources = source(tmp_path, REGISTERED % "a1 * b1")
    with_dsp = synthesise(sources, "design", cache=cache)
    without = synthesise(sources, "design", options=["-nodsp"], cache=cache)
    assert (with_dsp.dsps, with_dsp.luts) == (1, 0)
    assert without.dsps == 0 and without.luts > 50


def test_a_memory_image_is_found_and_decides_the_logic(tmp_path, cache):
    (tmp_path / "images").mkdir()
    rom = [RTL / "common" / f"{name}.sv" for name in ("delay", "rom")]
    luts = []
    for words in (range(64), [3] * 64):
        (tmp_path / "images" / "words.hex").write_text(
            "".join(f"{w * 37 % 256:x}\n" for w in words)
        )
        images = [tmp_path / "images" / "words.hex"]
        parameters = {"WIDTH": 8, "DEPTH": 64, "IMAGE": "words.hex"}
        luts.append(synthesise(rom, "rom", images, parameters, cache=cache).luts)
    assert luts[0] > 0 and luts[1] == 0


def test_what_was_synthesised_comes_from_the_cache_until_a_source_changes(tmp_path):
    said = []
    for text in ("a1 + b1", "a1 + b1", "a1 - b1"):
        said.append([])
        sources = source(tmp_path, REGISTERED % text + f"// {tmp_path}\n")
        synthesise(sources, "design", cache=tmp_path / "cache", progress=said[-1].append)
    assert [len(steps) for steps in said] == [2, 0, 2]  # elaborated, then synthesised


def test_a_fault_in_the_source_is_said_in_yosys_words(tmp_path, cache):
    with pytest.raises(ToolError, match="syntax error"):
        synthesise(source(tmp_path, "module design (; endmodule"), "design", cache=cache)


def test_a_program_that_is_no_yosys_is_refused(tmp_path, cache):
    sources = source(tmp_path, REGISTERED % "a1")
    for program, complaint in (
        (tmp_path / "yosys", "can't be run"),
        (Path("/bin/true"), "is no Yosys"),
    ):
        with pytest.raises(ToolError, match=complaint):
            synthesise(sources, "design", yosys_program=program, cache=cache)


# The parts of an overlay.


def test_a_part_stands_on_its_own_and_stays_the_same_while_others_change(small, tmp_path, cache):
    parts = elaborate_bundle(small, cells=CELLS, cache=cache)
    whole = synthesise_bundle(small, cache=cache)
    modules = {i.path: i.module for i in whole.instances}  # and memories that stay apart
    assert modules.items() >= {(path, part.module) for path, part in parts.items()}
    folds = {"fc0": Fold(4, 4), "fc1": Fold(1, 4)}
    other = compile_dataflow(small.network, folds, tmp_path / "other.bundle")
    changed = elaborate_bundle(other, cells=CELLS, cache=cache)
    assert changed["core.stage_0"].ports == parts["core.stage_0"].ports
    assert changed["core.stage_0"] == parts["core.stage_0"]
    assert changed["core.stage_2"] != parts["core.stage_2"]
    stage = synthesise_part(parts["core.stage_0"], cache=cache)
    assert stage.luts == whole.under("core.stage_0").luts


def test_the_core_of_an_engine_is_synthesised_by_itself(tmp_path, cache):
    bundle = make_engine(Engine(8, 64, 64, 16, 1), tmp_path / "engine.bundle")
    core = core_of(elaborate_bundle(bundle, cache=cache))
    assert core.module == "offload_engine" and core.ports["s_axis_tdata"] == ("input", 64)


def test_what_is_too_much_at_once_is_synthesised_part_by_part(small, cache, monkeypatch):
    whole = synthesise_bundle(small, core_only=True, cache=cache)
    at_once = synthesis.synthesise_part

    def small_parts_only(part, **more):
        if part.module in ("dataflow_core", "threshold"):
            raise ToolError(f"{part.module}: out of memory")
        return at_once(part, **more)

    monkeypatch.setattr(synthesis, "synthesise_part", small_parts_only)
    pieces = synthesise_bundle(small, core_only=True, cache=cache)
    assert pieces.netlist is None and pieces.missing == {"stage_1": "threshold: out of memory"}
    for stage in ("stage_0", "stage_2"):
        assert pieces.under(stage) == whole.under(stage)
    assert pieces.core == pieces.total and pieces.luts < whole.luts


def test_the_parts_of_an_overlay_are_all_of_it(small, cache):
    whole = synthesise_bundle(small, cache=cache)
    assert sum((i.resources for i in whole.instances), Resources()) == whole.total
    assert whole.core.luts + whole.under("shell").luts == whole.luts
    stages = {
        i.path: i.module
        for i in whole.instances
        if i.path.startswith("core.stage") and i.path.count(".") == 1
    }
    assert list(stages.values()) == ["mvau", "threshold", "mvau"]
    assert all(i.resources.luts for i in whole.instances if i.path in stages)
    assert not {f"{i.module}.sv" for i in whole.instances} & set(CELLS)


def test_the_core_alone_is_about_the_core_in_its_shell(small, cache):
    core = synthesise_bundle(small, core_only=True, cache=cache)
    whole = synthesise_bundle(small, cache=cache)
    assert core.core == core.total
    # The shell decides which of the core's ports matter.
    assert abs(core.luts - whole.core.luts) <= 0.1 * core.luts


# The frequency on an open fabric.


@pytest.mark.slow
def test_more_logic_between_registers_is_slower_and_its_path_is_named(tmp_path, cache):
    timings = []
    for text in ("a1 ^ b1", "a1 * b1 * a1"):
        part = elaborate(source(tmp_path, REGISTERED % text), "design", cache=cache)[""]
        timings.append(place_and_route(part, cache=cache))
    assert timings[0].mhz > timings[1].mhz > 10
    assert set(timings[1].slowest_path) <= {"a", "b", "a1", "b1", "q"}
    assert timings[1].device == "LFE5U-85F-6"


@pytest.mark.slow
def test_the_worst_of_several_seeds_is_reported_and_each_is_kept(tmp_path, cache):
    part = elaborate(source(tmp_path, REGISTERED % "a1 + b1"), "design", cache=cache)[""]
    one = place_and_route(part, cache=cache)
    said = []
    three = place_and_route(part, seeds=3, cache=cache, progress=said.append)
    assert (one.seeds, three.seeds) == (1, 3) and three.mhz <= one.mhz
    assert [line for line in said if "seed" in line] == [
        f"placing and routing design with nextpnr {three.nextpnr}, seed {seed}" for seed in (2, 3)
    ]
    said.clear()
    assert place_and_route(part, seeds=3, cache=cache, progress=said.append) == three
    assert not said


@pytest.mark.slow
def test_a_stage_is_timed_by_itself_as_in_its_overlay(small, cache):
    design = small.design
    alone = time_stage(design.stages[0], design.constants[0], cache=cache)
    assert alone == time_overlay(small, cache=cache)["core.stage_0"]
    assert time_stage(design.stages[0], cache=cache).mhz == pytest.approx(alone.mhz, rel=0.5)


@pytest.mark.slow
def test_core_shell_and_both_are_timed_and_what_can_not_be_placed_is_told(
    small, cache, monkeypatch
):
    timings = time_overlay(small, cache=cache)
    assert set(timings) == {"", "core", "shell", *(f"core.stage_{i}" for i in range(3))}
    monkeypatch.setattr(timing, "_PLACE", ("--12k", "--no-such-option"))
    refused = time_overlay(small, core_only=True, cache=cache)
    assert set(refused) == {"", *(f"stage_{i}" for i in range(3))}
    assert all("no-such-option" in str(error) for error in refused.values())


# The netlist, simulated.


def check(bundle: DataflowBundle, x: np.ndarray, cache: Path) -> None:
    device = NetlistDevice(bundle, cache=cache)
    outputs, call = device.run(x)
    device.close()
    assert np.array_equal(outputs, bundle.network(x))
    assert call.cycles == call.predicted_cycles


def test_the_netlist_gives_the_integers_of_the_network_on_all_inputs(small, cache):
    x = sample_inputs(small.network, 1 << 16)
    assert len(np.unique(x, axis=0)) == 1 << 16
    assert len(np.unique(small.network(x), axis=0)) > 20, "a network that says little"
    check(small, x, cache)


def test_few_of_many_inputs_are_drawn_from_all_values():
    x = sample_inputs(random_network(SMALL, 0), 1000)
    assert x.shape == (1000, 4) and set(np.unique(x)) == set(range(16))


@pytest.mark.slow
def test_a_netlist_with_one_wrong_lut_is_found_out(small, cache, tmp_path):
    made = synthesise_bundle(small, cache=cache)
    text = made.netlist.read_text()
    core = text.index("\\mvau")
    lut = re.compile(r"(LUT6 #\(\s*\.INIT\(64'h)([0-9a-f]{16})").search(text, core)
    wrong = f"{int(lut[2], 16) ^ (1 << 64) - 1:016x}"
    broken = tmp_path / "netlist.v"
    broken.write_text(text[: lut.start(2)] + wrong + text[lut.end(2) :])
    device = NetlistDevice(small, cache=cache, synthesis=replace(made, netlist=broken))
    x = sample_inputs(small.network, 1000)
    outputs, _ = device.run(x)
    device.close()
    assert not np.array_equal(outputs, small.network(x))


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [
        Shape((5, 12, 7), ("INT6", "UINT4"), ("INT4", "INT6"), None, False, False),
        Shape((9, 64, 16), ("UINT8", "UINT3"), ("TERNARY", "BIPOLAR"), "UINT4", True, True),
        Shape((64, 96, 96, 4), ("BIPOLAR",) * 3, ("BIPOLAR",) * 3, None, False, False),
        Shape((9, 16, 10), ("UINT4",) * 2, ("BIPOLAR",) * 2, None, False, False, "reduced"),
        Shape((9, 16, 3), ("UINT4",) * 2, ("BIPOLAR",) * 2, None, False, False, "plain"),
    ],
    ids=["DSPs", "argmax", "wide", "softmax", "plain softmax"],
)
def test_netlists_of_other_networks_give_their_integers(shape, tmp_path, cache):
    network = random_network(shape, seed=1)
    bundle = compile_dataflow(network, folding.for_cycles(network, 32), tmp_path / "any.bundle")
    check(bundle, sample_inputs(network, 500), cache)


@pytest.mark.slow
def test_weights_in_block_ram_reach_the_netlist(tmp_path, cache):
    shape = Shape((96, 96, 4), ("BIPOLAR",) * 2, ("BIPOLAR",) * 2, None, False, False)
    network = random_network(shape, seed=1)
    bundle = compile_dataflow(network, folding.for_cycles(network, 1152), tmp_path / "any.bundle")
    assert synthesise_bundle(bundle, cache=cache).total.block_rams
    check(bundle, sample_inputs(network, 200), cache)


@pytest.mark.slow
def test_the_netlist_of_an_engine_runs_a_program(small, tmp_path, cache):
    bundle = make_engine(Engine(8, 64, 256, 16, 8), tmp_path / "engine.bundle")
    device = NetlistDevice(bundle, cache=cache)
    for network in (small.network, share_on_chip(small.network)):
        device.load(network)
        x = sample_inputs(network, 300)
        outputs, _ = device.run(x)
        assert np.array_equal(outputs, network(x))
    device.close()


# The command.


def test_the_command_shows_what_it_writes(small, here):
    text = works(
        *("synth", small.path, "--core", "--no-timing", "--netlist", "core.v"),
        *("--json", "synth.json"),
    )
    said = read(here / "synth.json")
    assert {part["layer"] for part in said["parts"]} >= {"fc0", "act0", "fc1"}
    assert said["shell"] is None and said["open_fabric"] is None
    assert said["total"] == asdict(synthesise_bundle(small, True).total)
    assert f"{said['total']['luts']:,}" in text and said["yosys"] in text
    assert "module dataflow_core" in (here / "core.v").read_text()


def test_only_a_whole_dataflow_overlay_is_verified(small, here):
    assert "--verify" in fails("synth", small.path, "--core", "--verify", 10, code=2)
