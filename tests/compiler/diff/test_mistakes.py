"""What `bitfold diff` says of mistakes: one line, an exit code, and nothing left behind."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.command_line import fails, listing
from support.diffing import SHAPE, keep
from support.random_networks import Shape, random_network

from bitfold.build.compile.compiler import make_engine
from bitfold.overlays.offload import Engine


def other_network(shape: Shape, folder: str) -> None:
    keep(random_network(shape, 1), folder)


MISTAKES = {
    "nothing there": (("good", "none"), "none: there is no such file or folder"),
    "no such recording": (("good", "none.npz"), "none.npz: there is no such file"),
    "another kind of file": (("good", "words.txt"), "words.txt: no stage; give a checkpoint"),
    "an empty folder": (("good", "empty"), "empty: no stage; give a checkpoint"),
    "a device of a network": (("good:rtl", "good"), "good:rtl: only a bundle has a stage 'rtl'"),
    "a device that is none": (
        ("good", "net.bundle:fpga"),
        "there is no stage 'fpga' of a bundle; choose one of rtl, functional, netlist, network",
    ),
    "more features": (("good", "wide"), "good takes 6 features, wide 9: they are not one network"),
    "more classes": (
        ("good", "classes"),
        r"good has a Dense with 3 outputs where classes has a Dense with 4 outputs \(fc2\): they "
        "are not one network",
    ),
    "more layers": (("good", "deep"), "deep goes on with act2 where good ends"),
    "two that run anything": (
        ("engine.bundle", "engine.bundle"),
        "engine.bundle does not say which network it runs, and neither does the other",
    ),
    "samples of another shape": (
        ("good", "good", "--data", "narrow.npy"),
        r"input has shape \(3, 5\); expected \(batch, 6\)",
    ),
    "no samples": (("good", "good", "--data", "nothing.npy"), "nothing.npy: holds no samples"),
    "outputs of other samples": (
        ("good", "y.npy", "--data", "few.npy"),
        r"y.npy: outputs of shape \(40, 3\), but 3 samples of random give \(3, 3\)",
    ),
    "outputs without their samples": (("good", "y.npy"), "y.npy was recorded with certain samples"),
    "floats as outputs": (
        ("good", "floats.npy", "--data", "x.npy"),
        r"floats.npy: float64 of shape \(40, 3\) are no recorded outputs",
    ),
    "an .npz of something else": (
        ("good", "other.npz", "--data", "x.npy"),
        "other.npz: no recorded outputs",
    ),
    "a checkpoint that is none": (("words.safetensors", "good"), "words.safetensors: not a check"),
    "a QONNX file that is none": (("words.onnx", "good"), "words.onnx: not"),
    "waves of no RTL": (("good", "good", "--waves", "w.fst"), "neither good nor good has RTL"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_and_nothing_is_left_behind(arguments, message, work, network):
    Path("empty").mkdir()
    for name in ("words.txt", "words.onnx", "words.safetensors"):
        Path(name).write_text("words")
    other_network(replace(SHAPE, widths=(9, 5, 4, 3)), "wide")
    other_network(replace(SHAPE, widths=(6, 5, 4, 4)), "classes")
    other_network(
        Shape(
            (6, 5, 4, 3, 2),
            ("UINT4", "UINT2", "BIPOLAR", "BIPOLAR"),
            ("INT3", "BIPOLAR", "INT4", "INT2"),
            None,
            False,
            False,
        ),
        "deep",
    )
    make_engine(Engine(8, 64, 64, 16, 3), "engine.bundle")
    np.save("narrow.npy", np.zeros((3, 5), np.int64))
    np.save("nothing.npy", np.zeros((0, 6), np.int64))
    np.save("few.npy", np.zeros((3, 6), np.int64))
    np.save("y.npy", np.zeros((40, 3), np.int64))
    np.save("floats.npy", np.zeros((40, 3)))
    np.savez("other.npz", weights=np.zeros(3))
    before = listing(Path())
    assert re.search(message, fails("diff", *arguments, "--json", "out.json"))
    assert listing(Path()) == before


def test_usage_is_told(work):
    both = ("diff", "good", "good", "--data", "x.npy", "--samples", 3)
    assert "give one of --data, --dataset and --samples" in fails(*both, code=2)
    assert "name an .fst file" in fails("diff", "good", "good", "--waves", "w.vcd", code=2)
    assert "0 is not in the range" in fails("diff", "good", "good", "--samples", 0, code=2)
