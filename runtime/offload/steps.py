"""Splits a network into what one engine runs in a call, and what the host does between calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.errors import OverlayError
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import ArgMax, Dense, Softmax, Threshold
from bitfold.overlays.kernels import Kernel, fuse, weights_of
from bitfold.overlays.offload import Engine
from bitfold.overlays.program import Head
from bitfold.runtime.offload.assembler import Layer, Program, assemble


@dataclass(frozen=True)
class HostStep:
    """A node that the host computes."""

    node: Node

    inputs = property(lambda self: self.node.inputs)
    outputs = property(lambda self: self.node.outputs)


@dataclass(frozen=True)
class EngineStep:
    """Layers that the engine runs in one call, from one value to another."""

    program: Program
    input: str
    output: str

    inputs = property(lambda self: (self.input,))
    outputs = property(lambda self: (self.output,))


Step = HostStep | EngineStep


def split(engine: Engine, network: Network) -> tuple[Step, ...]:
    """The steps that make `network` out of `engine` and host.

    What the engine can't do, or not at that size, is the host's: where branches meet, a threshold
    without a Dense layer in front, a plain softmax, a layer beyond a limit. A value that several
    layers read ends a call, and so does one more layer than a program holds. Raises OverlayError,
    saying why, if no layer fits the engine.
    """
    steps: list[Step] = []
    waiting: list[Layer] = []  # for the next program
    ends: list[str] = []  # the values that it reads and makes
    misfits: list[str] = []

    def flush() -> None:
        if waiting:
            steps.append(EngineStep(assemble(engine, tuple(waiting)), ends[0], ends[-1]))
            waiting.clear()
            ends.clear()

    for kernel in fuse(network):
        source = kernel.inputs[0]
        goes_on = ends and ends[-1] == source and len(network.readers(source)) == 1
        if not goes_on or len(waiting) == engine.layers:
            flush()
        # A program starts from memory, where the network's own integers lie; within one there are
        # levels.
        here = (waiting[-1].output, waiting[-1].output_base) if waiting else None
        layer, used, why_not = _fitting(engine, network, kernel, here)
        if layer:
            ends += [source, kernel.nodes[used - 1].output] if not ends else []
            ends[-1] = kernel.nodes[used - 1].output
            waiting.append(layer)
        misfits += why_not
        if used < len(kernel.nodes):
            flush()
            steps += map(HostStep, kernel.nodes[used:])
    flush()
    if not any(isinstance(step, EngineStep) for step in steps):
        raise OverlayError("; ".join(misfits) or "it has no dense layer")
    return tuple(steps)


def run_steps(
    network: Network,
    steps: tuple[Step, ...],
    x: np.ndarray,
    run: Callable[[Program, np.ndarray], np.ndarray],
) -> np.ndarray:
    """What `steps` make of the network's input integers `x`; `run` runs a program.

    A value is kept until its last reader has had it.
    """
    last = {name: i for i, step in enumerate(steps) for name in step.inputs}
    values = {network.input: x}
    for i, step in enumerate(steps):
        inputs = [values[name] for name in step.inputs]
        if isinstance(step, HostStep):
            shapes = [network.values[name].shape for name in step.inputs]
            shaped = (value.reshape(len(x), *shape) for value, shape in zip(inputs, shapes))
            sizes = (network.values[name].size for name in step.outputs)
            made = (
                y.reshape(len(x), size) for y, size in zip(network.apply(step.node, *shaped), sizes)
            )
        else:
            made = (run(step.program, *inputs),)
        values = {name: value for name, value in values.items() if last.get(name, -1) > i}
        values.update(zip(step.outputs, made))
    return values[network.output]


def _fitting(
    engine: Engine, network: Network, kernel: Kernel, here: tuple[Encoding, int] | None
) -> tuple[Layer | None, int, list[str]]:
    """The layer that a kernel begins with, how many of its nodes that takes, and what does not
    fit."""
    dense = kernel.part(Dense)
    if dense is None:
        return None, 0, []
    bare = kernel.nodes.index(dense) + 1
    head = _head(kernel)
    layer = _layer(network, kernel, dense, head, here)
    why_not = layer.misfits(engine)
    if why_not and head:
        # What follows may be too much, but not the layer itself.
        layer, head = _layer(network, kernel, dense, None, here), None
        why_not = layer.misfits(engine) and why_not
    return (None, 0, why_not) if why_not else (layer, bare + (head is not None), [])


def _head(kernel: Kernel) -> Node | None:
    """What of a kernel the engine does behind the sums."""
    last = kernel.nodes[-1]
    plain = isinstance(last.op, Softmax) and last.op.form != "reduced"
    return None if plain or isinstance(last.op, Dense) else last


def _layer(
    network: Network,
    kernel: Kernel,
    dense: Node,
    follower: Node | None,
    here: tuple[Encoding, int] | None,
) -> Layer:
    """The layer of a kernel's sums, with `follower` behind them."""
    weight = network.parameter(dense, "weights")
    source, base = here or (network.values[dense.input].encoding, 0)
    thresholds, head, output_base = None, Head.RAW, 0
    output = network.values[dense.output].encoding
    op = follower.op if follower else None
    if isinstance(op, Threshold):
        thresholds, head = network.parameter(follower, "thresholds").values, Head.THRESHOLD
        output = network.values[follower.output].encoding
        if not output.is_bipolar:
            output = Encoding.for_range(0, thresholds.shape[1])
            output_base = op.base
    elif isinstance(op, ArgMax):
        head, output = Head.ARGMAX, network.values[follower.output].encoding
    elif isinstance(op, Softmax):
        head, output = Head.SOFTMAX, network.values[follower.output].encoding
    return Layer(
        name=dense.name,
        weight=weights_of(network, kernel),
        weight_encoding=weight.encoding,
        input=source,
        base=base,
        thresholds=thresholds,
        head=head,
        output=output,
        output_base=output_base,
        softmax=op if head is Head.SOFTMAX else None,
    )
