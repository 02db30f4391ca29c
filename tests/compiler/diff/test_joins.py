"""`bitfold diff` of networks that branch: every layer by its name, and the first that differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.diffing import differ, equal, keep
from support.qonnx_graphs import LAYER_1, U4, writer

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.folding import for_cycles
from bitfold.build.frontend import read_qonnx

BODY = f"""{LAYER_1} f = MatMul(e, square) g = {U4.format("f")} h = Add(g, e)
    i = {U4.format("h")} j = Concat<axis=1>(i, e) y = MatMul(j, last)"""


@pytest.fixture
def file(home, tmp_path, monkeypatch) -> Path:
    """A file with an Add, the threshold behind it and a Concat, in a folder to work in."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(2)
    square, last = (random.integers(-7, 8, shape) / 8 for shape in ((5, 5), (10, 3)))
    return writer(tmp_path)(BODY, square=square, last=last)


def test_a_file_that_branches_is_compared_in_every_layer_with_its_overlay(file):
    network = read_qonnx(file)
    compile_dataflow(network, for_cycles(network, 64), Path("net.bundle"))
    said = equal(file.name, "net.bundle", "--samples", "20")
    assert {"dense1.threshold", "add0", "add0.threshold", "concat0"} < set(said["compared"])


def test_the_first_layer_that_differs_is_named_behind_a_join_too(file):
    network = read_qonnx(file)
    network.parameters["add0.thresholds"].values[:] -= 1
    keep(network, "bad")
    first = differ(file.name, "bad", "--samples", "20")["first"]
    assert first["layer"] == "add0"  # whose sums the threshold compares
