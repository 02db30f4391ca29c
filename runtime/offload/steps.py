"""Splits a network into what one engine runs in a call, and what the host does between calls."""

from __future__ import annotations

from dataclasses import dataclass

from bitfold.models.encoding import Encoding
from bitfold.models.errors import OverlayError
from bitfold.models.network import ArgMax, Dense, Network, Node, Softmax, Threshold
from bitfold.overlays.offload import Engine
from bitfold.overlays.program import Head
from bitfold.runtime.offload.assembler import Layer, Program, assemble


@dataclass(frozen=True)
class HostStep:
    """A node that the host computes."""

    node: Node


@dataclass(frozen=True)
class EngineStep:
    """Layers that the engine runs in one call."""

    program: Program


Step = HostStep | EngineStep


def split(engine: Engine, network: Network) -> tuple[Step, ...]:
    """The steps that make `network` out of `engine` and host.

    What the engine can't do, or not at that size, is the host's: a threshold without a Dense layer
    in front, a plain softmax, a layer beyond a limit. More layers than a program holds take several
    calls. Raises OverlayError, saying why, if no layer fits the engine.
    """
    steps: list[Step] = []
    waiting: list[Layer] = []  # for the next program
    misfits: list[str] = []

    def flush() -> None:
        if waiting:
            steps.append(EngineStep(assemble(engine, tuple(waiting))))
            waiting.clear()

    here, base = network.tensors[network.input].encoding, 0
    nodes = list(network.nodes)
    while nodes:
        if len(waiting) == engine.layers:
            flush()
            # The new program starts from memory, where the network's own integers lie.
            here, base = network.tensors[nodes[0].input].encoding, 0
        layer, used = _layer(network, nodes, here, base)
        why_not = layer.misfits(engine) if layer else []
        if why_not:
            # What follows may be too much, but not the layer itself.
            bare, _ = _layer(network, nodes[:1], here, base)
            if not bare.misfits(engine):
                layer, used, why_not = bare, 1, []
        if layer and not why_not:
            waiting.append(layer)
            here, base = layer.output, layer.output_base
        else:
            misfits += why_not
            flush()
            used = 1
            steps.append(HostStep(nodes[0]))
            here, base = network.tensors[nodes[0].output].encoding, 0
        nodes = nodes[used:]
    flush()
    if not any(isinstance(step, EngineStep) for step in steps):
        raise OverlayError("; ".join(misfits) or "it has no dense layer")
    return tuple(steps)


def _layer(
    network: Network, nodes: list[Node], here: Encoding, base: int
) -> tuple[Layer | None, int]:
    """The layer that begins with the first of `nodes`, and how many of them it takes."""
    dense = nodes[0]
    if not isinstance(dense, Dense):
        return None, 0
    weight = network.parameters[dense.weight]
    thresholds, head, output_base = None, Head.RAW, 0
    output = network.tensors[dense.output].encoding
    follower = nodes[1] if len(nodes) > 1 else None
    if isinstance(follower, Threshold):
        thresholds, head = network.parameters[follower.thresholds].values, Head.THRESHOLD
        output = network.tensors[follower.output].encoding
        if not output.is_bipolar:
            output = Encoding.for_range(0, thresholds.shape[1])
            output_base = follower.base
    elif isinstance(follower, ArgMax):
        head, output = Head.ARGMAX, network.tensors[follower.output].encoding
    elif isinstance(follower, Softmax) and follower.form == "reduced":
        head, output = Head.SOFTMAX, network.tensors[follower.output].encoding
    used = 1 if head is Head.RAW else 2
    name = dense.name
    layer = Layer(
        name,
        weight.values,
        weight.encoding,
        here,
        base,
        thresholds,
        head,
        output,
        output_base,
        follower if head is Head.SOFTMAX else None,
    )
    return layer, used
