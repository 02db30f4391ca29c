"""What `bitfold diff` says of stages that differ, and of those that are equal."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from support.diffing import FAULTS, LAYERS, UNROLLED, differ, equal, keep
from support.faults import Fault, flipped, slow_trace, with_rtl_of

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.frontend import read_qonnx
from bitfold.models.encoding import Encoding
from bitfold.models.host import HostOp
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import ArgMax
from bitfold.models.value import Value
from bitfold.overlays.offload import Engine


def test_the_line_names_accumulators_thresholds_and_activations(work, network):
    fault = FAULTS[0]
    bad = flipped(network, fault)
    keep(bad, "bad")
    said = differ("good", "bad", "--data", "x.npy")
    first = said["first"]
    sample, channel = first["sample"], first["channel"]
    thresholds = network.parameters["act0.t"].values[channel].tolist()
    parts = []
    for net, side, label in ((network, first["a"], "good"), (bad, first["b"], "bad")):
        trace = slow_trace(net, work[sample])
        accumulator, activation = trace["fc0"][channel], trace["act0"][channel]
        low = max((t for t in thresholds if t <= accumulator), default=None)
        high = min((t for t in thresholds if t > accumulator), default=None)
        assert [side[k] for k in ("accumulator", "low", "high", "activation")] == [
            accumulator,
            low,
            high,
            activation,
        ]
        where = {
            (True, True): f"between thresholds {low} and {high}",
            (True, False): f"from threshold {low} on",
            (False, True): f"below threshold {high}",
        }[low is not None, high is not None]
        parts.append(f"accumulator {accumulator} ({where}, activation {activation}) in {label}")
    assert ", ".join(parts) in said["says"]


@pytest.mark.parametrize("fault", FAULTS[:2], ids=LAYERS[:2])
def test_what_an_unrolled_layer_does_not_show_is_told_by_its_level(fault, work, network):
    bad = flipped(network, fault)
    good = compile_dataflow(network, UNROLLED, "good.bundle")
    with_rtl_of(good, compile_dataflow(bad, UNROLLED, "other.bundle"), Path("bad.bundle"))
    first = differ("good.bundle", "bad.bundle", "--data", "x.npy")["first"]
    thresholds = network.parameters[f"act{fault.layer[2:]}.t"].values[first["channel"]].tolist()
    for net, side in ((network, first["a"]), (bad, first["b"])):
        accumulator = slow_trace(net, work[first["sample"]])[fault.layer][first["channel"]]
        assert side["accumulator"] is None
        assert side["low"] == max((t for t in thresholds if t <= accumulator), default=None)
        assert side["high"] == min((t for t in thresholds if t > accumulator), default=None)


def test_weights_that_are_logic_are_those_of_the_network_they_were_made_of(work, network):
    fault = FAULTS[1]
    keep(flipped(network, fault), "bad")
    compile_dataflow(network, UNROLLED, "good.bundle")
    (parameter,) = differ("bad", "good.bundle", "--data", "x.npy")["first"]["parameters"]
    assert (parameter["row"], parameter["column"]) == (fault.row, fault.column)


def test_every_layer_that_differs_is_counted(work, network):
    bad = flipped(network, FAULTS[0])
    keep(bad, "bad")
    said = differ("good", "bad", "--data", "x.npy")
    traces = [[slow_trace(net, sample) for sample in work] for net in (network, bad)]
    expected = []
    for node in network.nodes:
        pairs = [(one[node.output], other[node.output]) for one, other in zip(*traces)]
        values = sum(a != b for one, other in pairs for a, b in zip(one, other))
        if values:
            expected.append((node.name, sum(one != other for one, other in pairs), values))
    assert [(row["layer"], row["samples"], row["values"]) for row in said["layers"]] == expected
    outputs = [i for i, (one, other) in enumerate(zip(*traces)) if one["fc2"] != other["fc2"]]
    assert said["outputs_differ"] == outputs


def test_outputs_that_the_head_makes_almost_nothing_of_are_counted(work, network):
    small = replace(network, head=(HostOp("Mul", (np.float32(1e-9),)),))
    keep(small, "small")
    keep(flipped(small, FAULTS[2]), "bad")
    said = differ("small", "bad", "--data", "x.npy")
    outputs = network(work), flipped(network, FAULTS[2])(work)
    assert said["outputs_differ"] == np.flatnonzero((outputs[0] != outputs[1]).any(axis=1)).tolist()


def test_a_weight_that_no_sample_needs_is_told_all_the_same(work, network):
    keep(flipped(network, Fault("fc0", 0, 0)), "bad")
    np.save("zeros.npy", np.zeros((3, 6), np.int64))
    said = differ("good", "bad", "--data", "zeros.npy")
    assert said["first"] is None and said["outputs_differ"] == []
    assert re.search(r"^fc0: weight \[0, 0\] is .* none of the 3 samples shows it$", said["says"])


def test_other_measurements_to_integers_are_a_difference_of_the_input(exported):
    network = read_qonnx("net.onnx")
    steps = list(network.quantizer)
    scale, *rest = steps[-1].operands
    steps[-1] = replace(steps[-1], operands=(scale * 2, *rest))
    keep(replace(network, quantizer=tuple(steps)), "bad")
    said = differ("net.onnx", "bad", "--data", "flowers.npy")
    assert said["first"]["kind"] == "input"
    assert said["says"].startswith("input, feature 0, sample 0: ")


def test_another_class_from_equal_integers_is_a_difference_of_the_head(work, network):
    keep(with_argmax(network), "chosen")
    negated = replace(network, head=(HostOp("Mul", (np.float32(-1),)),))
    keep(negated, "negated")
    said = differ("negated", "chosen", "--data", "x.npy")
    assert (said["first"]["layer"], said["first"]["kind"]) == ("head", "class")
    classes = negated.classes(negated(work)), network.classes(network(work))
    first = int(np.flatnonzero(classes[0] != classes[1])[0])
    assert said["says"] == (
        f"head, channel 0, sample {first}: class {classes[0][first]} in negated, "
        f"class {classes[1][first]} in chosen"
    )


def test_another_scale_of_the_scores_is_a_difference_of_the_head(exported):
    network = read_qonnx("net.onnx")
    first = replace(network.head[0], operands=(network.head[0].operands[0] * np.float32(1.5),))
    keep(replace(network, head=(first, *network.head[1:])), "bad")
    said = differ("net.onnx", "bad", "--data", "flowers.npy")
    assert (said["first"]["layer"], said["first"]["kind"]) == ("head", "score")


# Equal stages.


def test_stages_of_every_kind_are_equal(exported, made):
    make_engine(Engine(8, 64, 512, 64, 4), "engine.bundle")
    keep(read_qonnx("net.onnx"), "saved")
    stages = ["net.safetensors", "saved", *(f"{made / 'net.bundle'}:{kind}" for kind in ("rtl",))]
    stages += [f"{made / 'net.bundle'}:functional", "engine.bundle", "engine.bundle:functional"]
    network = read_qonnx("net.onnx")
    every = ["input", *(node.name for node in network.nodes), "score"]
    for stage in stages:
        said = equal("net.onnx", stage, "--data", "flowers.npy")
        assert said["compared"] == every, stage
        assert (said["samples"], said["first"], said["layers"]) == (30, None, [])


def test_a_row_that_lowering_negates_is_no_difference(exported):
    """Behind a negative scale the file's sums are the network's, negated."""
    model = onnx.load("net.onnx")
    (factor,) = (t for t in model.graph.initializer if t.name.endswith("hidden.0.norm.factor"))
    values = numpy_helper.to_array(factor).copy()
    values[[2, 5]] *= -1
    factor.CopyFrom(numpy_helper.from_array(values, factor.name))
    onnx.save(model, "negated.onnx")
    keep(read_qonnx("negated.onnx"), "negated")
    weights = [
        net.parameters["dense0.weight"].values
        for net in map(read_qonnx, ("net.onnx", "negated.onnx"))
    ]
    assert np.flatnonzero((weights[0] != weights[1]).any(axis=1)).tolist() == [2, 5]
    equal("negated.onnx", "negated", "--data", "flowers.npy")


def test_random_samples_are_taken_where_none_are_given(work, bundle):
    assert equal("good", f"{bundle.path}:functional")["samples"] == 100
    assert equal("good", f"{bundle.path}:functional", "--samples", 7)["samples"] == 7


def test_a_choice_of_the_class_on_one_side_is_compared_by_classes(work, network):
    keep(with_argmax(network), "chosen")
    assert equal("good", "chosen", "--data", "x.npy")["compared"][-2:] == ["fc2", "class"]
    keep(flipped(Network.load(Path("chosen")), FAULTS[2]), "bad")
    said = differ("good", "bad", "--data", "x.npy")
    assert said["first"]["layer"] == "fc2"


def with_argmax(network: Network) -> Network:
    nodes = (*network.nodes, Node("argmax", ArgMax(), (network.output,), ("class",)))
    values = {**network.values, "class": Value((1,), Encoding.of("UINT2"))}
    return replace(network, nodes=nodes, values=values, output="class")
