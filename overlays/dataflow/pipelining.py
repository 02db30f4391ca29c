"""How a dot product is built, and how many registers it needs, so that its clock does not fall with
its size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import log2

from bitfold.models.encoding import Encoding

LUTS_A_CYCLE = 6
"""Between two registers of a dot product, about, as bit_heap.sv counts them."""

DSP_PRODUCT_BITS = 9
"""From how many bits of a product on Yosys takes a DSP for it; it and Vivado can be told not to."""

MULTIPLIER_REGISTERS = 2
"""In front of a multiplier and behind it, as it lies far from what feeds it."""

MORE_REGISTERS = 3
"""So many more may be in a dot product where a clock asks for them; beyond, few paths are cut."""

COUNTED_BITS = 2
"""A factor of as many bits never takes a DSP: counters are small enough."""

SHORT_BITS = 8
"""Numbers of as many bits are compared twice in the time that others take once."""

LUT_WORDS = 128
"""A memory of more words may be a block RAM, behind whose output there is time for nothing else."""


def read_cycles(words: int) -> int:
    """From an address to its word, which then has a cycle of its own."""
    return 1 if words <= LUT_WORDS else 2


def table_depth(words: int) -> float:
    """How much deeper a table of `words` in LUTs is than one of LUT_WORDS: a LUT chooses of two."""
    return log2(max(1, words / LUT_WORDS))


def multiplies(x: Encoding, w: Encoding) -> bool:
    """Whether products of inputs `x` and weights `w` are multiplied, in DSPs where these are
    allowed, and not counted bit by bit."""
    if min(x.bits, w.bits) <= COUNTED_BITS:
        return False
    return sum(factor.bits + (not factor.signed) for factor in (x, w)) >= DSP_PRODUCT_BITS


@cache
def dot_product_registers(simd: int, x: Encoding, w: Encoding, multipliers: bool) -> int:
    """The registers of dot_product.sv with `simd` inputs `x` and weights `w`."""
    depth = max(_depth(_levels(heights)) for heights in _heaps(simd, x, w, multipliers))
    return MULTIPLIER_REGISTERS * multipliers + -(-depth // LUTS_A_CYCLE) - 1


@cache
def dot_product_depth(
    simd: int, x: Encoding, w: Encoding, multipliers: bool, registers: int
) -> int:
    """LUTs one behind the other between two of its `registers`, the most."""
    left = max(0, registers - MULTIPLIER_REGISTERS * multipliers)
    return max(_piece(_levels(heights), left) for heights in _heaps(simd, x, w, multipliers))


def _heaps(simd: int, x: Encoding, w: Encoding, multipliers: bool) -> list[list[int]]:
    """The heights of the heaps that it adds up: a row's, and that of the inputs alone."""
    if multipliers:
        return [[simd] * max(x.bits + w.bits, DSP_PRODUCT_BITS)]
    threes, rest = divmod(simd, 3)
    row = [0] * (x.bits + w.bits)
    for plane in (j + k for j in range(x.bits) for k in range(w.bits)):
        row[plane] += threes + rest
        row[plane + 1] += threes
    if x.is_bipolar == w.is_bipolar:
        return [row]
    return [row, [simd + 1] * x.bits]


# LUTs one behind the other in bit_heap.sv: in what makes its bits, a level of counters, the adder.
_MADE, _LEVEL, _ADDER = 1, 2, 4


def _levels(heights: Sequence[int]) -> int:
    """The levels of counters of a heap."""
    heights = [*heights, *[0] * max(heights).bit_length()]
    levels = 0
    while max(heights) > 3:
        counters = [0, 0, *((height + 3) // 7 for height in heights)]
        kept = [height % 7 if height % 7 <= 3 else 0 for height in heights]
        heights = [sum(counters[i : i + 3], kept[i]) for i in range(len(heights))]
        levels += 1
    return levels


def _depth(levels: int) -> int:
    """LUTs one behind the other in a heap."""
    return _MADE + levels * _LEVEL + _ADDER


def _piece(levels: int, registers: int) -> int:
    """Of these LUTs, the most between two registers, which lie as bit_heap.sv puts them."""
    depth, cut, longest, passed = _depth(levels), 0, 0, 0
    for level in range(levels + 1):
        here = _MADE + level * _LEVEL
        behind = (here + _LEVEL // 2) * (registers + 1) // depth
        behind = registers if level == levels else min(behind, registers)
        if behind > passed:
            cut, longest, passed = here, max(longest, here - cut), behind
    return max(longest, depth - cut)
