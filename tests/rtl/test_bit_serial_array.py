"""bit_serial_array: dot products of any planes, made of one-bit products, with padding masked."""

import random
from dataclasses import dataclass

import pytest
from cocotb_build import RTL
from cycle_table import Row, judge_cycles
from stored_integers import Stored, bipolar, join, signed, unsigned

SOURCES = [
    *(RTL / "common" / f"{n}.sv" for n in ("delay", "counter7", "product3", "sum3", "bit_heap")),
    RTL / "common" / "product_count.sv",
    *(RTL / "offload" / f"{name}.sv" for name in ("bit_serial_row", "bit_serial_array")),
]


@dataclass(frozen=True)
class Sum:
    """The steps of one frame and a block of rows, and what must come out."""

    steps: list[dict[str, int]]
    sums: int
    input_sum: int | None


def random_sum(rows: int, lanes: int, x: Stored, w: Stored, rng: random.Random) -> Sum:
    words = rng.randint(1, 3)
    columns = rng.randint((words - 1) * lanes + 1, words * lanes)
    inputs = x.draw(rng, columns)
    weights = [w.draw(rng, columns) for _ in range(rows)]

    def word(stored: Stored, values: list[int], plane: int, place: int) -> int:
        """A word of a plane, with rubbish behind its last column."""
        part = values[place * lanes : (place + 1) * lanes]
        bits = [stored.store(value) >> plane & 1 for value in part]
        return join([*bits, *(rng.getrandbits(1) for _ in range(lanes - len(bits)))], 1)

    def top(stored: Stored, plane: int) -> bool:
        return stored.encoding == 1 and plane == stored.bits - 1

    steps = []
    pairs = [(i, j) for i in range(x.bits) for j in range(w.bits)]
    # Planes in descending weight; within one, in any order.
    rng.shuffle(pairs)
    pairs.sort(key=sum, reverse=True)
    for n, (i, j) in enumerate(pairs):
        halves = n == 0 or sum(pairs[n - 1]) != i + j
        for place in range(words):
            steps.append(
                {
                    "step": 1,
                    "step_first": int(n == 0 and place == 0),
                    "step_double": int(halves and place == 0),
                    "step_negative": int(top(x, i) != top(w, j)),
                    "step_tail": int(place == words - 1),
                    "tail_mask": (1 << columns - (words - 1) * lanes) - 1,
                    "input_word": word(x, inputs, i, place),
                    "weight_words": join((word(w, row, j, place) for row in weights), lanes),
                }
            )

    def stored(kind: Stored, value: int) -> int:
        """What the planes of a value add up to."""
        return int(value > 0) if kind is bipolar else value

    results = [
        sum(stored(x, a) * stored(w, b) for a, b in zip(inputs, row, strict=True))
        for row in weights
    ]
    return Sum(
        steps,
        join((result % 2**32 for result in results), 32),
        # A row of ones is the number one only where it has one plane.
        sum(stored(x, a) for a in inputs) % 2**32 if w.bits == 1 else None,
    )


KINDS = [bipolar, unsigned(1), unsigned(3), unsigned(8), signed(2), signed(4), signed(8)]


@pytest.mark.parametrize(("rows", "lanes", "registers"), [(1, 1, 0), (8, 64, 1), (3, 5, 2)])
def test_sums_of_all_pairs_of_encodings_come_in_their_cycles(rows, lanes, registers):
    rng = random.Random(rows * lanes)
    latency = registers + 3  # from the last input word of a sum
    sums = [random_sum(rows, lanes, x, w, rng) for x in KINDS for w in KINDS]
    sums += [random_sum(rows, lanes, *rng.choices(KINDS[:5], k=2), rng) for _ in range(20)]
    # What is no step has words and a meaning all the same, and changes nothing.
    nothing = {"step": 0, "step_first": 1, "step_double": 1, "step_negative": 1, "step_tail": 0}
    nothing |= {"input_word": 2**lanes - 1, "weight_words": 2 ** (rows * lanes) - 1}
    steps: list[tuple[dict[str, int], Sum | None]] = []
    for one in sums:
        for step in one.steps:
            # Steps need not follow each other.
            steps += [(nothing, None)] * rng.choice([0, 0, 1, 3])
            steps.append((step, None))
        steps[-1] = (steps[-1][0], one)
    steps += [(nothing, None)] * (latency + 1)
    table: list[Row] = []
    weights = 0  # a cycle behind the inputs
    done: list[Sum | None] = [None] * latency
    for step, one in steps:
        expected = {}
        if done[-1]:
            expected["sums"] = done[-1].sums
            if done[-1].input_sum is not None:
                expected["input_sum"] = done[-1].input_sum
        table.append((step | {"weight_words": weights}, expected))
        weights, done = step["weight_words"], [one, *done[:-1]]
    parameters = {"ROWS": rows, "LANES": lanes, "REGISTERS": registers}
    judge_cycles(SOURCES, "bit_serial_array", parameters, table)
