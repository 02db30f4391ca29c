"""bit_count and product_count: the number of ones, for any size and any number of registers."""

import random

import pytest
from cocotb_build import RTL
from cycle_table import judge_cycles, pipelined

COMMON = RTL / "common"
SOURCES = [
    COMMON / f"{name}.sv"
    for name in ("delay", "counter7", "product3", "sum3", "bit_heap", "bit_count", "product_count")
]


@pytest.mark.parametrize(
    ("bits", "registers", "structure"), [(1, 0, 1), (13, 1, 1), (130, 5, 1), (130, 2, 0)]
)
def test_bits_are_counted(bits, registers, structure):
    words = random_words(bits)
    parameters = {"BITS": bits, "REGISTERS": registers, "STRUCTURE": structure}
    counts = [{"count": word.bit_count()} for word in words]
    table = pipelined([{"bits": word} for word in words], counts, registers)
    judge_cycles(SOURCES, "bit_count", parameters, table)


@pytest.mark.parametrize(
    ("products", "xnor", "registers", "structure"),
    [(2, 0, 1, 1), (64, 1, 3, 1), (95, 0, 0, 1), (64, 1, 1, 0)],
)
def test_products_are_counted(products, xnor, registers, structure):
    rng = random.Random(products)
    every = (1 << products) - 1
    pairs = [(x, rng.choice((every, rng.getrandbits(products)))) for x in random_words(products)]
    ones = [~(x ^ w) & every if xnor else x & w for x, w in pairs]
    counts = [{"count": word.bit_count()} for word in ones]
    parameters = {"PRODUCTS": products, "XNOR": xnor, "REGISTERS": registers}
    table = pipelined([{"x": x, "w": w} for x, w in pairs], counts, registers)
    judge_cycles(SOURCES, "product_count", parameters | {"STRUCTURE": structure}, table)


def random_words(bits: int) -> list[int]:
    rng = random.Random(bits)
    every = (1 << bits) - 1
    words = [0, every, *(rng.getrandbits(bits) for _ in range(60))]
    return words + [every & ~(1 << i) for i in range(bits)]
