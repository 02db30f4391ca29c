"""threshold: levels of 1 to 8 bits at every switching point, and their cycles."""

import random
from bisect import bisect_right

import pytest
from cocotb_build import RTL
from stored_integers import Stored, bipolar, image_text, join, signed, threshold_words, unsigned
from stream_case import StreamCase, judge, steady

SOURCES = [
    *(RTL / "common" / f"{name}.sv" for name in ("delay", "rom", "stream_skid")),
    RTL / "mvau" / "threshold.sv",
]

# FOLDS, PE, inputs, thresholds a channel, as stored, BITS, BASE, outputs
PER_CHANNEL = [
    (3, 2, signed(8), 1, signed(9), 1, 0, bipolar),
    (6, 2, bipolar, 1, signed(3), 1, 0, unsigned(1)),
    (2, 3, unsigned(8), 2, signed(10), 2, -1, signed(2)),  # ternary
    (1, 5, signed(6), 7, signed(7), 3, -4, signed(3)),
    (5, 3, signed(12), 15, signed(6), 4, 0, unsigned(4)),  # thresholds near 0 only
    (6, 1, unsigned(7), 20, signed(9), 5, 3, unsigned(6)),
    (1, 2, signed(10), 63, signed(11), 6, -32, signed(6)),
    (3, 1, unsigned(9), 100, signed(11), 7, -50, signed(9)),
    (2, 1, signed(11), 255, signed(12), 8, -128, signed(8)),
    (2, 2, signed(32), 3, signed(33), 2, 0, unsigned(2)),
]
SHARED = [
    (1, 4, unsigned(8), 3, signed(10), 2, 0, unsigned(2)),
    (1, 1, unsigned(8), 255, signed(10), 8, 0, unsigned(8)),
    (1, 3, bipolar, 2, signed(3), 2, -1, signed(2)),
]


@pytest.mark.parametrize(
    ("folds", "pe", "x", "count", "limit", "bits", "base", "y", "shared"),
    [(*case, False) for case in PER_CHANNEL] + [(*case, True) for case in SHARED],
    ids=str,
)
def test_a_level_is_how_many_thresholds_are_reached(
    folds, pe, x, count, limit, bits, base, y, shared
):
    rng = random.Random(bits)
    channels = [random_thresholds(count, x, limit, rng) for _ in range(folds * pe)]
    if shared:
        channels = channels[:1] * pe
    inputs, outputs = [], []
    for step in range(2 * count + 4):
        # Every threshold of every channel, and the value below it.
        values = [
            nearest(thresholds[(step // 2 + i) % count] - step % 2, x)
            for i, thresholds in enumerate(channels)
        ]
        levels = [bisect_right(limits, value) for limits, value in zip(channels, values)]
        stored = levels if y is bipolar else [y.store(base + level) for level in levels]
        inputs.append(x.beats(values, pe))
        outputs.append([join(stored[i : i + pe], y.bits) for i in range(0, folds * pe, pe)])
    beats = folds * len(inputs)
    case = StreamCase(
        inputs,
        outputs,
        steady(beats),
        steady(beats, start=2 * bits),
        folds,
        capacity=2 * bits + 1,
    )
    parameters = {
        "FOLDS": folds,
        "PE": pe,
        "INPUT_BITS": x.bits,
        "INPUT_ENCODING": x.encoding,
        "BITS": bits,
        "BASE": base,
        "OUTPUT_BITS": y.bits,
        "THRESHOLD_BITS": limit.bits,
    }
    # Levels that no threshold leads to are fenced off by one that no input reaches.
    padded = [
        thresholds + [x.values[-1] + 1] * ((1 << bits) - 1 - count) for thresholds in channels
    ]
    image = image_text(threshold_words(padded, pe, bits, limit))
    judge(SOURCES, "threshold", parameters, case, {"thresholds.hex": image})


def random_thresholds(count: int, x: Stored, limit: Stored, rng: random.Random) -> list[int]:
    """`count` sorted thresholds, among them 0, some that are always and some that are never
    reached."""
    low = max(x.values[0], limit.values[0])
    high = min(x.values[-1] + 1, limit.values[-1])
    edges = (low, 0, high)
    drawn = [
        rng.choice(edges) if rng.random() < 0.25 else rng.randint(low, high) for _ in range(count)
    ]
    return sorted(drawn)


def nearest(value: int, x: Stored) -> int:
    clipped = min(max(value, x.values[0]), x.values[-1])
    return clipped if clipped in x.values else 1
