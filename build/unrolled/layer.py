"""One layer as logic: the sums of a Dense, and the thresholds behind it where it has some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from bitfold.build.unrolled.distributed import distributed
from bitfold.build.unrolled.heap import Value, combine, number, plus
from bitfold.build.unrolled.levels import level_bits
from bitfold.build.unrolled.logic import Lane, Logic
from bitfold.build.unrolled.sums import Sums, tree
from bitfold.models.encoding import Encoding
from bitfold.models.network import Network
from bitfold.models.ops import Threshold
from bitfold.models.ops.dense import sums_range
from bitfold.models.value import Range
from bitfold.overlays.kernels import Kernel, weights_of

FEW_WEIGHTS = 128
MAX_DISTRIBUTED_WEIGHTS = 1 << 13
"""Of more the search takes minutes."""
MAX_ATTEMPTS, ATTEMPTED_WEIGHTS = 32, 1 << 15
"""So many attempts, of so many weights together: some seconds. The best of 16 has 4 % fewer LUTs
than the average one."""
TREE_DEPTHS = (0, 1, 2, 3)
"""Steps from a root to a row that are tried: more save little, and are deep."""


@dataclass(frozen=True)
class LayerLogic:
    """A layer's netlist and its output lanes, element after element, lowest bit first."""

    logic: Logic
    outputs: tuple[Lane, ...]

    @cached_property
    def luts(self) -> int:
        """About how many 6-input LUTs it takes."""
        return round(self.logic.luts(self.outputs))

    @cached_property
    def depth(self) -> int:
        """LUTs from an input to an output, the most."""
        return max(map(self.logic.level, self.outputs))


def unrolled_layer(network: Network, kernel: Kernel) -> LayerLogic:
    """The smallest netlist that is known for a kernel of `network` that is a Dense, alone or with
    a Threshold."""
    dense, threshold = kernel.product, kernel.part(Threshold)
    levels, base = None, 0
    if threshold:
        levels = _Array(network.parameter(threshold, "thresholds").values)
        base = threshold.op.base
    weights = _Array(weights_of(network, kernel))
    x = network.values[dense.input].encoding
    y = network.values[(threshold or dense).output].encoding
    within = network.bounds[kernel.inputs[0]]
    ends = _Array(np.stack([within.low.ravel(), within.high.ravel()]))
    return _smallest(weights, levels, base, x, ends, y)


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
    weights: _Array,
    thresholds: _Array | None,
    base: int,
    x: Encoding,
    within: _Array,
    y: Encoding,
) -> LayerLogic:
    levels = thresholds.values if thresholds else None
    within = Range(*within.values)
    made = [
        _layer(weights.values, sums, levels, base, x, within, y)
        for sums in _candidates(weights.values, within)
    ]
    return min(made, key=lambda layer: layer.luts)


def _candidates(weights: np.ndarray, within: Range) -> Iterator[Sums]:
    # Of -1, 0 and 1 trees are always smaller; of other weights only where there are few.
    ones = np.abs(weights).max(initial=0) <= 1
    if ones or weights.size <= FEW_WEIGHTS or weights.size > MAX_DISTRIBUTED_WEIGHTS:
        for depth in TREE_DEPTHS:
            yield tree(weights, depth)
    if not ones and weights.size <= MAX_DISTRIBUTED_WEIGHTS:
        for attempt in range(min(MAX_ATTEMPTS, ATTEMPTED_WEIGHTS // weights.size)):
            yield distributed(weights, within, attempt)


def _layer(
    weights: np.ndarray,
    sums: Sums,
    thresholds: np.ndarray | None,
    base: int,
    x: Encoding,
    within: Range,
    y: Encoding,
) -> LayerLogic:
    logic = Logic(weights.shape[1] * x.bits)
    inputs = [
        _input(logic, c, x, int(low), int(high))
        for c, (low, high) in enumerate(zip(within.low, within.high))
    ]
    summed = Counter(s for node in sums.nodes for _, s in node.sums)
    uses = Counter(summed)
    uses.update(row.place for row in sums.rows)
    values: list[Value] = []
    for i, node in enumerate(sums.nodes):
        parts = [(f, inputs[c]) for f, c in node.inputs] + [(f, values[s]) for f, s in node.sums]
        value = combine(parts, *_range(node.weights, within))
        # What goes into one sum only stays a heap, to be counted together with the others there;
        # of two terms alone there is nothing to count.
        whole = uses[i] > 1 or (len(parts) == 2 and i in summed)
        values.append(number(logic, value) if whole else value)
    outputs: list[Lane] = []
    for r, row in enumerate(sums.rows):
        shift = row.doublings
        lowest, highest = _range(weights[r], within)
        parts = [(row.factor, values[row.place])]
        value = combine(parts, lowest << shift, highest << shift)
        if thresholds is None:
            outputs += _stored(plus(logic, value, 0, shift), lowest < 0, y)
        else:
            levels = thresholds[r if len(thresholds) > 1 else 0] << shift
            outputs += _based(logic, level_bits(logic, value, levels), base, y)
    return LayerLogic(logic, tuple(outputs))


def _input(logic: Logic, column: int, x: Encoding, low: int, high: int) -> Value:
    """An input that lies in [low, high]: bits that it never sets are left out."""
    bits = logic.inputs[column * x.bits : (column + 1) * x.bits]
    if low == high:
        return Value((), low, low, low)
    if x.is_bipolar:
        return Value(((2, bits[0]),), -1, -1, 1)
    used = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0)
    terms = tuple((1 << i, bit) for i, bit in enumerate(bits[:used]))
    if low >= 0:
        return Value(terms, 0, low, high)
    sign = Value(((1 << used, bits[-1]),), 0, 0, 1 << used)
    return combine([(1, Value(terms, 0, 0, 0)), (-1, sign)], low, high)


def _range(row: np.ndarray, within: Range) -> tuple[int, int]:
    return sums_range(row[None], within).ends


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
