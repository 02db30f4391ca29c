"""mvau: matrix-vector products for every pair of encodings and folding, and their cycles."""

import random

import pytest
from cocotb_build import RTL
from stored_integers import (
    bipolar,
    dot_product_encoding,
    image_text,
    signed,
    unsigned,
    weight_words,
)
from stream_case import StreamCase, judge

SOURCES = [
    *(
        RTL / "common" / f"{name}.sv"
        for name in ("delay", "rom", "block_rom", "counter7", "product3", "sum3", "bit_heap")
    ),
    *sorted((RTL / "mvau").glob("dot_product*.sv")),
    RTL / "mvau" / "mvau.sv",
]

# ROWS, COLUMNS, PE, SIMD, inputs, weights, cycles to read, registers
CASES = [
    (8, 8, 1, 1, bipolar, bipolar, 1, 0),
    (8, 8, 8, 8, bipolar, bipolar, 2, 3),
    (3, 300, 1, 150, bipolar, bipolar, 1, 1),
    (12, 10, 3, 5, unsigned(2), bipolar, 1, 2),
    (6, 9, 2, 3, signed(3), bipolar, 2, 0),
    (5, 7, 5, 1, bipolar, signed(2), 1, 0),
    (7, 6, 1, 6, unsigned(4), signed(4), 1, 1),
    (6, 4, 3, 2, signed(8), signed(8), 1, 0),
    (4, 6, 2, 2, unsigned(1), unsigned(1), 1, 0),
    (1, 1, 1, 1, signed(6), signed(6), 1, 0),
    (1, 13, 1, 1, unsigned(8), unsigned(8), 2, 1),
    (3, 20, 1, 4, bipolar, unsigned(3), 1, 1),
    (24, 24, 6, 8, unsigned(1), signed(2), 1, 0),
]


@pytest.mark.parametrize(
    ("rows", "columns", "pe", "simd", "x", "w", "read", "registers"), CASES, ids=str
)
def test_a_frame_is_multiplied_by_the_matrix_in_the_stated_cycles(
    rows, columns, pe, simd, x, w, read, registers
):
    rng = random.Random(rows * columns)
    total = dot_product_encoding(columns, x, w)
    matrix = random_matrix(rows, columns, w, rng)
    frames = [[extreme] * columns for extreme in (x.values[0], x.values[-1])]
    frames += [x.draw(rng, columns) for _ in range(8)]
    products = [[dot_product(row, frame) for row in matrix] for frame in frames]
    taken, given = schedule(len(frames), rows // pe, columns // simd, read + registers + 2)
    case = StreamCase(
        [x.beats(frame, simd) for frame in frames],
        [total.beats(row, pe) for row in products],
        taken,
        given,
        busy_cycles=rows // pe * (columns // simd),
    )
    parameters = {
        "ROWS": rows,
        "COLUMNS": columns,
        "PE": pe,
        "SIMD": simd,
        "INPUT_BITS": x.bits,
        "INPUT_ENCODING": x.encoding,
        "WEIGHT_BITS": w.bits,
        "WEIGHT_ENCODING": w.encoding,
        "ACCUMULATOR_BITS": total.bits,
        "MULTIPLIERS": int(x is not bipolar and w is not bipolar and w.bits > 2),
        "BLOCK_RAM": int(read == 2),
        "READ_CYCLES": read,
        "REGISTERS": registers,
    }
    image = image_text(weight_words(matrix, w, pe, simd))
    judge(SOURCES, "mvau", parameters, case, {"weights.hex": image})


def random_matrix(rows, columns, w, rng) -> list[list[int]]:
    """The last rows at the extremes of their encoding, where there are others before them."""
    matrix = [w.draw(rng, columns) for _ in range(rows)]
    for i, extreme in zip(range(1, rows)[-2:], (w.values[0], w.values[-1]), strict=False):
        matrix[i] = [extreme] * columns
    return matrix


def dot_product(row: list[int], frame: list[int]) -> int:
    return sum(w * x for w, x in zip(row, frame, strict=True))


def schedule(
    frames: int, neuron_fold: int, synapse_fold: int, latency: int
) -> tuple[list[int], list[int]]:
    """A product a cycle: the first block of rows takes the beats, and the last product of each
    block gives accumulators, `latency` cycles later."""
    taken, given = [], []
    for frame in range(frames):
        start = frame * neuron_fold * synapse_fold
        taken += [start + column for column in range(synapse_fold)]
        given += [start + (block + 1) * synapse_fold - 1 + latency for block in range(neuron_fold)]
    return taken, given
