"""What the command line says of mistakes: one line, an exit code, and nothing left behind."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.command_line import bitfold, fails, listing, read

from bitfold.runtime.functional import FunctionalDevice

COMPILE = {
    "a missing file": (("none.onnx",), "none.onnx: there is no such file"),
    "garbage": (("garbage.onnx",), "garbage.onnx: not .* it is truncated, damaged or of another"),
    "an empty file": (("empty.onnx",), "empty.onnx: not .* it is truncated, damaged or of another"),
    "half a file": (("half.onnx",), "half.onnx: not .* it is truncated, damaged or of another"),
    "a checkpoint": (("net.safetensors",), "not QONNX; first `bitfold export net.safetensors`"),
    "an unknown layer": (
        ("net.onnx", "--fold", "fc9=1,1"),
        "'fc9' is no layer; there are dense0, dense1, dense2, dense3",
    ),
    "an illegal fold": (
        ("net.onnx", "--fold", "dense0=3,1"),
        "dense0: PE=3 does not divide 64 rows; try 1, 2 or 4",
    ),
    "a fold that is none": (("net.onnx", "--fold", "dense0=x"), "write it as dense0=PE,SIMD"),
    "no folding file": (("net.onnx", "--folding", "none.json"), "none.json: can't be read"),
    "a folding for another network": (
        ("net.onnx", "--folding", "other.json"),
        "other.json: MVAU_7 is no layer of the network; it has dense0",
    ),
    "two targets": (("net.onnx", "--cycles", 9, "--luts", 900), "cycles and luts are targets of"),
    "too few cycles of a second": (("net.onnx", "--fps", 1e9), "more than one each cycle at 100"),
    "too few LUTs": (
        ("net.onnx", "--luts", 5),
        r"estimated at \d+ LUTs, above 5; raise the budget",
    ),
    "a reuse factor that no layer has": (
        ("net.onnx", "--reuse", 4096),
        r"reuse 4096 can't be; .*dense3 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96\b",
    ),
    "a scale without an encoding": (("net.onnx", "--input-scale", "1/255"), "give input_encoding"),
    "an unknown encoding": (("net.onnx", "--input-encoding", "PIXEL"), "'PIXEL' is not an integer"),
    "a place that is taken": (
        ("net.onnx", "-o", "thesis"),
        "thesis: is there already, without a manifest.json in it; choose another place",
    ),
    "a place that can't be": (("net.onnx", "-o", "garbage.onnx/x"), "x: can't be written"),
}


@pytest.mark.parametrize(("arguments", "message"), COMPILE.values(), ids=COMPILE)
def test_compile_names_the_mistake_and_leaves_nothing(arguments, message, here):
    whole = Path("net.onnx").read_bytes()
    Path("garbage.onnx").write_bytes(b"\x00garbage" * 50)
    Path("empty.onnx").write_bytes(b"")
    Path("net.safetensors").write_bytes(b"")
    Path("half.onnx").write_bytes(whole[: len(whole) // 2])
    Path("other.json").write_text('{"MVAU_7": {"PE": 1, "SIMD": 1}}')
    Path("thesis").mkdir()
    Path("thesis/chapter1.txt").write_text("years of work")
    before = listing(here)
    assert re.search(message, fails("compile", *arguments, "--json", "out.json"))
    assert listing(here) == before


RUN = {
    "a missing file": (("none.csv",), "none.csv: not samples .No such file"),
    "words": (("words.csv",), "words.csv: not samples .*could not convert string 'red'"),
    "an empty file": (("empty.csv",), "empty.csv: holds no samples; give at least one row"),
    "rows of different length": (("ragged.csv",), "ragged.csv: not samples .*row 2"),
    "too few columns": (("narrow.csv",), r"input has shape \(1, 3\); expected \(batch, 4\)"),
    "NaN": (("nan.csv",), "input is nan at sample 1, feature 2; replace or drop such samples"),
    "infinity": (("inf.csv",), "input is inf at sample 0, feature 0"),
    "integers out of range": (
        ("large.npy", "--inputs", "integers"),
        "value 256 .* is outside UINT8",
    ),
    "pickled objects": (("objects.npy",), "objects.npy: not samples .*object"),
    "a pipe": (("pipe.csv",), "pipe.csv: not samples .it is a pipe, not a file"),
    "a device": (("/dev/zero",), "/dev/zero: not samples .it is a device, not a file"),
    "more promised than there is": (("huge.npy",), "huge.npy: not samples"),
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
    os.mkfifo("pipe.csv")
    huge = {"descr": "<f8", "fortran_order": False, "shape": (1 << 50, 4)}
    with Path("huge.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, huge)
    Path("half.npy").write_bytes(Path("large.npy").read_bytes()[:-3])
    before = listing(here)
    options = ("--device", "functional", "-o", "y.npy", "--json", "out.json")
    assert re.search(message, fails("run", made / "net.bundle", *arguments, *options))
    assert listing(here) == before


@pytest.mark.parametrize("command", ["run", "inspect"])
def test_what_is_no_bundle_is_named(command, here):
    more = ("--dataset", "iris") if command == "run" else ()
    assert "none.bundle: there is no such bundle; make" in fails(command, "none.bundle", *more)
    said = fails(command, "net.onnx", *more)
    assert "net.onnx: not a bundle; make one with `bitfold compile net.onnx`" in said


def test_a_bundle_that_was_changed_is_refused(made, here):

    shutil.copytree(made / "net.bundle", "net.bundle")
    weights = Path("net.bundle/images/stage_0.weights.hex")
    text = weights.read_text()
    weights.write_text(("1" if text[0] == "0" else "0") + text[1:])
    said = fails("run", "net.bundle", "--dataset", "iris")
    assert "images/stage_0.weights.hex was changed (its sha256 differs); compile it again" in said


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
    monkeypatch.setattr("bitfold.models.image_files.folders", lambda name: (here / name,))
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
