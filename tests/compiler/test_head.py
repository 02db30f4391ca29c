"""What an overlay makes of its last layer: scores, the class or shares, as pass and as option."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.command_line import fails, works
from support.random_networks import Shape, random_network

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.lowering import lower
from bitfold.build.compile.passes.argmax import choose_class_on_chip
from bitfold.build.compile.passes.head import HEADS
from bitfold.build.compile.passes.softmax import share_on_chip
from bitfold.build.implement.finn.graph import integer_graph
from bitfold.models.errors import FoldingError, FrontendError, OverlayError
from bitfold.models.host import HostOp
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.dataflow.stages import SoftmaxStage
from bitfold.overlays.dataflow.stages.softmax import SOFTMAX_CYCLES

SHAPE = Shape((6, 4, 3), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
SMALL = random_network(SHAPE, 1)
FOLDING = {"fc0": Fold(2, 3), "fc1": Fold(1, 4)}
SCALE, HALF = np.float32(0.25), np.float32(0.5)


def with_head(*head: HostOp) -> Network:
    return replace(SMALL, head=head)


@pytest.mark.parametrize(
    ("head", "scale"),
    [
        ((), 1.0),
        ((HostOp("Softmax"),), 1.0),
        ((HostOp("Mul", (SCALE,)),), 0.25),
        ((HostOp("Div", (np.float32([4, 4, 4]),)), HostOp("Add", (HALF,))), 0.25),
        ((HostOp("Mul", (SCALE,)), HostOp("Mul", (HALF,)), HostOp("Softmax")), 0.125),
    ],
    ids=str,
)
def test_shares_are_those_of_the_scores_that_the_head_makes(head, scale):
    network = with_head(*head)
    shared = share_on_chip(network)
    assert shared.nodes[-1].op.scale == pytest.approx(scale, rel=2**-9)
    x = np.random.default_rng(0).integers(0, 16, (200, 6))
    scores = network(x) * scale
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    probabilities = shared.scores(shared(x))
    assert probabilities.dtype == np.float32
    assert np.abs(probabilities - expected).max() <= 0.02
    np.testing.assert_array_equal(shared.classes(shared(x)), network.classes(network(x)))
    assert share_on_chip(shared) == shared


@pytest.mark.parametrize(
    "head",
    [
        (HostOp("Mul", (-SCALE,)),),
        (HostOp("Mul", (np.float32([0.25, 0.5, 0.25]),)),),
        (HostOp("Mul", (SCALE,)), HostOp("Add", (np.float32([0, 0, 1]),))),
        (HostOp("BipolarQuant"),),
    ],
    ids=str,
)
def test_scores_are_left_to_the_host_where_the_head_may_change_the_order(head):
    with pytest.raises(
        OverlayError, match=f"the shares can't be computed on chip.*{head[-1].kind}"
    ):
        share_on_chip(with_head(*head))


def test_what_follows_a_softmax_is_not_left_out():
    head = (HostOp("Softmax"), HostOp("Mul", (HALF,)))
    with pytest.raises(OverlayError, match="Mul follows the model's Softmax"):
        share_on_chip(with_head(*head))


def test_the_plain_form_takes_no_offset():
    head = (HostOp("Mul", (SCALE,)), HostOp("Add", (HALF,)))
    with pytest.raises(OverlayError, match="but the model adds one; take the range-reduced soft"):
        share_on_chip(with_head(*head), "plain")
    assert share_on_chip(with_head(head[0]), "plain").nodes[-1].op.form == "plain"


@pytest.mark.parametrize(
    ("classes", "message"),
    [(1, "one output has no largest"), (65, "softmax of 65 classes; the overlay takes at most 64")],
)
def test_one_class_and_65_are_refused(classes, message):
    shape = Shape((6, classes), ("UINT4",), ("INT3",), None, False, False)
    with pytest.raises(OverlayError, match=message):
        share_on_chip(random_network(shape, 1))


def test_a_class_has_no_shares():
    with pytest.raises(OverlayError, match="it gives the class already"):
        share_on_chip(choose_class_on_chip(SMALL))


# In an overlay.


def test_the_figures_of_an_overlay_with_a_softmax_are_those_counted_by_hand():
    overlay = lower(share_on_chip(SMALL), FOLDING)
    stage = overlay.stages[-1]
    assert isinstance(stage, SoftmaxStage)
    # As without it, fc1 gives its three rows in cycles 16, 17, 18; the link gives them in 18, 19,
    # 20, the softmax its shares 2 * 3 + SOFTMAX_CYCLES behind the last; the link to the port
    # gathers the last of three, 2 cycles later.
    assert overlay.latency_cycles == 20 + 2 * 3 + SOFTMAX_CYCLES + 2 + 2
    assert overlay.initiation_interval == 4
    assert overlay.layers == ("fc0", "fc1", "softmax")
    assert overlay.folding == FOLDING
    assert overlay.luts_by_stage()["softmax"] > 300


def test_a_softmax_takes_a_cycle_a_class():
    network = share_on_chip(SMALL)
    assert folding.least_cycles(network) == 3
    with pytest.raises(FoldingError, match="the softmax takes 3 for its classes, one a cycle"):
        folding.for_cycles(network, 2)
    overlay = lower(network, folding.choose(network, unroll=True))
    assert (overlay.initiation_interval, overlay.bottleneck) == (3, "softmax")


def test_a_bundle_with_a_softmax_comes_back(tmp_path):
    network = share_on_chip(SMALL)
    bundle = compile_dataflow(network, FOLDING, tmp_path / "made")
    loaded = Bundle.load(tmp_path / "made")
    assert loaded.network.id == network.id
    design = loaded.design
    assert (design.output.elements, design.output.encoding.name) == (3, "UINT8")
    assert design.layers == bundle.design.layers == ("fc0", "fc1", "softmax")
    assert lower(loaded.network, design.folding).latency_cycles == design.latency_cycles


@pytest.mark.parametrize("head", ["argmax", "softmax"])
def test_finn_takes_scores(head):
    pytest.importorskip("qonnx", reason="the [compile] extra is not installed")
    with pytest.raises(FrontendError, match="compile it with --head scores"):
        integer_graph(HEADS[head](SMALL))


# The command.


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ((), (3, "INT")),
        (("--head", "scores"), (3, "INT")),
        (("--head", "argmax"), (1, "UINT2")),
        (("--argmax",), (1, "UINT2")),
        (("--head", "softmax"), (3, "UINT8")),
        (("--head", "plain-softmax"), (3, "UINT8")),
    ],
    ids=str,
)
def test_compile_makes_the_head_that_is_asked_for(options, output, here):
    works("compile", "net.onnx", "--no-check", "--json", "c.json", *options)
    made = json.loads(Path("c.json").read_text())["output"]
    assert made["elements"] == output[0] and made["encoding"].startswith(output[1])


def test_run_gives_shares_and_inspect_shows_the_softmax(here):
    text = works("compile", "net.onnx", "--head", "softmax")
    assert "softmax" in text and "equal to net.onnx on 100 random samples" in text
    assert "warning" not in text
    works("run", "net.bundle", "--dataset", "iris", "--device", "functional", "-o", "y.npy")
    shares = np.load("y.npy")
    assert (shares.sum(axis=1) == 255).all()


def test_the_plain_softmax_is_warned_about_with_the_samples_that_it_changes(here):
    text = works("compile", "net.onnx", "--head", "plain-softmax").replace("\n", " ")
    assert "warning: on random samples, softmax: its plain form changes the class of" in text
    network = Bundle.load("net.bundle").network
    x = np.random.default_rng(0).integers(0, 256, (60, 4))
    last = network.nodes[-1]
    changed = last.op.changed(network.trace(x)[last.input])
    assert len(changed)
    np.save("x.npy", x)
    options = ("--inputs", "integers", "--device", "functional")
    text = works("run", "net.bundle", "x.npy", *options).replace("\n", " ")
    assert f"class of {len(changed)} of 60 samples: {', '.join(map(str, changed))};" in text
    assert "exact" in text
    np.save("x.npy", np.delete(x, changed, axis=0))
    assert "warning" not in works("run", "net.bundle", "x.npy", *options)


def test_a_head_that_is_none_is_refused(here):
    said = fails("compile", "net.onnx", "--head", "logits", code=2)
    assert "'logits' is not one of 'scores', 'argmax', 'softmax', 'plain-softmax'" in said
