"""`bitfold diff` finds a fault in any kind of stage: its layer, sample and channel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from support.command_line import fails
from support.diffing import FAULTS, FOLDED, LAYERS, SHAPE, UNROLLED, assert_is, differ, equal, keep
from support.faults import (
    Fault,
    dense,
    first_difference,
    flipped,
    resealed,
    with_flipped_image,
    with_rtl_of,
)
from support.offload_networks import calibrated
from support.random_networks import random_folding, random_inputs, random_network, random_shape

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.frontend import read_qonnx
from bitfold.build.inspect.diff.compare import compare
from bitfold.build.inspect.diff.stages import NetworkStage
from bitfold.build.workflows.samples import Samples
from bitfold.models.checkpoints import load_checkpoint, save_checkpoint
from bitfold.models.encoding import Encoding
from bitfold.models.ops import Dense, Threshold
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.offload import Engine


@pytest.mark.parametrize("fault", FAULTS, ids=LAYERS)
def test_a_flipped_bit_of_a_saved_network_is_found(fault, work, network):
    bad = flipped(network, fault)
    keep(bad, "bad")
    said = differ("good", "bad", "--data", "x.npy")
    assert_is(said, first_difference(network, bad, work), network)
    weights = [
        int(net.parameters[f"{fault.layer}.w"].values[fault.row, fault.column])
        for net in (network, bad)
    ]
    assert said["first"]["parameters"] == [
        {"kind": "weight", "layer": fault.layer, "row": fault.row, "column": fault.column}
        | {"a": weights[0], "b": weights[1], "inside": []}
    ]
    assert said["says"].endswith(
        f"weight [{fault.row}, {fault.column}] is {weights[0]} and {weights[1]}"
    )


@pytest.mark.parametrize("fault", FAULTS, ids=LAYERS)
def test_a_flipped_bit_of_a_memory_image_is_found_in_the_rtl(fault, work, network, bundle):
    with_flipped_image(bundle, fault, Path("bad.bundle"))
    bad = flipped(network, fault)
    said = differ("good", "bad.bundle:rtl", "--data", "x.npy")
    assert_is(said, first_difference(network, bad, work), network)
    (parameter,) = said["first"]["parameters"]
    assert (parameter["row"], parameter["column"]) == (fault.row, fault.column)
    # The functional device executes the design with those images, not the network.
    assert_is(
        differ("good", "bad.bundle:functional", "--data", "x.npy"),
        first_difference(network, bad, work),
        network,
    )


@pytest.mark.parametrize("fault", FAULTS, ids=LAYERS)
def test_a_flipped_bit_of_an_unrolled_layer_is_found_in_the_rtl(fault, work, network):
    """Of its sums nothing is to be seen, only what the threshold behind them makes of them."""
    bad = flipped(network, fault)
    good = compile_dataflow(network, UNROLLED, "good.bundle")
    with_rtl_of(good, compile_dataflow(bad, UNROLLED, "other.bundle"), Path("bad.bundle"))
    seen = [node.output for node in network.nodes if not isinstance(node.op, Dense)]
    seen.append(network.output)
    expected = first_difference(network, bad, work, seen)
    assert expected is not None, "choose a fault that these samples show"
    said = differ("good", "bad.bundle", "--data", "x.npy")
    assert_is(said, expected, network)
    assert said["first"]["parameters"] is None  # the weights are logic
    equal("good", "good.bundle", "--data", "x.npy")


@pytest.mark.parametrize("fault", FAULTS, ids=LAYERS)
def test_a_flipped_bit_is_found_layer_by_layer_on_the_functional_device(fault, work, network):
    bad = flipped(network, fault)
    compile_dataflow(bad, FOLDED, "bad.bundle")
    said = differ("good", "bad.bundle:functional", "--data", "x.npy")
    assert_is(said, first_difference(network, bad, work), network)


@pytest.mark.parametrize("layer", range(4))
def test_a_flipped_bit_of_a_qonnx_initializer_is_found(layer, exported):
    model = onnx.load("net.onnx")
    weights = [t for t in model.graph.initializer if len(t.dims) == 2]
    assert len(weights) == 4
    values = numpy_helper.to_array(weights[layer]).copy()
    row, column = values.shape[0] - 1, values.shape[1] // 2
    values[row, column] *= -1
    weights[layer].CopyFrom(numpy_helper.from_array(values, weights[layer].name))
    onnx.save(model, "bad.onnx")
    assert_trained("net.onnx", "bad.onnx", layer, row, column, exported)


@pytest.mark.parametrize("layer", range(4))
def test_a_flipped_bit_of_a_checkpoint_is_found(layer, exported):
    model = load_checkpoint("net.safetensors")
    weights = [p for n, p in model.module.named_parameters() if n.endswith("linear.weight")]
    row, column = 2, layer
    weights[layer].data[row, column] *= -1
    save_checkpoint(model, "bad.safetensors")
    assert_trained("net.onnx", "bad.safetensors", layer, row, column, exported)


def assert_trained(a: str, b: str, layer: int, row: int, column: int, flowers: np.ndarray) -> None:
    network = read_qonnx("net.onnx")
    fault = Fault(dense(network)[layer].name, row, column)
    bad = flipped(network, fault)
    said = differ(a, b, "--data", "flowers.npy")
    assert_is(said, first_difference(network, bad, network.quantize(flowers)), network)
    assert [(p["row"], p["column"]) for p in said["first"]["parameters"]] == [(row, column)]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=LAYERS)
def test_a_flipped_bit_of_a_memory_image_is_found_in_the_netlist(fault, work, network, bundle):
    with_flipped_image(bundle, fault, Path("bad.bundle"))
    said = differ("good", "bad.bundle:netlist", "--data", "x.npy")
    assert_is(said, first_difference(network, flipped(network, fault), work), network)


def test_a_fault_in_the_engine_is_found_in_the_first_layer_that_meets_it(work, network):
    """A threshold that is just met is not reached any more."""
    engine = make_engine(Engine(8, 64, 512, 64, 4), "good.bundle")
    name = "rtl/drain_group.sv"
    text = (engine.path / name).read_text()
    right, wrong = "reached = less_value[32];", "reached = less_value[32] && !(&less_value);"
    assert right in text
    resealed(engine, Path("bad.bundle"), {name: text.replace(right, wrong)})
    higher = {
        node.parameter("thresholds"): replace(
            network.parameter(node, "thresholds"),
            values=network.parameter(node, "thresholds").values + 1,
            encoding=Encoding.of("INT16"),
        )
        for node in network.nodes
        if isinstance(node.op, Threshold)
    }
    bad = replace(network, parameters={**network.parameters, **higher})
    expected = first_difference(network, bad, work)
    assert expected is not None and expected[0] == "act0"
    refused = fails("diff", "good", "bad.bundle", "--data", "x.npy")
    assert "rtl/drain_group.sv is not the module that is installed here" in refused
    said = differ("good", "bad.bundle", "--data", "x.npy", "--trust-rtl")
    assert_is(said, expected, network)
    first = said["first"]
    assert first["a"]["accumulator"] == first["b"]["accumulator"] == first["a"]["low"]
    assert first["parameters"] == []
    assert said["says"].endswith("its weights and thresholds are equal")


@pytest.mark.parametrize("stage", ["bad", "bad.bundle"])
@pytest.mark.parametrize("layer", ["act0", "act1"])
def test_a_threshold_that_moved_is_found(layer, stage, work, network):
    name = f"{layer}.t"
    values = network.parameters[name].values.copy()
    values[3, 0] -= 2
    changed = {name: replace(network.parameters[name], values=values)}
    bad = replace(network, parameters={**network.parameters, **changed})
    keep(bad, "bad")
    compile_dataflow(bad, FOLDED, "bad.bundle")
    said = differ("good", stage, "--data", "x.npy")
    assert_is(said, first_difference(network, bad, work), network)
    first = said["first"]
    assert first["kind"] == "activation" and first["channel"] == 3
    assert first["a"]["accumulator"] == first["b"]["accumulator"]
    (parameter,) = first["parameters"]
    assert (parameter["kind"], parameter["layer"], parameter["row"]) == ("threshold", layer, 3)
    assert parameter["a"] - parameter["b"] == 2


def test_a_threshold_of_the_input_that_moved_is_found(work):
    """The first layer then takes no sums, but the input itself."""
    network = calibrated(random_network(replace(SHAPE, input_threshold="UINT2"), 3))
    values = network.parameters["quantize.t"].values.copy()
    values[1, 0] = 0
    changed = {"quantize.t": replace(network.parameters["quantize.t"], values=values)}
    bad = replace(network, parameters={**network.parameters, **changed})
    keep(network, "from")
    keep(bad, "to")
    _, sample, channel, *values = first_difference(network, bad, work)
    said = differ("from", "to", "--data", "x.npy")
    first = said["first"]
    assert (first["layer"], first["sample"], first["channel"]) == ("quantize", sample, channel)
    assert [first["a"]["value"], first["b"]["value"]] == values
    assert first["a"]["accumulator"] == work[sample, channel]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.data())
def test_any_flipped_bit_of_any_network_is_found(seed, data):
    shape = random_shape(seed)
    shape = replace(shape, weights=tuple(w if w != "TERNARY" else "INT2" for w in shape.weights))
    network = random_network(shape, seed)
    node = data.draw(st.sampled_from(dense(network)))
    weight = network.parameter(node, "weights")
    rows, columns = weight.values.shape
    fault = Fault(
        node.name,
        data.draw(st.integers(0, rows - 1)),
        data.draw(st.integers(0, columns - 1)),
        data.draw(st.integers(0, weight.encoding.bits - 1)),
    )
    bad = flipped(network, fault)
    x = random_inputs(network, 5, seed)
    a, b = NetworkStage("a", network), NetworkStage("b", bad)
    found = compare(a, b, a.run(Samples(x)), b.run(Samples(x)))
    expected = first_difference(network, bad, x)
    assert not found.equal
    if expected is None:
        # No sample shows it; the weight itself does.
        (parameter,) = found.parameters
        assert found.first is None and not len(found.outputs_differ)
    else:
        value, sample, channel, *values = expected
        assert (found.first.sample, found.first.channel) == (sample, channel)
        assert [found.first.a.value, found.first.b.value] == values
        assert found.first.layer == node.name and value == node.output
        (parameter,) = found.first.parameters
    assert (parameter.layer, parameter.row, parameter.column) == (
        fault.layer,
        fault.row,
        fault.column,
    )


def test_of_two_faults_the_earlier_sample_comes_first(work, network):
    """Though the other one is in a lower channel; and only the channel's own weight is named."""
    columns = 1, 4
    bad = flipped(flipped(network, Fault("fc0", 1, columns[0])), Fault("fc0", 3, columns[1]))
    keep(bad, "bad")
    work[:2, columns[0]], work[0, columns[1]], work[1, columns[1]] = 0, 0, 7
    np.save("x.npy", work)
    said = differ("good", "bad", "--data", "x.npy")
    assert_is(said, first_difference(network, bad, work), network)
    assert (said["first"]["sample"], said["first"]["channel"]) == (1, 3)
    (parameter,) = said["first"]["parameters"]
    assert (parameter["row"], parameter["column"]) == (3, 4)


@pytest.mark.parametrize("seed", range(12))
def test_an_image_read_back_is_what_was_written(seed, tmp_path):
    network = random_network(random_shape(seed), seed)
    bundle = compile_dataflow(network, random_folding(network, seed), tmp_path / "bundle")
    design = Bundle.load(bundle.path).design
    read = {stage.name: held for stage, held in zip(design.stages, design.constants)}
    for node in network.nodes:
        if isinstance(node.op, Dense):
            weights = network.parameter(node, "weights").values
            np.testing.assert_array_equal(read[node.name], [weights])
        elif isinstance(node.op, Threshold):
            thresholds = network.parameter(node, "thresholds").values
            sums = network.values[node.input].encoding
            expected = np.clip(thresholds, sums.minimum, sums.maximum + 1)
            np.testing.assert_array_equal(read[node.name], [expected])
