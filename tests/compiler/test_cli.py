"""The command line: what each command says and leaves, and what it says of a user's mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from bitfold.build import console
from bitfold.build.cli import main
from bitfold.models.datasets import load_iris
from bitfold.overlays.bundle import Bundle


def bitfold(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def works(*arguments: object) -> str:
    result = bitfold(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def fails(*arguments: object, code: int = 1) -> str:
    """The one line that the command says; there is no traceback."""
    result = bitfold(*arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    lines = [line for line in result.stderr.splitlines() if line.lower().startswith("error: ")]
    assert len(lines) == 1, result.output
    return lines[0]


def listing(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with what train, export and compile leave; no test may change it."""
    folder = tmp_path_factory.mktemp("cli")
    checkpoint, qonnx = folder / "net.safetensors", folder / "net.onnx"
    options = ("--steps", 20, "-o", checkpoint, "--json", folder / "train.json")
    works("train", "iris_64_32_32", "-q", "W1A1", *options)
    works("export", checkpoint, "--json", folder / "export.json")
    works("compile", qonnx, "--cycles", 128, "--json", folder / "compile.json")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch) -> Path:
    """A folder to work in, with a network in it that was exported."""
    (tmp_path / "net.onnx").write_bytes((made / "net.onnx").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(file: Path) -> dict:
    return json.loads(file.read_text())


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
    assert compiled["latency_cycles_predicted"] == bundle.latency_cycles
    assert compiled["initiation_interval_predicted"] == bundle.initiation_interval == 128
    assert compiled["frames_per_second_predicted"] == 100e6 / 128
    matrices = [stage for stage in compiled["stages"] if stage["kind"] == "matrix"]
    assert [(stage["in"], stage["out"]) for stage in matrices] == [
        (4, 64),
        (64, 32),
        (32, 32),
        (32, 3),
    ]
    for stage in matrices:
        assert bundle.folding[stage["name"]].pe == stage["pe"]
        assert stage["cycles"] == stage["in"] * stage["out"] / (stage["pe"] * stage["simd"])
        assert re.search(rf"{stage['name']} +matrix +{stage['in']} +{stage['out']} +BIPOLAR", text)
    assert f"latency {bundle.latency_cycles} cycles; initiation interval 128" in text
    assert "781,250 frames a second at 100 MHz" in text


def test_run_scores_a_dataset_and_compares_every_output(made, here, monkeypatch, cache):
    monkeypatch.setattr("bitfold.runtime.verilated.default_cache", lambda: cache)
    text = works("run", made / "net.bundle", "--dataset", "iris", "--json", "run.json")
    result = read(here / "run.json")
    bundle, iris = Bundle.load(made / "net.bundle"), load_iris()
    expected = bundle.network(bundle.network.quantize(iris.features))
    assert result["exact"] is True and result["mismatches"] == 0
    assert result["device"] == "verilated"
    assert result["samples"] == len(result["classes"]) == 150
    assert result["classes"] == bundle.network.classes(expected).tolist()
    assert result["metrics"]["accuracy"] == (result["classes"] == iris.labels).mean()
    assert result["latency_cycles"] == result["latency_cycles_predicted"] == bundle.latency_cycles
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


def test_integers_in_an_npy_file_are_the_networks_own(made, here):
    network = Bundle.load(made / "net.bundle").network
    x = np.random.default_rng(0).integers(0, 256, (10, 4))
    np.save("x.npy", x)
    options = ("--device", "functional", "-o", "y.npy", "--limit", 7)
    works("run", made / "net.bundle", "x.npy", *options)
    np.testing.assert_array_equal(np.load("y.npy"), network(x[:7]))


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
    assert folds("--fps", "1e6", "--clock", 200) == folds("--cycles", 200)
    works("compile", "net.onnx", "--no-check", "--luts", 400, "--json", "c.json")
    assert read(here / "c.json")["luts_estimated"] <= 400


def test_compile_lets_the_overlay_choose_the_class(here):
    works("compile", "net.onnx", "--argmax", "--json", "c.json", "--name", "with a class")
    result = read(here / "c.json")
    assert result["name"] == "with a class"
    assert result["output"] == {"elements": 1, "encoding": "UINT2"}
    works("run", "net.bundle", "--dataset", "iris", "--device", "functional")


def test_the_demo_writes_a_row_for_each_network_and_overlay(here, monkeypatch, cache):
    for place in ("verilated", "bundle"):
        room = "runtime" if place == "verilated" else "overlays"
        monkeypatch.setattr(f"bitfold.{room}.{place}.default_cache", lambda: cache)
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


# Mistakes. Each is one line, and leaves the folder as it was.

COMPILE = {
    "a missing file": (("none.onnx",), "none.onnx: there is no such file"),
    "garbage": (("garbage.onnx",), "garbage.onnx: not .* it is truncated, damaged or of another"),
    "an empty file": (("empty.onnx",), "empty.onnx: not .* it is truncated, damaged or of another"),
    "half a file": (("half.onnx",), "half.onnx: not .* it is truncated, damaged or of another"),
    "an unknown layer": (
        ("net.onnx", "--fold", "fc9=1,1"),
        "'fc9' is no layer; there are dense0, dense1, dense2, dense3",
    ),
    "an illegal fold": (
        ("net.onnx", "--fold", "dense0=3,1"),
        "dense0: PE=3 does not divide 64 rows; try 1, 2 or 4",
    ),
    "a fold that is none": (("net.onnx", "--fold", "dense0=x"), "write it as dense0=PE,SIMD"),
    "no folding file": (("net.onnx", "--folding", "none.json"), "none.json: not a folding in JSON"),
    "a folding for another network": (
        ("net.onnx", "--folding", "other.json"),
        "other.json: MVAU_7 is no layer of the network; it has dense0",
    ),
    "two targets": (("net.onnx", "--cycles", 9, "--luts", 900), "cycles and luts are targets of"),
    "too few cycles of a second": (("net.onnx", "--fps", 1e9), "more than one each cycle at 100"),
    "no number of frames": (("net.onnx", "--fps", "nan"), "nan frames a second .* above zero"),
    "too few LUTs": (
        ("net.onnx", "--luts", 5),
        r"estimated at \d+ LUTs, above 5; raise the budget",
    ),
    "no clock": (("net.onnx", "--clock", 0), "a clock of 0 MHz can't be"),
    "a scale without an encoding": (("net.onnx", "--input-scale", "1/255"), "give input_encoding"),
    "an unknown encoding": (("net.onnx", "--input-encoding", "PIXEL"), "'PIXEL' is not an integer"),
    "a place that is taken": (
        ("net.onnx", "-o", "thesis"),
        "thesis: is there already and is no bundle; choose another place",
    ),
    "a place that can't be": (("net.onnx", "-o", "garbage.onnx/x"), "x: can't be written"),
}


@pytest.mark.parametrize(("arguments", "message"), COMPILE.values(), ids=COMPILE)
def test_compile_names_the_mistake_and_leaves_nothing(arguments, message, here):
    whole = Path("net.onnx").read_bytes()
    Path("garbage.onnx").write_bytes(b"\x00garbage" * 50)
    Path("empty.onnx").write_bytes(b"")
    Path("half.onnx").write_bytes(whole[: len(whole) // 2])
    Path("other.json").write_text('{"MVAU_7": {"PE": 1, "SIMD": 1}}')
    Path("thesis").mkdir()
    Path("thesis/chapter1.txt").write_text("years of work")
    before = listing(here)
    assert re.search(message, fails("compile", *arguments, "--json", "out.json"))
    assert listing(here) == before


RUN = {
    "a missing file": (("none.csv",), "none.csv: there is no such file"),
    "words": (("words.csv",), "words.csv: not samples .*could not convert string 'red'"),
    "an empty file": (("empty.csv",), "empty.csv: holds no samples; give at least one row"),
    "rows of different length": (("ragged.csv",), "ragged.csv: not samples .*row 2"),
    "too few columns": (("narrow.csv",), r"input has shape \(1, 3\); expected \(batch, 4\)"),
    "NaN": (("nan.csv",), "input is nan at sample 1, feature 2; replace or drop such samples"),
    "infinity": (("inf.csv",), "input is inf at sample 0, feature 0"),
    "integers out of range": (("large.npy",), "value 256 .* is outside UINT8"),
    "pickled objects": (("objects.npy",), "objects.npy: not samples .*allow_pickle=False"),
    "half an .npy file": (("half.npy",), "half.npy: not samples"),
    "an .npy file of text": (("text.npy",), "input has dtype <U1"),
}


@pytest.mark.parametrize(("arguments", "message"), RUN.values(), ids=RUN)
def test_run_names_the_mistake_and_leaves_nothing(arguments, message, made, here):
    Path("words.csv").write_text("1,red,3,4\n")
    Path("empty.csv").write_text("")
    Path("ragged.csv").write_text("1,2,3,4\n1,2,3\n")
    Path("narrow.csv").write_text("1,2,3\n")
    Path("nan.csv").write_text("1,2,3,4\n1,2,nan,4\n")
    Path("inf.csv").write_text("inf,2,3,4\n")
    np.save("large.npy", np.array([[0, 1, 2, 256]]))
    np.save("objects.npy", np.array([[None] * 4]))
    np.save("text.npy", np.array([["a"] * 4]))
    Path("half.npy").write_bytes(Path("large.npy").read_bytes()[:-3])
    before = listing(here)
    options = ("--device", "functional", "-o", "y.npy", "--json", "out.json")
    assert re.search(message, fails("run", made / "net.bundle", *arguments, *options))
    assert listing(here) == before


@pytest.mark.parametrize("command", ["run", "inspect"])
def test_what_is_no_bundle_is_named(command, here):
    more = ("--dataset", "iris") if command == "run" else ()
    assert "none.bundle: no manifest.json there; make" in fails(command, "none.bundle", *more)
    assert "net.onnx: no manifest.json there" in fails(command, "net.onnx", *more)


def test_a_bundle_that_was_changed_is_refused(made, here):
    import shutil

    shutil.copytree(made / "net.bundle", "net.bundle")
    weights = Path("net.bundle/images/dense1.weights.hex")
    weights.write_text(weights.read_text().replace("a", "b", 1))
    said = fails("run", "net.bundle", "--dataset", "iris")
    assert "images/dense1.weights.hex was changed (its sha256 differs); compile it again" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "net.safetensors: not a checkpoint"), (b"\x00" * 100, "not a checkpoint")],
    ids=["missing", "garbage"],
)
def test_export_names_a_checkpoint_that_is_none(content, message, here):
    if content:
        Path("net.safetensors").write_bytes(content)
    Path("net.onnx").unlink()
    before = listing(here)
    assert message in fails("export", "net.safetensors")
    assert listing(here) == before


def test_a_result_that_can_not_be_written_is_told(made, here):
    Path("file").write_text("")
    said = fails("inspect", made / "net.bundle", "--json", "file/out.json")
    assert "file/out.json: can't be written" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train",), "give TOPOLOGY and --quantization, or --cross-validate"),
        (("train", "iris_64_32_32"), "give TOPOLOGY and --quantization"),
        (("train", "lenet", "-q", "W1A1"), "'lenet' is not one of 'irisnet'"),
        (("train", "irisnet", "-q", "W3A3"), "'W3A3' is not one of"),
        (("train", "irisnet", "-q", "W1A1", "--steps", 0), "0 is not in the range x>=1"),
        (("demo", "-n", "lenet"), "no network 'lenet' in the demo; it has iris_64_32_32-W1A1"),
        (("demo", "--cycles", 0), "0 is not in the range x>=1"),
        (("run", "b"), "give SAMPLES or --dataset, one of them"),
        (("run", "b", "x.csv", "--dataset", "iris"), "give SAMPLES or --dataset, one of them"),
        (("run", "b", "--dataset", "iris", "-o", "y.txt"), "name a .npy or a .csv file"),
        (("run", "b", "--dataset", "iris", "--device", "vortex"), "'vortex' is not one of"),
        (("compile", "x.onnx", "--cycles", "many"), "'many' is not a valid integer"),
        (("compile", "x.onnx", "--cycles", 0), "0 is not in the range x>=1"),
        (("compile", "x.onnx", "--fast"), "No such option"),
        (("compile",), "Missing argument 'QONNX'"),
        (("synthesise",), "No such command 'synthesise'"),
    ],
    ids=str,
)
def test_a_command_that_is_written_wrongly_has_exit_code_2(arguments, message, here):
    before = listing(here)
    assert message in fails(*arguments, code=2)
    assert listing(here) == before


def test_mnist_that_is_not_there_is_told_with_where_to_get_it(made, here, monkeypatch):
    monkeypatch.setattr("bitfold.models.datasets.MNIST_FOLDERS", (here / "mnist",))
    said = fails("run", made / "net.bundle", "--dataset", "mnist")
    assert "t10k-images-idx3-ubyte" in said and "get the four idx files" in said


# What goes wrong otherwise.


def test_debug_shows_where_it_failed(here):
    result = bitfold("compile", "none.onnx", "--debug")
    assert result.exit_code == 1
    assert type(result.exception).__name__ == "FrontendError"


def test_a_fault_of_our_own_is_one_line_too(here, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("bitfold.build.frontend.read_qonnx", broken)
    said = fails("compile", "net.onnx")
    assert "ZeroDivisionError('division by zero'): a fault in bitfold; report it" in said
    assert isinstance(bitfold("compile", "net.onnx", "--debug").exception, ZeroDivisionError)


def test_ctrl_c_ends_a_command_without_a_traceback(here, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bitfold.build.frontend.read_qonnx", interrupted)
    before = listing(here)
    result = bitfold("compile", "net.onnx")
    assert result.exit_code == 130
    assert "Traceback" not in result.output and "interrupted" in result.stderr
    assert listing(here) == before


def test_outputs_that_differ_are_counted_and_fail(made, here, monkeypatch):
    """A device that gives something else, which no device does."""
    from bitfold.runtime.functional import FunctionalDevice

    right = FunctionalDevice.run

    def wrong(self, x):
        outputs, call = right(self, x)
        outputs[:3] += 1
        return outputs, call

    monkeypatch.setattr(FunctionalDevice, "run", wrong)
    options = ("--dataset", "iris", "--device", "functional", "--json", "run.json")
    result = bitfold("run", made / "net.bundle", *options)
    assert result.exit_code == 1
    assert "not exact: 3 of 150 samples differ from the integer network" in result.stdout
    assert read(here / "run.json")["mismatches"] == 3
