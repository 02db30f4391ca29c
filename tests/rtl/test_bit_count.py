"""bit_count and product_count: the number of ones, for any size and any number of registers."""

import random
from pathlib import Path

import pytest
from cocotb_build import RTL
from cycle_table import judge_cycles, pipelined

CELLS = ("counter7", "product3", "sum3")
SOURCES = [
    RTL / "common" / f"{name}.sv" for name in ("delay", "bit_heap", "bit_count", "product_count")
]
FABRICS = {
    "common": [RTL / "common" / f"{name}.sv" for name in CELLS],
    "xc7": [
        *(Path(__file__).with_name(f"{primitive}.sv") for primitive in ("LUT6_2", "CARRY4")),
        *(RTL / "xc7" / f"{name}.sv" for name in CELLS),
    ],
}


@pytest.mark.parametrize(
    ("bits", "registers", "structure", "fabric"),
    [
        (1, 0, 1, "common"),
        (13, 1, 1, "common"),
        (130, 5, 1, "common"),
        (130, 2, 0, "common"),
        (130, 1, 1, "xc7"),
    ],
)
def test_bits_are_counted(bits, registers, structure, fabric):
    words = random_words(bits)
    parameters = {"BITS": bits, "REGISTERS": registers, "STRUCTURE": structure}
    counts = [{"count": word.bit_count()} for word in words]
    table = pipelined([{"bits": word} for word in words], counts, registers)
    judge_cycles([*FABRICS[fabric], *SOURCES], "bit_count", parameters, table)


@pytest.mark.parametrize(
    ("products", "xnor", "registers", "structure", "fabric"),
    [
        (2, 0, 1, 1, "common"),
        (64, 1, 3, 1, "common"),
        (64, 1, 1, 0, "common"),
        (95, 0, 0, 1, "xc7"),
        (20, 1, 1, 1, "xc7"),
    ],
)
def test_products_are_counted(products, xnor, registers, structure, fabric):
    rng = random.Random(products)
    every = (1 << products) - 1
    pairs = [(x, rng.choice((every, rng.getrandbits(products)))) for x in random_words(products)]
    ones = [~(x ^ w) & every if xnor else x & w for x, w in pairs]
    counts = [{"count": word.bit_count()} for word in ones]
    parameters = {"PRODUCTS": products, "XNOR": xnor, "REGISTERS": registers}
    table = pipelined([{"x": x, "w": w} for x, w in pairs], counts, registers)
    judge_cycles(
        [*FABRICS[fabric], *SOURCES], "product_count", parameters | {"STRUCTURE": structure}, table
    )


def random_words(bits: int) -> list[int]:
    rng = random.Random(bits)
    every = (1 << bits) - 1
    words = [0, every, *(rng.getrandbits(bits) for _ in range(60))]
    return words + [every & ~(1 << i) for i in range(bits)]
