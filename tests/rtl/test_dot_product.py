"""dot_product: every pair of encodings at its extremes, in the narrowest sum that holds it."""

import random
from pathlib import Path

import pytest
from cocotb_build import RTL
from cycle_table import judge_cycles, pipelined
from stored_integers import bipolar, dot_product_encoding, join, signed, unsigned

SOURCES = [
    *(
        RTL / "common" / f"{name}.sv"
        for name in ("delay", "counter7", "product3", "sum3", "bit_heap")
    ),
    *sorted((RTL / "mvau").glob("dot_product*.sv")),
    Path(__file__).with_name("dot_product_harness.sv"),
]

# PE, SIMD, inputs, weights, registers, whether it multiplies
CASES = [
    (1, 1, bipolar, bipolar, 0, 0),
    (2, 64, bipolar, bipolar, 2, 0),
    (3, 5, unsigned(3), bipolar, 1, 0),
    (1, 14, signed(4), bipolar, 0, 0),
    (2, 7, bipolar, signed(3), 3, 0),
    (1, 3, bipolar, unsigned(8), 1, 0),
    (1, 9, unsigned(1), unsigned(1), 0, 0),
    (2, 6, unsigned(8), signed(2), 1, 0),
    (1, 8, signed(8), signed(8), 2, 0),
    (2, 5, signed(5), unsigned(4), 1, 1),
    (1, 3, signed(32), signed(8), 0, 1),
    (1, 2, unsigned(32), unsigned(8), 2, 1),
]


@pytest.mark.parametrize(("pe", "simd", "x", "w", "registers", "multipliers"), CASES, ids=str)
def test_the_sum_of_products_is_exact(pe, simd, x, w, registers, multipliers):
    rng = random.Random(simd)
    total = dot_product_encoding(simd, x, w)
    cases = [
        ([a] * simd, [b] * pe * simd)
        for a in (x.values[0], x.values[-1])
        for b in (w.values[0], w.values[-1])
    ]
    cases += [(x.draw(rng, simd), w.draw(rng, pe * simd)) for _ in range(100)]
    inputs = [{"x": x.beats(xs, simd)[0], "w": w.beats(ws, pe * simd)[0]} for xs, ws in cases]
    sums = [
        join(
            (total.store(sum(a * b for a, b in zip(xs, ws[p * simd :]))) for p in range(pe)),
            total.bits,
        )
        for xs, ws in cases
    ]
    parameters = {
        "PE": pe,
        "SIMD": simd,
        "INPUT_BITS": x.bits,
        "INPUT_ENCODING": x.encoding,
        "WEIGHT_BITS": w.bits,
        "WEIGHT_ENCODING": w.encoding,
        "SUM_BITS": total.bits,
        "MULTIPLIERS": multipliers,
        "REGISTERS": registers,
    }
    outputs = [{"counted": whole, "expressed": whole} for whole in sums]
    judge_cycles(SOURCES, "dot_product_harness", parameters, pipelined(inputs, outputs, registers))
