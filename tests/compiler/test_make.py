"""From a CSV file to an exact overlay, in one command and in four; and what a CSV file can lack."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from support.command_line import fails, listing, read, works

from bitfold.build.frontend import read_qonnx
from bitfold.runtime.accelerator import Accelerator


def write(file: Path, data, delimiter: str = ",") -> None:
    """A scikit-learn table as CSV, its classes by name in the column `kind`."""
    numbers = [[repr(float(value)) for value in row] for row in data.data]
    if delimiter == ";":
        numbers = [[value.replace(".", ",") for value in row] for row in numbers]
    kinds = [str(data.target_names[label]) for label in data.target]
    rows = [[*row, kind] for row, kind in zip(numbers, kinds, strict=True)]
    lines = [[str(name) for name in data.feature_names] + ["kind"], *rows]
    file.write_text("\n".join(delimiter.join(line) for line in lines) + "\n")


@pytest.fixture
def folder(home, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def wine(home, tmp_path_factory) -> Path:
    """What `bitfold make wine.csv` leaves; no test may change it."""
    folder = tmp_path_factory.mktemp("wine")
    write(folder / "wine.csv", load_wine())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        options = ("--label", "kind", "--steps", 300, "--json", folder / "make.json")
        (folder / "said.txt").write_text(works("make", folder / "wine.csv", *options))
    return folder


# One command.


def test_one_command_makes_an_exact_overlay_of_a_csv_file(wine):
    result = read(wine / "make.json")
    assert result["exact"] and result["samples"] == 178 and result["device"] == "verilated"
    assert result["latency_cycles"] == result["latency_cycles_predicted"]
    assert result["initiation_interval"] == result["initiation_interval_predicted"]
    assert result["holdout"]["samples"] == 36
    assert result["holdout"]["accuracy"] > 0.85 > np.bincount(load_wine().target).max() / 178
    assert result["metrics"]["accuracy"] > 0.9
    said = (wine / "said.txt").read_text()
    assert "trained on 142 of 178 rows" in said and "would reach 39.89%" in said
    assert "class_0" in said and "exact: all outputs of the verilated device" in said
    for made in ("wine.bundle", "wine.onnx", "wine.safetensors"):
        assert (wine / made).exists()


def test_the_bundle_alone_takes_raw_measurements(wine):
    data = load_wine()
    accelerator = Accelerator(wine / "wine.bundle", "functional")
    assert accelerator.labels == ("class_0", "class_1", "class_2")
    classes = accelerator.classify(data.data)
    assert classes.tolist() == read(wine / "make.json")["classes"]
    assert np.mean(classes == data.target) > 0.9


def test_the_same_command_leaves_the_same_bytes(wine, folder):
    write(folder / "wine.csv", load_wine())
    works("make", "wine.csv", "--label", "kind", "--steps", 300, "-o", "out/wine.bundle")
    assert listing(folder / "out" / "wine.bundle") == listing(wine / "wine.bundle")


# Four commands.


def test_train_export_compile_and_run_do_the_same_one_after_the_other(folder):
    data = load_breast_cancer()
    write(folder / "cancer.csv", data, delimiter=";")
    options = ("--label", "kind", "-q", "W1A3", "--steps", 200, "--json", "train.json")
    said = works("train", "cancer.csv", *options)
    assert "saying 'benign' of every row would reach 62.74%" in said
    assert read(folder / "train.json")["checkpoint"] == "cancer-W1A3.safetensors"
    works("export", "cancer-W1A3.safetensors")
    works("compile", "cancer-W1A3.onnx", "-o", "cancer.bundle")
    said = works(
        *("run", "cancer.bundle", "cancer.csv", "--label", "kind", "--json", "run.json"),
    )
    result = read(folder / "run.json")
    assert result["exact"] and result["samples"] == 569 and result["device"] == "verilated"
    assert result["metrics"]["accuracy"] > 0.9
    assert said.startswith("classes: malignant, ")
    assert np.trace(result["metrics"]["confusion"]) == round(result["metrics"]["accuracy"] * 569)


def test_a_file_that_is_named_after_a_dataset_is_still_a_table_of_its_own(folder):
    write(folder / "iris.csv", load_iris())
    (folder / "iris.csv").write_text(
        "\n".join(line.split(",", 1)[1] for line in Path("iris.csv").read_text().split("\n")[:-1])
    )
    works("train", "iris.csv", "--label", "kind", "-q", "W1A1", "--steps", 5, "-o", "i.safetensors")
    works("export", "i.safetensors")
    assert read_qonnx(Path("i.onnx")).sample_shape == (3,)


@pytest.mark.slow
def test_train_cross_validates_a_csv_file(folder):
    write(folder / "wine.csv", load_wine())
    options = ("--label", "kind", "-q", "W1A3", "--cross-validate", "--steps", 20)
    said = works("train", "wine.csv", *options, "--json", "cv.json")
    result = read(folder / "cv.json")
    assert np.shape(result["accuracies"]) == (3, 5)
    assert f"accuracy {result['mean']:.1%} ± {result['std']:.1%}, 5 folds over 3 seeds" in said


# Running on a table.


def run(wine: Path, lines: list[str], *options) -> dict:
    Path("some.csv").write_text("\n".join(lines))
    options = ("--device", "functional", "--json", "run.json", *options)
    works("run", wine / "wine.bundle", "some.csv", *options)
    return read(Path("run.json"))


def test_columns_are_found_by_name_wherever_they_stand(wine, folder):
    lines = (wine / "wine.csv").read_text().splitlines()
    mixed = [";".join(["x" * i, *reversed(line.split(","))]) for i, line in enumerate(lines, 1)]
    result = run(wine, mixed, "--label", "kind")
    assert result["classes"] == read(wine / "make.json")["classes"]
    assert result["metrics"] == read(wine / "make.json")["metrics"]
    assert "metrics" not in run(wine, mixed)


def test_numbers_without_names_are_taken_in_their_order(wine, folder):
    lines = (wine / "wine.csv").read_text().splitlines()[1:]
    result = run(wine, [line.rpartition(",")[0] for line in lines])
    assert result["classes"] == read(wine / "make.json")["classes"]


# What is wrong.

WRONG = {
    "no such column": ({"kind": "species"}, "has no column 'kind'; its columns are .*, species"),
    "a word": ({"14.23": "red"}, "line 2, column 'alcohol': 'red' is not a number"),
    "another class": ({"class_0": "other"}, "label 'other' is none of the classes"),
    "a column less": ({"alcohol,": "spirit,"}, "has no column 'alcohol'; its columns are spirit"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_run_says_what_a_table_lacks(change, message, wine, folder):
    text = (wine / "wine.csv").read_text()
    for old, new in change.items():
        text = text.replace(old, new)
    Path("wrong.csv").write_text(text)
    before = listing(folder)
    said = fails("run", wine / "wine.bundle", "wrong.csv", "--label", "kind", "--json", "out.json")
    assert said.startswith("error: wrong.csv: ")
    assert re.search(message, said)
    assert listing(folder) == before


@pytest.mark.parametrize("command", [("make",), ("train", "-q", "W1A1")])
def test_a_table_that_cannot_be_learnt_leaves_nothing(command, folder):
    Path("bad.csv").write_text("width,kind\n1,a\nred,b\n")
    before = listing(folder)
    name, *options = command
    said = fails(name, "bad.csv", "--label", "kind", *options)
    assert "bad.csv: line 3, column 'width': 'red' is not a number" in said
    assert listing(folder) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "x.csv", "-q", "W1A1"), "give DATA.csv and --label together"),
        (("train", "irisnet", "-q", "W1A1", "--label", "kind"), "DATA.csv and --label together"),
        (("train", "x.csv", "--label", "kind"), "give --quantization with DATA.csv"),
        (("train", "x.csv", "--label", "k", "--cross-validate"), "give --quantization"),
        (("train", "x.txt", "-q", "W1A1"), "'x.txt' is not one of 'irisnet'"),
        (("make", "x.csv"), "Missing option '--label'"),
        (("make", "x.csv", "--label", "k", "-q", "float"), "'float' is not one of 'W1A1'"),
        (("run", "b", "--dataset", "iris", "--label", "k"), "--label goes with a .csv file"),
        (("run", "b", "x.npy", "--label", "k"), "--label goes with a .csv file"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together_have_exit_code_2(arguments, message, folder):
    assert message in fails(*arguments, code=2)
