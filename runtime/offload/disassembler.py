"""Reads a program's image back as ops with their constants, to be executed fast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bitfold.models.network import Network
from bitfold.models.ops import ArgMax, Dense, Op, Softmax, Threshold
from bitfold.overlays.offload import Engine
from bitfold.overlays.program import DESCRIPTOR_BEATS, Head, decode
from bitfold.runtime.offload.assembler import Layer, Program
from bitfold.runtime.offload.machine import plane_weight, read_load
from bitfold.runtime.offload.steps import HostStep, Step

Applied = tuple[Op, Sequence[np.ndarray]]


def chain_of(engine: Engine, network: Network, steps: Sequence[Step]) -> list[Applied] | None:
    """What `steps` do, one op after the other, with the constants that the images hold; None where
    it is no chain of ops on the network's integers."""
    chain: list[Applied] = []
    here = network.input
    for step in steps:
        if step.inputs != (here,):
            return None
        if isinstance(step, HostStep):
            constants = [network.parameters[name].values for name in step.node.parameters]
            ops = [(step.node.op, constants)]
        else:
            ops = disassemble(engine, step.program)
        if ops is None:
            return None
        chain += ops
        (here,) = step.outputs
    return chain


def disassemble(engine: Engine, program: Program) -> list[Applied] | None:
    """What the layers in a program's image do, on the integers that its layers say they stand for;
    None where they are no plain sums, thresholds and heads, or do not take each other's output."""
    chain: list[Applied] = []
    before = None
    for i, layer in enumerate(program.layers):
        words = program.image[DESCRIPTOR_BEATS * i : DESCRIPTOR_BEATS * (i + 1)]
        fields = decode(words)
        if before and fields["input_base"] != before["output_base"]:
            return None
        ops = _ops(engine, program, layer, fields)
        if ops is None:
            return None
        chain += ops
        before = fields
    return chain


def _ops(engine: Engine, program: Program, layer: Layer, fields: dict) -> list[Applied] | None:
    constants, planes = read_load(engine, fields, program.image)
    weights = np.zeros(planes.shape[::2], np.int64)
    for plane in range(planes.shape[1]):
        factor = plane_weight(plane, planes.shape[1], fields["weight_signed"])
        weights += factor * planes[:, plane].astype(np.int64)
    if fields["weight_bipolar"]:
        weights = 2 * weights - 1
    # The engine's sum is the product of integers and this, a constant of the row.
    missing = (fields["input_bipolar"] - layer.base) * weights.sum(axis=1)
    constants = np.clip(constants - missing[:, None], -(2**31), 2**31 - 1)
    dense = (Dense(), [weights])
    if fields["head"] == Head.THRESHOLD:
        bipolar = layer.output.is_bipolar
        threshold = Threshold.to(layer.output) if bipolar else Threshold(layer.output_base)
        return [dense, (threshold, [constants])]
    if constants.any():
        return None
    if fields["head"] == Head.RAW:
        return [dense]
    if fields["head"] == Head.ARGMAX:
        return [dense, (ArgMax(), [])]
    scale = fields["softmax_multiplier"], fields["softmax_shift"]
    return [dense, (Softmax(*scale), [])]
