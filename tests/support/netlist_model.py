"""What a Logic computes, on many inputs at once: each wire an array of integers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from bitfold.build.unrolled.logic import Bit, Lane, Logic


def evaluate(logic: Logic, outputs: Sequence[Lane], x: np.ndarray) -> np.ndarray:
    """`x` (frames, inputs) bits to (frames, outputs) bits, int64 both."""
    wires = {0: [x[:, i] for i in range(x.shape[1])]}

    def bits(lanes: Sequence[Lane]) -> np.ndarray:
        """(lanes, frames)"""
        zeros = np.zeros(len(x), np.int64)
        return np.array(
            [
                wires[lane.wire][lane.index] ^ lane.inverted
                if isinstance(lane, Bit)
                else zeros + lane
                for lane in lanes
            ]
        )

    for place, wire in enumerate(logic._wires[1:], start=1):
        value = _value(wire, [bits(lanes) for lanes in wire.operands])
        wires[place] = [value >> i & 1 for i in range(wire.width)]
    return bits(outputs).T


def _value(wire, operands: list[np.ndarray]) -> np.ndarray:
    numbers = [(bits << np.arange(len(bits))[:, None]).sum(axis=0) for bits in operands]
    if wire.module:
        count = operands[0].sum(axis=0)
        return {"counter6": count, "carry6": count >> 1}[wire.module]
    expression = wire.expression
    if expression == "count7({0})":
        return operands[0].sum(axis=0)
    if expression == "majority({0})":
        return operands[0].sum(axis=0) >> 1
    if expression == "majority({{{1}, majority({0})}})":
        return (operands[1].sum(axis=0) + (operands[0].sum(axis=0) >> 1)) >> 1
    if expression == "{0} + {1}":
        return numbers[0] + numbers[1]
    if expression == "{0}":
        return numbers[0]
    if expression == "|{0}":
        return operands[0].max(axis=0)
    if expression == "{0} ? {1} : {2}":
        return np.where(operands[0][0], operands[1][0], operands[2][0])
    entries = int(re.fullmatch(r"1'\(\d+'h([0-9a-f]+) >> \{0\}\)", expression)[1], 16)
    return np.array([entries >> int(address) & 1 for address in numbers[0]])
