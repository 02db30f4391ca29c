"""Networks that branch: what lowering has to see, and the buffers where branches meet."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from support.exactness import WATCHDOG_CYCLES
from support.random_networks import random_inputs, random_values
from support.small_network import small_network

from bitfold.build.compile.compiler import bundle_design, make_engine
from bitfold.build.compile.folding import choose
from bitfold.build.compile.lowering import lower
from bitfold.build.inspect.report.facts import describe_layers
from bitfold.models.encoding import Encoding
from bitfold.models.errors import NetworkError, OverlayError, StallError
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Add, Concatenate, Dense, Threshold
from bitfold.models.value import Parameter, Value
from bitfold.overlays.dataflow.design import Design
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.dataflow.link import Link
from bitfold.overlays.offload import Engine
from bitfold.runtime.functional import FunctionalDevice
from bitfold.runtime.offload.steps import EngineStep, split
from bitfold.runtime.verilated import VerilatedDevice

SIZE = 16


def residual(join=Add, size: int = SIZE) -> Network:
    """x -> fc0, and from there past fc1 and act1 to where both meet."""
    random = np.random.default_rng(0)
    u4, i4 = Encoding.of("UINT4"), Encoding.of("INT4")
    values = {"x": Value((size,), u4)}
    parameters, nodes = {}, []

    def layer(name: str, source: str) -> str:
        weights = random_values(i4, (size, size), random).astype(np.int32)
        steps = np.sort(random.integers(-200, 200, (size, 15)), axis=1).astype(np.int32)
        parameters[f"{name}.w"] = Parameter(weights, i4)
        parameters[f"{name}.t"] = Parameter(steps, Encoding.of("INT9"))
        dense = Node(name, Dense(), (source,), (f"{name}.sums",), (f"{name}.w",))
        values[f"{name}.sums"] = Value((size,), Encoding.of("INT12"))
        act = Node(f"{name}.act", Threshold.to(u4), (f"{name}.sums",), (name,), (f"{name}.t",))
        values[name] = Value((size,), u4)
        nodes.extend([dense, act])
        return name

    skip = layer("fc0", "x")
    long = layer("fc1", skip)
    node = Node("join", join(), (long, skip), ("y",))
    values["y"] = node.op.infer([values[long], values[skip]], ())[0]
    nodes.append(node)
    return Network("residual", (size,), (), "x", "y", values, parameters, tuple(nodes), ())


FOLDING = {"fc0": Fold(4, 4), "fc1": Fold(2, 8), "join": Fold(2)}


def measured(design: Design, network: Network, folder, cache) -> tuple[int, float]:
    """Latency and interval of twelve frames on the RTL, whose integers are those of `network`."""
    bundle = bundle_design(network, design, folder / "design.bundle")
    device = VerilatedDevice(bundle, cache=cache, watchdog_cycles=WATCHDOG_CYCLES)
    try:
        x = random_inputs(network, 12, 0)
        y, call = device.run(x)
    finally:
        device.close()
    np.testing.assert_array_equal(y, network(x))
    return call.latency_cycles, call.initiation_interval


def with_depth(design: Design, operand: int, change: int) -> Design:
    """`design` with another depth of the buffer at one input of its last stage."""
    last = len(design.stages) - 1
    edges = tuple(
        replace(edge, link=replace(edge.link, depth=edge.link.depth + change))
        if (edge.target, edge.operand) == (last, operand)
        else edge
        for edge in design.edges
    )
    return replace(design, edges=edges)


def test_a_skip_edge_holds_what_its_branch_is_ahead_and_no_beat_more(tmp_path, cache):
    network = residual()
    design = lower(network, FOLDING)
    main, skip = design.into(len(design.stages) - 1)
    assert main.link.depth == 1
    assert skip.link.depth > 1
    exact = design.latency_cycles, design.initiation_interval
    assert measured(design, network, tmp_path, cache) == exact
    slower = measured(with_depth(design, 1, -1), network, tmp_path, cache)
    assert slower > exact


def test_a_skip_edge_that_holds_far_too_little_is_a_deadlock_that_the_watchdog_names(
    tmp_path, cache
):
    network = residual()
    design = lower(network, FOLDING)
    shallow = with_depth(design, 1, 1 - design.into(len(design.stages) - 1)[1].link.depth)
    with pytest.raises(StallError):
        measured(shallow, network, tmp_path, cache)


def test_concatenated_branches_wait_for_their_turn(tmp_path, cache):
    network = residual(Concatenate)
    design = lower(network, FOLDING)
    exact = design.latency_cycles, design.initiation_interval
    assert measured(design, network, tmp_path, cache) == exact


def reading_the_first() -> Network:
    """The layer behind the second threshold reads the first one's levels, and not the second's."""
    parts = small_network()
    wired = list(parts.nodes)
    back = Parameter(np.array([[3, -2, 1], [-4, 1, 2]], np.int32), Encoding.of("INT3"))
    wired[3] = Node("fc1", Dense(), ("signs",), ("scores",), ("w1",))
    joined = Node("join", Concatenate(), ("scores", "levels"), ("both",))
    values = {**parts.values, "both": Value((4,), Encoding.of("INT6"))}
    return replace(
        parts,
        nodes=(*wired, joined),
        values=values,
        parameters={**parts.parameters, "w1": back},
        output="both",
        head=(),
        labels=(),
    )


def test_a_layer_that_reads_an_earlier_value_is_computed_rightly_on_every_device(tmp_path, cache):
    network = reading_the_first()
    x = random_inputs(network, 20, 0)
    folding = {"binarize": Fold(1), "fc0": Fold(1, 3), "fc1": Fold(2, 1), "join": Fold(1)}
    dataflow = bundle_design(network, lower(network, folding), tmp_path / "dataflow.bundle")
    offload = make_engine(Engine(8, 64, 256, 16, 4), tmp_path / "offload.bundle")
    for bundle in (dataflow, offload):
        for device in (FunctionalDevice(bundle, cache), VerilatedDevice(bundle, cache=cache)):
            device.load(network)
            np.testing.assert_array_equal(device.run(x)[0], network(x))
            device.close()


def test_two_nodes_of_one_name_are_refused():
    parts = small_network()
    nodes = list(parts.nodes)
    nodes[3] = replace(nodes[3], name="fc0")
    with pytest.raises(NetworkError, match="2 nodes are called fc0"):
        replace(parts, nodes=tuple(nodes))


def test_a_value_that_nothing_reads_is_refused():
    parts = small_network()
    aside = Node("aside", Threshold(-1, 2), ("x",), ("aside",), ("split",))
    with pytest.raises(NetworkError, match="value aside is never used"):
        replace(
            parts,
            nodes=(*parts.nodes, aside),
            values={**parts.values, "aside": parts.values["signs"]},
        )


# Faults in lowering, put in on purpose: the functional device shows them.


def outputs(design: Design, network: Network, folder, cache) -> np.ndarray:
    device = FunctionalDevice(bundle_design(network, design, folder / "faulty.bundle"), cache)
    return device.run(random_inputs(network, 50, 1))[0]


def test_permuted_weights_show_on_the_functional_device(tmp_path, cache):
    network = small_network()
    design = lower(network, {"binarize": Fold(1), "fc0": Fold(1, 3), "fc1": Fold(1, 1)})
    assert (
        outputs(design, network, tmp_path, cache) == network(random_inputs(network, 50, 1))
    ).all()
    place = next(i for i, stage in enumerate(design.stages) if stage.name == "fc0")
    constants = list(design.constants)
    constants[place] = (constants[place][0][:, ::-1],)
    faulty = replace(design, constants=tuple(constants))
    wrong = outputs(faulty, network, tmp_path, cache) != network(random_inputs(network, 50, 1))
    assert wrong.any()


def test_a_wrong_edge_shows_on_the_functional_device(tmp_path, cache):
    network = residual()
    design = lower(network, FOLDING)
    main, skip = design.into(len(design.stages) - 1)
    edges = tuple(replace(main, operand=1) if edge == skip else edge for edge in design.edges)
    faulty = replace(design, edges=edges)
    wrong = outputs(faulty, network, tmp_path, cache) != network(random_inputs(network, 50, 1))
    assert wrong.any()


def test_a_wrong_bit_of_a_program_shows_on_its_machine():
    engine, network = Engine(8, 64, 256, 16, 4), small_network()
    steps = split(engine, network)
    program = next(step.program for step in steps if isinstance(step, EngineStep))
    shape, random = (program.frames, program.input.elements), np.random.default_rng(0)
    x = random_values(program.input.encoding, shape, random)
    image = program.image.copy()
    image[-1] ^= np.uint64(3)
    assert (replace(program, image=image)(engine, x) != program(engine, x)).any()


def test_the_report_says_what_each_layer_of_a_graph_reads(tmp_path):
    network = residual()
    bundle = bundle_design(network, lower(network, FOLDING), tmp_path / "residual.bundle")
    reads = {layer["name"]: layer["reads"] for layer in describe_layers(bundle, network)}
    assert reads == {"fc0": ["the input"], "fc1": ["fc0"], "join": ["fc1", "fc0"]}
    chain = small_network()
    bundle = bundle_design(chain, lower(chain, choose(chain)), tmp_path / "chain.bundle")
    assert {layer["reads"] for layer in describe_layers(bundle, chain)} == {None}


@pytest.mark.parametrize("field", [field.name for field in fields(Link)])
def test_an_edge_carries_what_its_ends_give_and_take(field):
    design = lower(residual(), FOLDING)
    for place, edge in enumerate(design.edges):
        if edge.link:
            wrong = -1 if field == "depth" else getattr(edge.link, field) + 1
            changed = replace(edge, link=replace(edge.link, **{field: wrong}))
            edges = (*design.edges[:place], changed, *design.edges[place + 1 :])
            with pytest.raises(OverlayError, match="but the edge carries other frames"):
                replace(design, edges=edges)
