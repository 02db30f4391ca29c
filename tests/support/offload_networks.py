"""Networks and engines for the tests of the offload overlay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.random_networks import Shape, random_inputs, random_network

from bitfold.models.encoding import Encoding
from bitfold.models.network import Network
from bitfold.models.ops import Dense, Threshold
from bitfold.models.value import Parameter, Value
from bitfold.overlays.offload import Engine
from bitfold.runtime.offload.schedule import schedule
from bitfold.runtime.offload.steps import HostStep, split

SMALL = Engine(rows=8, lanes=64, input_words=512, weight_words=64, layers=4, softmax=True)
"""For programs that are wrong: quick to build, and with limits near at hand."""


def dense_network(
    widths: tuple[int, ...],
    weight: str = "BIPOLAR",
    activation: str = "BIPOLAR",
    first: str | None = None,
    argmax: bool = False,
    seed: int = 0,
) -> Network:
    """Dense layers of `widths`, from input on, with random weights and one encoding each.

    `first` is the input's, where it is another. Each level of an activation is taken now and then.
    """
    layers = len(widths) - 1
    activations = (first or activation, *[activation] * (layers - 1))
    shape = Shape(widths, activations, (weight,) * layers, None, False, argmax)
    return calibrated(random_network(shape, seed), seed)


def calibrated(network: Network, seed: int = 0) -> Network:
    """The same network with thresholds where the sums of random inputs lie."""
    x = random_inputs(network, 64, seed)
    for node in network.nodes:
        if isinstance(node.op, Threshold):
            # Each threshold depends on those before it.
            sums = network.trace(x)[node.input]
            before = network.parameter(node, "thresholds")
            rows, levels = before.values.shape
            shares = np.arange(1, levels + 1) / (levels + 1)
            quantiles = np.quantile(sums, shares, axis=0 if rows > 1 else None)
            values = np.rint(quantiles).astype(np.int32).reshape(levels, rows).T
            parameter = Parameter(values, before.encoding)
            changed = {**network.parameters, node.parameter("thresholds"): parameter}
            network = replace(network, parameters=changed)
    return network


def irisnet(weight: str = "INT4", activation: str = "UINT4", seed: int = 0) -> Network:
    """4-30-30-30-3 as the published IrisNet: one 30x30 layer with its thresholds, applied twice."""
    network = dense_network((4, 30, 30, 30, 3), weight, activation, "UINT8", seed=seed)
    names = {"fc2.w": "fc1.w", "act2.t": "act1.t"}
    nodes = [
        replace(node, parameters=tuple(names.get(name, name) for name in node.parameters))
        for node in network.nodes
    ]
    parameters = {n: p for n, p in network.parameters.items() if n not in names}
    return replace(network, nodes=tuple(nodes), parameters=parameters)


def with_wide_activations(network: Network, encoding: str) -> Network:
    """The same network, whose thresholds declare their outputs wider than they are."""
    wide = {n.output: encoding for n in network.nodes if isinstance(n.op, Threshold)}
    sums = {n.output: "INT32" for n in network.nodes if isinstance(n.op, Dense)}
    values = {
        name: Value(value.shape, Encoding.of((wide | sums).get(name, value.encoding.name)))
        for name, value in network.values.items()
    }
    return replace(network, values=values)


def predicted_layers(
    engine: Engine, network: Network, frames: int, memory_latency_cycles: int
) -> dict[str, int]:
    """Cycles that the schedule gives each layer, over all calls of a batch."""
    cycles: dict[str, int] = {}
    for step in split(engine, network):
        if isinstance(step, HostStep):
            continue
        for start in range(0, frames, step.program.frames):
            part = min(step.program.frames, frames - start)
            for layer in schedule(engine, step.program, part, memory_latency_cycles).layers:
                cycles[layer.name] = cycles.get(layer.name, 0) + layer.cycles
    return cycles


def useful_products(network: Network, frames: int) -> int:
    """One-bit products of weights and inputs of `frames` frames, without any padding."""
    return frames * sum(
        network.parameter(node, "weights").values.size
        * network.parameter(node, "weights").encoding.bits
        * network.values[node.input].encoding.bits
        for node in network.nodes
        if isinstance(node.op, Dense)
    )
