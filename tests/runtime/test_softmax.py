"""Softmax in both overlays: the integers of the reference and the cycles that were predicted."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from support.random_networks import Shape, random_inputs, random_network

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.compile.passes.softmax import share_on_chip
from bitfold.models.encoding import Encoding
from bitfold.models.errors import ClassWarning
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Dense, Softmax
from bitfold.models.ops.softmax import scaled
from bitfold.models.value import Parameter, Value
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.offload import Engine
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.verilated import VerilatedDevice

EMULATED = ("verilated", "functional")
Q3_3 = np.array(list(product(range(-32, 32), repeat=3)), np.int64)
"""All scores of three classes in signed Q3.3."""


def scores_as_they_are(classes: int, encoding: str, scale: float, form: str) -> Network:
    """A network whose scores are its inputs."""
    scores, weight = Value((classes,), Encoding.of(encoding)), np.eye(classes, dtype=np.int32)
    return Network(
        name="scores",
        sample_shape=(classes,),
        quantizer=(),
        input="x",
        output="shares",
        values={"x": scores, "s": scores, "shares": Value((classes,), Encoding.of("UINT8"))},
        parameters={"eye": Parameter(weight, Encoding.of("BINARY"))},
        nodes=(
            Node("fc", Dense(), ("x",), ("s",), ("eye",)),
            Node("softmax", Softmax(*scaled(scale, form), form), ("s",), ("shares",)),
        ),
        head=(),
    )


def run_in_dataflow(network: Network, x: np.ndarray, folder, cache) -> None:
    rows, columns = network.parameters["eye"].values.shape
    bundle = compile_dataflow(network, {"fc": Fold(1, columns)}, folder / "scores.bundle")
    device = VerilatedDevice(bundle, cache=cache)
    try:
        y, call = device.run(x)
    finally:
        device.close()
    np.testing.assert_array_equal(y, network(x))
    assert call.cycles == call.predicted_cycles
    assert call.initiation_interval == bundle.design.initiation_interval == rows


@pytest.mark.parametrize("form", ["reduced", "plain"])
def test_all_scores_of_three_classes_in_q3_3_come_out_of_the_rtl_as_the_reference_says(
    form, tmp_path, cache
):
    run_in_dataflow(scores_as_they_are(3, "INT6", 1 / 8, form), Q3_3, tmp_path, cache)


@pytest.mark.parametrize("form", ["reduced", "plain"])
@pytest.mark.parametrize("classes", [2, 10, 64])
def test_random_scores_of_many_classes_come_out_of_the_rtl_as_the_reference_says(
    classes, form, tmp_path, cache
):
    # Near each other and far apart: 12 bits of scores, of which 2^8 are e^4.
    network = scores_as_they_are(classes, "INT12", 1 / 64, form)
    random = np.random.default_rng(classes)
    samples = 100_000 if form == "reduced" else 10_000
    spread = random.choice([8, 64, 600], (samples, 1))
    x = np.clip(np.rint(random.normal(0, spread, (samples, classes))), -2048, 2047)
    run_in_dataflow(network, x.astype(np.int64), tmp_path, cache)


# What users hold.

SHAPE = Shape((8, 6, 5), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False, "reduced")
FOLDING = {"fc0": Fold(2, 4), "fc1": Fold(1, 3)}


@pytest.mark.parametrize("overlay", ["dataflow", "offload"])
def test_an_accelerator_gives_shares_probabilities_and_classes(overlay, tmp_path, cache):
    scores = random_network(replace(SHAPE, softmax=None), 1)
    network = share_on_chip(scores)
    compile_dataflow(network, FOLDING, tmp_path / "shares.bundle")
    make_engine(Engine(softmax=True), tmp_path / "engine.bundle")
    x = random_inputs(network, 40, 0)
    for device in EMULATED:
        with Accelerator(tmp_path, device, cache, network=network, overlay=overlay) as accelerator:
            assert accelerator.bundle.kind == overlay
            shares = accelerator.run(x)
            np.testing.assert_array_equal(shares, network(x))
            assert shares.shape == (40, 5) and (shares.sum(axis=1) == 255).all()
            probabilities = accelerator.scores(x)
            np.testing.assert_array_equal(probabilities, shares.astype(np.float32) / 255)
            np.testing.assert_array_equal(accelerator.classify(x), scores(x).argmax(axis=1))
            call = accelerator.last_call
            assert call.cycles in (None, call.predicted_cycles)


def test_an_accelerator_warns_of_the_samples_whose_class_a_plain_softmax_changes(tmp_path, cache):
    network = scores_as_they_are(3, "INT6", 1 / 8, "plain")
    bundle = compile_dataflow(network, {"fc": Fold(1, 3)}, tmp_path / "plain.bundle")
    fine, wrong = [8, 0, -8], [-32, 8, 0]
    with Accelerator(bundle, "functional", cache) as accelerator:
        said = r"changes the class of 2 of 4 samples: 1, 3; 2 have scores beyond -1\.\.1"
        with pytest.warns(ClassWarning, match=said):
            accelerator.run(np.array([fine, wrong, fine, wrong]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            accelerator.run(np.array([fine, fine]))
