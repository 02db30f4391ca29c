"""dot_product: every pair of encodings at its extremes, in the narrowest sum that holds it."""

import json
import random

import pytest
from cocotb_build import RTL, build, run
from stored_integers import bipolar, dot_product_encoding, signed, unsigned

SOURCES = [RTL / "mvau" / "dot_product.sv"]

# SIMD, inputs, weights
CASES = [
    (1, bipolar, bipolar),
    (13, bipolar, bipolar),
    (64, bipolar, bipolar),
    (5, unsigned(3), bipolar),
    (4, signed(4), bipolar),
    (7, bipolar, signed(3)),
    (3, bipolar, unsigned(8)),
    (9, unsigned(1), unsigned(1)),
    (6, unsigned(8), signed(2)),
    (8, signed(8), signed(8)),
    (2, signed(5), unsigned(4)),
    (3, signed(32), signed(8)),
    (2, unsigned(32), unsigned(8)),
]


@pytest.mark.parametrize(("simd", "x", "w"), CASES, ids=str)
def test_the_sum_of_products_is_exact(simd, x, w, tmp_path):
    rng = random.Random(simd)
    total = dot_product_encoding(simd, x, w)
    pairs = [
        ([a] * simd, [b] * simd)
        for a in (x.values[0], x.values[-1])
        for b in (w.values[0], w.values[-1])
    ]
    pairs += [(x.draw(rng, simd), w.draw(rng, simd)) for _ in range(100)]
    table = [
        (
            {"x": x.beats(xs, simd)[0], "w": w.beats(ws, simd)[0]},
            {"sum": total.store(sum(a * b for a, b in zip(xs, ws, strict=True)))},
        )
        for xs, ws in pairs
    ]
    parameters = {
        "SIMD": simd,
        "INPUT_BITS": x.bits,
        "INPUT_ENCODING": x.encoding,
        "WEIGHT_BITS": w.bits,
        "WEIGHT_ENCODING": w.encoding,
        "SUM_BITS": total.bits,
    }
    (tmp_path / "table.json").write_text(json.dumps(table))
    model = build(SOURCES, "dot_product", parameters)
    run(model, "cocotb_table", plusargs={"table": tmp_path / "table.json"})
