"""One layer as logic: the sums of a Dense, and the thresholds behind it where it has some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bitfold.build.unrolled.distributed import distributed
from bitfold.build.unrolled.heap import Value, combine, number, plus
from bitfold.build.unrolled.levels import level_bits
from bitfold.build.unrolled.logic import Lane, Logic
from bitfold.build.unrolled.sums import Sums, tree
from bitfold.models.encoding import Encoding
from bitfold.models.network import Network, Threshold

FEW_WEIGHTS = 128
MAX_DISTRIBUTED_WEIGHTS = 1 << 13
"""Of more the search takes minutes."""
TREE_DEPTHS = (0, 1, 2, 3)
"""Steps from a root to a row that are tried: more save little, and are deep."""


@dataclass(frozen=True)
class LayerLogic:
    """A layer's netlist and its output lanes, element after element, lowest bit first."""

    logic: Logic
    outputs: tuple[Lane, ...]

    @property
    def luts(self) -> int:
        """About how many 6-input LUTs it takes."""
        return round(self.logic.luts(self.outputs))

    @property
    def depth(self) -> int:
        """LUTs from an input to an output, the most."""
        return max(map(self.logic.level, self.outputs))


def unrolled_layer(network: Network, name: str) -> LayerLogic:
    """The smallest netlist that is known for the Dense layer `name`, and for the threshold behind
    it where it has one."""
    nodes = network.nodes
    at = next(i for i, node in enumerate(nodes) if node.name == name)
    dense = last = nodes[at]
    levels, base = None, 0
    if at + 1 < len(nodes) and isinstance(nodes[at + 1], Threshold):
        last = nodes[at + 1]
        levels, base = _Array(network.parameters[last.thresholds].values), last.base
    weights = _Array(network.parameters[dense.weight].values)
    x, y = network.tensors[dense.input].encoding, network.tensors[last.output].encoding
    return _smallest(weights, levels, base, x, y)


class _Array:
    """An array that can be the key of a cache."""

    def __init__(self, values: np.ndarray):
        self.values = np.asarray(values, np.int64)
        self._key = (self.values.shape, self.values.tobytes())

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other) -> bool:
        return self._key == other._key


@lru_cache(maxsize=64)
def _smallest(
    weights: _Array, thresholds: _Array | None, base: int, x: Encoding, y: Encoding
) -> LayerLogic:
    levels = thresholds.values if thresholds else None
    made = [_layer(weights.values, s, levels, base, x, y) for s in _candidates(weights.values, x)]
    return min(made, key=lambda layer: layer.luts)


def _candidates(weights: np.ndarray, x: Encoding) -> Iterator[Sums]:
    # Of -1, 0 and 1 trees are always smaller; of other weights only where there are few.
    ones = np.abs(weights).max(initial=0) <= 1
    if ones or weights.size <= FEW_WEIGHTS or weights.size > MAX_DISTRIBUTED_WEIGHTS:
        for depth in TREE_DEPTHS:
            yield tree(weights, depth)
    if not ones and weights.size <= MAX_DISTRIBUTED_WEIGHTS:
        yield distributed(weights, x)


def _layer(
    weights: np.ndarray,
    sums: Sums,
    thresholds: np.ndarray | None,
    base: int,
    x: Encoding,
    y: Encoding,
) -> LayerLogic:
    logic = Logic(weights.shape[1] * x.bits)
    inputs = [_input(logic, c, x) for c in range(weights.shape[1])]
    uses = Counter(s for node in sums.nodes for _, s in node.sums)
    uses.update(row.place for row in sums.rows)
    values: list[Value] = []
    for i, node in enumerate(sums.nodes):
        parts = [(f, inputs[c]) for f, c in node.inputs] + [(f, values[s]) for f, s in node.sums]
        value = combine(parts, *_range(node.weights, x))
        # What goes into one sum only stays a heap, to be counted together with the others there.
        shared = uses[i] > 1 or len(parts) == 2
        values.append(number(logic, value) if shared else value)
    outputs: list[Lane] = []
    for r, row in enumerate(sums.rows):
        shift = row.doublings
        lowest, highest = _range(weights[r], x)
        parts = [(row.factor, values[row.place])]
        value = combine(parts, lowest << shift, highest << shift)
        if thresholds is None:
            outputs += _stored(plus(logic, value, 0, shift), lowest < 0, y)
        else:
            levels = thresholds[r if len(thresholds) > 1 else 0] << shift
            outputs += _based(logic, level_bits(logic, value, levels), base, y)
    return LayerLogic(logic, tuple(outputs))


def _input(logic: Logic, column: int, x: Encoding) -> Value:
    bits = logic.inputs[column * x.bits : (column + 1) * x.bits]
    if x.is_bipolar:
        return Value(((2, bits[0]),), -1, -1, 1)
    plain = Value(tuple((1 << i, bit) for i, bit in enumerate(bits)), 0, x.minimum, x.maximum)
    if not x.signed:
        return plain
    sign = Value(((2 << x.bits - 1, bits[-1]),), 0, 0, 2 << x.bits - 1)  # taken away twice
    return combine([(1, plain), (-1, sign)], x.minimum, x.maximum)


def _range(row: np.ndarray, x: Encoding) -> tuple[int, int]:
    ends = np.stack([row * x.minimum, row * x.maximum])
    return int(ends.min(axis=0).sum()), int(ends.max(axis=0).sum())


def _stored(bits: list[Lane], signed: bool, y: Encoding) -> list[Lane]:
    """`bits` of an integer as `y` stores it: with its sign repeated, or with zeros above."""
    above = bits[-1] if signed else False
    return [*bits, *[above] * (y.bits - len(bits))][: y.bits]


def _based(logic: Logic, level: list[Lane], base: int, y: Encoding) -> list[Lane]:
    """base + level as `y` stores it; a bipolar value is its level."""
    if y.is_bipolar or base == 0:
        return _stored(level, False, y)
    terms = tuple((1 << i, lane) for i, lane in enumerate(level))
    value = Value(terms, base, base, base + (1 << len(level)) - 1)
    return _stored(plus(logic, value, 0), base < 0, y)
