"""FINN beside bitfold: the same integers, its own figures, and a folder that its builder takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.onnx_exec import execute_onnx
from support.command_line import fails, read, works
from support.random_networks import Shape, random_inputs, random_network, random_shape

from bitfold.build.compile import folding
from bitfold.build.compile.lowering import lower
from bitfold.build.frontend import read_qonnx
from bitfold.build.frontend.quiet import quiet
from bitfold.build.implement.finn.estimate import Estimates, estimate
from bitfold.build.implement.finn.graph import (
    folding_config,
    hardware,
    integer_graph,
    layers,
    read_fold,
    transform,
)
from bitfold.build.implement.finn.script import SAMPLES, write_build_folder
from bitfold.models.errors import FrontendError, OverlayError
from bitfold.models.network import Network
from bitfold.models.ops import Dense
from bitfold.overlays.dataflow.fold import Fold

RUNNER = Path(__file__).parents[1] / "support" / "finn_without_vivado.py"
# 3: bipolar activations in front of INT3; 7, 13: thresholds out of reach; 29: a threshold first;
# 55: TERNARY, UINT4 and BINARY weights.
SEEDS = (3, 7, 13, 29, 55)


def network_of(seed: int) -> Network:
    return random_network(replace(random_shape(seed), argmax=False), seed)


@pytest.fixture(scope="module")
def wide() -> Network:
    """32-64-4 of 8 bits, without the weights of -128, which FINN's DSPs do not take."""
    eight = Shape((32, 64, 4), ("UINT8", "UINT8"), ("INT8", "INT8"), None, False, False)
    network = random_network(eight, 0)
    weights = {node.parameter("weights") for node in network.nodes if isinstance(node.op, Dense)}
    parameters = {
        name: replace(p, values=np.maximum(p.values, -127)) if name in weights else p
        for name, p in network.parameters.items()
    }
    return replace(network, parameters=parameters)


@pytest.fixture(scope="module")
def iris(made) -> Network:
    """4-64-32-32-3, bipolar."""
    return read_qonnx(made / "net.onnx")


@pytest.fixture(scope="module")
def both(iris) -> Estimates:
    return estimate(iris, folding.for_cycles(iris, 32))


# The same network.


@pytest.mark.parametrize("seed", SEEDS)
def test_finn_is_given_the_same_integers(seed):
    network = network_of(seed)
    graph = integer_graph(network)
    x = random_inputs(network, 5, seed)
    given, taken = graph.graph.input[0].name, graph.graph.output[0].name
    with quiet():
        outputs = [execute_onnx(graph, {given: row[None].astype(np.float32)})[taken] for row in x]
    assert np.array_equal(np.concatenate(outputs), network(x))


@pytest.mark.parametrize("seed", SEEDS)
def test_finn_makes_a_hardware_layer_of_every_layer(seed):
    network = network_of(seed)
    nodes = layers(hardware(network), network)
    for layer in network.nodes:
        kind = "MVAU" if isinstance(layer.op, Dense) else "Thresholding"
        assert nodes[layer.name].op_type in (f"{kind}_hls", f"{kind}_rtl")


def test_a_network_that_chooses_the_class_is_refused():
    network = random_network(replace(random_shape(2), argmax=True), 2)
    with pytest.raises(FrontendError, match="compile it with --head scores"):
        hardware(network)


def test_what_finn_refuses_is_said_in_its_words():
    from finn.transformation.fpgadataflow.set_folding import SetFolding

    with pytest.raises(FrontendError, match=r"pass SetFolding failed: \w+Error"):
        transform(integer_graph(network_of(7)), [SetFolding(64)])  # no hardware yet


# The figures.


def test_finns_cycles_are_those_of_its_formula(iris, both):
    for layer in iris.nodes:
        rows, columns = iris.values[layer.output].size, iris.values[layer.input].size
        finn = both.finn.layers[layer.name]
        columns = columns if isinstance(layer.op, Dense) else 1
        assert finn.cycles == rows // finn.fold.pe * (columns // finn.fold.simd)


def test_ours_are_those_of_the_plan(iris, both):
    overlay = lower(iris, folding.for_cycles(iris, 32))
    assert both.overlay == overlay
    assert sum(both.luts.values()) == overlay.luts()
    assert set(both.luts) == {stage.name for stage in overlay.stages} | {"output port"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_layer_takes_finn_as_many_cycles_as_ours(seed):
    network = network_of(seed)
    made = estimate(network, folding.choose(network))
    for stage in made.overlay.stages:
        assert made.finn.layers[stage.name].fold == replace(stage.fold, unrolled=0)
        assert made.finn.layers[stage.name].cycles == stage.cycles


def test_finn_counts_dsps_where_it_multiplies_and_none_for_bipolar_layers(wide, both):
    made = estimate(wide, folding.for_cycles(wide, 64))
    dense = [made.finn.layers[n.name] for n in wide.nodes if isinstance(n.op, Dense)]
    assert all(layer.dsps == layer.fold.pe * layer.fold.simd for layer in dense)
    assert both.finn.total("dsps") == 0 < both.finn.total("luts")


def test_finns_own_folding_reaches_the_target_or_says_why_not(wide, both):
    assert both.own.interval_cycles <= both.overlay.initiation_interval
    assert not both.own.warnings
    capped = estimate(wide, folding.for_cycles(wide, 64)).own
    assert any("wider than max width" in said for said in capped.warnings)
    assert all(layer.fold.simd * 8 <= 36 for layer in capped.layers.values())


# Foldings, both ways.


@pytest.mark.parametrize("seed", SEEDS)
def test_our_folding_comes_back_from_finn(seed):
    from finn.transformation.general import ApplyConfig

    network = network_of(seed)
    model = hardware(network)
    overlay = lower(network, folding.choose(network))
    config = json.loads(json.dumps(folding_config(model, network, overlay)))
    nodes = layers(transform(model, [ApplyConfig(config)]), network)
    ours = {name: replace(fold, unrolled=0) for name, fold in overlay.folding.items()}
    assert {name: read_fold(nodes[name]) for name in overlay.folding} == ours


@pytest.mark.parametrize("seed", SEEDS)
def test_finns_folding_is_one_of_ours(seed):
    network = network_of(seed)
    made = estimate(network, folding.choose(network))
    again = estimate(network, made.own_overlay.folding).finn
    for name, fold in made.own_overlay.folding.items():
        assert again.layers[name].fold == made.own.layers[name].fold == fold
        assert again.layers[name].cycles == made.own.layers[name].cycles


# The build folder, run with FINN's builder.


def build(folder: Path, place: Path) -> dict[str, dict]:
    """What FINN's builder reports of a folder of ours, by file name."""
    vivado = place / "Vivado" / "2024.2"
    environment = {"XILINX_VIVADO": str(vivado), "FINN_BUILD_DIR": str(place / "finn")}
    done = subprocess.run(
        [sys.executable, RUNNER, folder],
        env={**os.environ, **environment},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {file.stem: read(file) for file in (folder / "output" / "report").glob("*.json")}


@pytest.mark.parametrize(
    "seed", [None, *(pytest.param(seed, marks=pytest.mark.slow) for seed in SEEDS)]
)
def test_finns_builder_takes_the_folder_and_reports_what_we_print(seed, iris, tmp_path):
    network = iris if seed is None else network_of(seed)
    chosen = folding.choose(network)
    write_build_folder(network, chosen, tmp_path / "made", "Pynq-Z2", 125)
    reports = build(tmp_path / "made", tmp_path)
    finn = estimate(network, chosen).finn
    cycles = {layer.node: layer.cycles for layer in finn.layers.values()}
    assert reports["estimate_layer_cycles"] == cycles
    for layer in finn.layers.values():
        theirs = reports["estimate_layer_resources"][layer.node]
        named = {"LUT": layer.luts, "BRAM_18K": layer.brams, "DSP": layer.dsps}
        assert {name: int(theirs[name]) for name in named} == named
    performance = reports["estimate_network_performance"]
    assert performance["max_cycles"] == finn.interval_cycles
    assert performance["critical_path_cycles"] == finn.latency_cycles
    assert performance["estimated_throughput_fps"] == pytest.approx(125e6 / finn.interval_cycles)
    verified = [file.name for file in (tmp_path / "made/output/verification_output").iterdir()]
    assert sum("streamlined_python" in name and "SUCCESS" in name for name in verified) == SAMPLES
    assert len(verified) == SAMPLES


def test_the_folder_holds_what_its_readme_names(iris, tmp_path):
    write_build_folder(iris, folding.choose(iris), tmp_path, "Pynq-Z1", 100)
    text = (tmp_path / "README.md").read_text()
    assert "What has not been run" in text and "Pynq-Z1 at 100 MHz" in text
    for file in tmp_path.iterdir():
        assert file.name in text or file.name == "README.md"
    assert os.access(tmp_path / "build.py", os.X_OK), "`finn run` refuses it"
    x = np.load(tmp_path / "input.npy").astype(np.int64)
    assert np.array_equal(np.load(tmp_path / "expected_output.npy"), iris(x))


@pytest.mark.parametrize("clock_mhz", [0, -1, float("inf"), float("nan")])
def test_a_clock_that_cannot_be_is_refused(iris, tmp_path, clock_mhz):
    with pytest.raises(OverlayError, match="MHz can't be"):
        write_build_folder(iris, folding.choose(iris), tmp_path / "x", "Pynq-Z1", clock_mhz)
    assert not (tmp_path / "x").exists()


# The commands.


def test_estimate_shows_every_layer_and_how_the_two_differ(here):
    text = works("finn", "estimate", "net.onnx", "--cycles", 32, "--json", "figures.json")
    result = read(Path("figures.json"))
    network = read_qonnx(Path("net.onnx"))
    overlay = lower(network, folding.for_cycles(network, 32))
    assert list(result["bitfold"]["layers"]) == [stage.name for stage in overlay.stages]
    for stage in overlay.stages:
        ours, finn = result["bitfold"]["layers"][stage.name], result["finn"]["layers"][stage.name]
        assert ours["cycles_predicted"] == finn["cycles"] == stage.cycles
        assert Fold(**ours["fold"]) == Fold(**finn["fold"]) == stage.fold
        row = next(line for line in text.splitlines() if line.split()[:1] == [stage.name])
        shown = (stage.cycles, ours["luts_estimated"], finn["luts"], finn["brams"], finn["dsps"])
        assert all(f"{figure:,}" in row.split() for figure in shown)
    assert f"{result['finn']['luts']:,}" in text
    assert "both are estimates" in text and "leave its FIFOs" in text


def test_script_leaves_a_folder_and_says_that_it_was_not_run(here):
    text = works("finn", "script", "net.onnx", "-o", "out", "--board", "Pynq-Z2", "--clock", 125)
    assert "not run here: it needs Vivado" in text
    assert 'board="Pynq-Z2"' in Path("out/build.py").read_text()
    assert "synth_clk_period_ns=8.0" in Path("out/build.py").read_text()


@pytest.mark.parametrize("command", [("estimate",), ("script", "-o", "out")])
def test_a_file_that_is_missing_is_one_line(here, command):
    name, *options = command
    assert "there is no such file" in fails("finn", name, "gone.onnx", *options)
    assert not Path("out").exists()
