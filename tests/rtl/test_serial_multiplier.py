"""serial_multiplier: every product up to 29 bits, and a word for those that are larger."""

import random

from cocotb_build import RTL
from cycle_table import Row, judge_cycles

SOURCES = [RTL / "offload" / "serial_multiplier.sv"]
LIMIT = 1 << 29


def test_products_come_17_cycles_after_the_start_and_stay_till_the_next():
    rng = random.Random(0)
    pairs = [(0, 0), (0, 65535), (2**32 - 1, 0), (1, 1), (2**32 - 1, 65535), (2**32 - 1, 1)]
    pairs += [(2**29 - 1, 1), (2**29, 1), (2**28, 2), (2**28 - 1, 2), (8192, 65535), (8193, 65535)]
    pairs += [(rng.getrandbits(rng.randint(1, 32)), rng.getrandbits(16)) for _ in range(100)]
    # As near to the limit as may be.
    pairs += [(LIMIT // b + d, b) for b in rng.sample(range(1, 65536), 50) for d in (0, 1)]
    assert len({a * b < LIMIT for a, b in pairs}) == 2
    table: list[Row] = []
    for a, b in pairs:
        table.append(({"start": 1, "a": a, "b": b}, {}))
        # Only the first factor has to stay.
        other = {"start": 0, "b": rng.getrandbits(16)}
        table += [(other, {"done": 0})] * 16
        right = {"done": 1, "too_large": int(a * b >= LIMIT)}
        right |= {"product": a * b} if a * b < LIMIT else {}
        table += [(other, right)] * rng.randint(1, 3)
    # A start in the middle of another product.
    table.append(({"start": 1, "a": 5, "b": 7}, {}))
    table += [({"start": 0}, {"done": 0})] * 9
    table.append(({"start": 1, "a": 11, "b": 13}, {"done": 0}))
    table += [({"start": 0}, {"done": 0})] * 16 + [({}, {"done": 1, "product": 143})]
    judge_cycles(SOURCES, "serial_multiplier", {}, table)
