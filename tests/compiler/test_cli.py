"""The command line: its help, and what each command says and leaves."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path

import click
import numpy as np
import pytest
from support.command_line import bitfold, fails, listing, read, works
from support.small_network import small_network

from bitfold.build.cli import console
from bitfold.build.cli.main import main
from bitfold.build.workflows.samples import read_samples
from bitfold.models.dataset import Dataset
from bitfold.models.datasets import IN_PARTS, load_iris
from bitfold.overlays.bundle import Bundle


def commands(group: click.Group = main, *path: str):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


# Help.


@pytest.mark.parametrize("path", [()] + [path for path, _ in commands()], ids=" ".join)
def test_help_fits_80_columns_and_explains_every_option(path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = works(*path, "--help")
    assert text == works(*path, "-h")
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in text.replace("[ARGS]...", ""), "a sentence is cut off"
    command = dict(commands()).get(path)
    if command:
        assert "--json FILE" in text and "--debug" in text
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help or parameter.type.name == "choice", parameter.name


def test_the_commands_of_the_flow_are_there():
    assert {"demo", "train", "export", "compile", "run", "inspect", "doctor"} <= set(main.commands)


def test_the_version_is_the_packages():
    from importlib.metadata import version

    assert works("--version") == f"bitfold, version {version('bitfold')}\n"


def test_no_command_at_all_shows_the_help():
    assert "bitfold demo" in bitfold().output


# The flow.


def test_training_says_what_it_reached_on_which_rows(made):
    result = read(made / "train.json")
    assert result["network"] == "iris_64_32_32" and result["quantization"] == "W1A1"
    assert "120 of 150 rows" in result["split"]
    holdout = result["holdout"]
    assert holdout["samples"] == 30 == np.sum(holdout["confusion"])
    assert holdout["accuracy"] == np.trace(holdout["confusion"]) / 30
    assert result["checkpoint"] == str(made / "net.safetensors")


def test_export_says_where_the_file_is(made):
    result = read(made / "export.json")
    assert result == {"network": "iris_64_32_32-W1A1", "qonnx": str(made / "net.onnx")}


def test_compile_and_inspect_describe_the_bundle(made, tmp_path):
    compiled = read(made / "compile.json")
    bundle = Bundle.load(made / "net.bundle")
    text = works("inspect", made / "net.bundle", "--json", tmp_path / "inspect.json")
    inspected = read(tmp_path / "inspect.json")
    assert inspected.items() <= compiled.items()
    assert compiled["checked_samples"] == 100
    assert compiled["build_id"] == bundle.build_id
    assert compiled["network_id"] == bundle.network.id
    assert compiled["labels"] == ["setosa", "versicolor", "virginica"]
    assert compiled["weight_bits"] == 4 * 64 + 64 * 32 + 32 * 32 + 32 * 3
    assert compiled["latency_cycles_predicted"] == bundle.design.latency_cycles
    assert compiled["initiation_interval_predicted"] == bundle.design.initiation_interval == 128
    assert compiled["frames_per_second_predicted"] == compiled["reached_mhz"] * 1e6 / 128
    assert compiled["reached_mhz"] == min(100, compiled["mhz_estimated"])
    assert f"{compiled['limited_by']} allows about" in text
    matrices = [stage for stage in compiled["stages"] if stage["kind"] == "matrix"]
    assert [(stage["in"], stage["out"]) for stage in matrices] == [
        (4, 64),
        (64, 32),
        (32, 32),
        (32, 3),
    ]
    for stage in matrices:
        assert bundle.design.folding[stage["name"]].pe == stage["pe"]
        assert stage["cycles"] == stage["in"] * stage["out"] / (stage["pe"] * stage["simd"])
        assert re.search(rf"{stage['name']} +matrix +{stage['in']} +{stage['out']} +BIPOLAR", text)
    assert f"latency {bundle.design.latency_cycles} cycles; initiation interval 128" in text
    assert "781,250 frames a second at 100 MHz" in text


def test_compile_takes_a_reuse_factor_and_says_which_layers_can_not_have_it(here):
    text = works("compile", "net.onnx", "--reuse", 100, "--json", "compile.json")
    layers = [stage for stage in read(here / "compile.json")["stages"] if stage["kind"] == "matrix"]
    assert [stage["cycles"] for stage in layers] == [128, 128, 128, 96]
    first, *others = [line for line in text.splitlines() if "in place of" in line]
    assert first.endswith("reuse 128 in place of 100; it can have 1, 2, 4, 8, 16, 32, 64, 128, 256")
    assert len(others) == 3 and others[-1].startswith(layers[-1]["name"] + ": reuse 96 in place of")


def test_run_scores_a_dataset_and_compares_every_output(made, here):
    text = works("run", made / "net.bundle", "--dataset", "iris", "--json", "run.json")
    result = read(here / "run.json")
    bundle, iris = Bundle.load(made / "net.bundle"), load_iris()
    expected = bundle.network(bundle.network.quantize(iris.features))
    assert result["exact"] is True and result["mismatches"] == 0
    assert result["device"] == "verilated"
    assert result["samples"] == len(result["classes"]) == 150
    assert result["classes"] == bundle.network.classes(expected).tolist()
    assert result["metrics"]["accuracy"] == (result["classes"] == iris.labels).mean()
    assert (
        result["latency_cycles"]
        == result["latency_cycles_predicted"]
        == bundle.design.latency_cycles
    )
    assert result["initiation_interval"] == result["initiation_interval_predicted"] == 128
    assert result["cycles"] == result["cycles_predicted"]
    assert "classes: setosa" in text and "and 140 more" in text
    assert "exact" in text
    assert f"{result['cycles']}" in text


@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_run_takes_samples_from_a_file_and_keeps_the_outputs(suffix, made, here):
    network, flowers = Bundle.load(made / "net.bundle").network, load_iris().features[:20]
    if suffix == ".npy":
        np.save("x.npy", flowers)
    else:
        np.savetxt("x.csv", flowers, delimiter=",")
    works("run", made / "net.bundle", f"x{suffix}", "--device", "functional", "-o", f"y{suffix}")
    kept = np.load("y.npy") if suffix == ".npy" else np.loadtxt("y.csv", delimiter=",")
    np.testing.assert_array_equal(kept, network(network.quantize(flowers)))


def test_what_a_file_of_whole_numbers_holds_is_named(made, here):
    network = Bundle.load(made / "net.bundle").network
    x = np.random.default_rng(0).integers(0, 256, (10, 4))
    np.save("x.npy", x)
    np.savetxt("x.csv", x, fmt="%d", delimiter=",")
    reals = {"measurements": x, "pixels": x / np.float32(255), "integers": x / np.float32(32)}
    for meaning, file in product(reals, ("x.npy", "x.csv")):
        options = ("--device", "functional", "-o", "y.npy", "--limit", 7, "--inputs", meaning)
        works("run", made / "net.bundle", file, *options)
        expected = network(network.quantize(reals[meaning][:7]))
        np.testing.assert_array_equal(np.load("y.npy"), expected)
    works("run", made / "net.bundle", "x.npy", "--device", "functional", "-o", "y.npy")
    np.testing.assert_array_equal(np.load("y.npy"), network(network.quantize(x)))
    np.save("x.npy", x + 0.5)
    for meaning in ("pixels", "integers"):
        said = fails("run", made / "net.bundle", "x.npy", "--inputs", meaning)
        assert re.search("whole numbers.*: give inputs='measurements'", said), said


@pytest.mark.parametrize(("trained_on", "meaning"), [("mnist", "measurements"), (None, "pixels")])
def test_mnist_is_pixels_but_where_its_numbers_were_learnt_as_they_are(
    trained_on, meaning, monkeypatch
):
    digits = Dataset("mnist", np.zeros((2, 3), np.uint8), np.zeros(2, int), (), ())
    monkeypatch.setitem(IN_PARTS, "mnist", lambda part: digits)
    network = small_network(info={"dataset": trained_on} if trained_on else {})
    assert read_samples(None, "mnist", network=network).inputs == meaning
    assert read_samples(None, "mnist", network=network, inputs="integers").inputs == "integers"


def test_compile_takes_foldings_and_targets(here):
    def folds(*options) -> dict:
        works("compile", "net.onnx", "--no-check", "--json", "c.json", *options)
        stages = read(here / "c.json")["stages"]
        return {s["name"]: (s["pe"], s["simd"]) for s in stages if s["kind"] == "matrix"}

    Path("own.json").write_text(json.dumps({f"dense{i}": {"PE": 1, "SIMD": 2} for i in range(4)}))
    assert set(folds("--folding", "own.json").values()) == {(1, 2)}
    assert folds("--folding", "own.json", "--fold", "dense1=8,16")["dense1"] == (8, 16)
    finn = {f"MVAU_hls_{i}": {"PE": 1, "SIMD": 4} for i in range(4)}
    Path("finn.json").write_text(json.dumps({"Defaults": {}, **finn}))
    assert set(folds("--folding", "finn.json").values()) == {(1, 4)}
    assert folds("--fps", "4e5", "--clock", 80) == folds("--cycles", 200)
    works("compile", "net.onnx", "--no-check", "--luts", 600, "--json", "c.json")
    assert read(here / "c.json")["luts_estimated"] <= 600


def test_compile_lets_the_overlay_choose_the_class(here):
    works("compile", "net.onnx", "--argmax", "--json", "c.json", "--name", "with a class")
    result = read(here / "c.json")
    assert result["name"] == "with a class"
    assert result["output"] == {"elements": 1, "encoding": "UINT2"}
    works("run", "net.bundle", "--dataset", "iris", "--device", "functional")


def test_the_demo_writes_a_row_for_each_network_and_overlay(here, monkeypatch):
    monkeypatch.setattr(console.out, "width", 80)
    options = ("-n", "iris_64_32_32-W1A1", "--cycles", 128, "--folder", "demo")
    text = works("demo", *options, "--json", "demo.json")
    rows = read(here / "demo.json")["rows"]
    assert {row["overlay"] for row in rows} >= {"dataflow"}
    for row in rows:
        assert row["network"] == "iris_64_32_32" and row["quantization"] == "W1A1"
        assert row["exact"] is True
        assert (row["samples"], row["mismatches"]) == (150, 0)
        assert 0.3 < row["holdout_accuracy"] <= 1
        assert 0.9 < row["cv_accuracy_mean"] < 1 and 0 < row["cv_accuracy_std"] < 0.1
        assert row["weight_bits"] == 3424
    dataflow = next(row for row in rows if row["overlay"] == "dataflow")
    assert dataflow["latency_cycles"] == dataflow["latency_cycles_predicted"]
    assert dataflow["initiation_interval"] == dataflow["initiation_interval_predicted"] == 128
    assert "iris_64_32_32" in text and "W1A1" in text and "yes" in text
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    first = listing(here / "demo")
    works("demo", *options, "--json", "again.json")
    assert read(here / "again.json") == read(here / "demo.json")
    assert listing(here / "demo") == first, "the second run made something anew"


@pytest.mark.parametrize("width", [80, 140])
def test_tables_fit_the_terminal(width, made, monkeypatch):
    monkeypatch.setattr(console.out, "width", width)
    text = works("inspect", made / "net.bundle")
    text += works("run", made / "net.bundle", "--dataset", "iris", "--device", "functional")
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for name in ("dense0.threshold", "BIPOLAR", "versicolor", "initiation interval, cycles"):
        assert name in text
