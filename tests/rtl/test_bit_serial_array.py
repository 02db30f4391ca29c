"""bit_serial_array: dot products of any planes, made of one-bit products, with padding masked."""

import random
from dataclasses import dataclass

import pytest
from cocotb_build import RTL
from cycle_table import Row, judge_cycles
from stored_integers import Stored, bipolar, join, signed, unsigned

SOURCES = [RTL / "offload" / f"{name}.sv" for name in ("bit_serial_row", "bit_serial_array")]
LATENCY = 3  # cycles from the words of a sum's last step to `result_valid`


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
    both = x is bipolar and w is bipolar

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
                    "step_last": int(n == len(pairs) - 1 and place == words - 1),
                    "tail_mask": (1 << columns - (words - 1) * lanes) - 1,
                    "bipolar": int(both),
                    "input_word": word(x, inputs, i, place),
                    "weight_words": join((word(w, row, j, place) for row in weights), lanes),
                }
            )

    def stored(kind: Stored, value: int) -> int:
        """What the planes of a value add up to."""
        return int(value > 0) if kind is bipolar else value

    if both:
        results = [sum(a == b for a, b in zip(inputs, row, strict=True)) for row in weights]
    else:
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


@pytest.mark.parametrize(("rows", "lanes"), [(1, 1), (8, 64), (3, 5)])
@pytest.mark.parametrize("hesitation", [0.0, 0.5], ids=("steady", "held up"))
def test_sums_of_all_pairs_of_encodings_come_in_their_cycles(rows, lanes, hesitation):
    rng = random.Random(rows * lanes)
    sums = [random_sum(rows, lanes, x, w, rng) for x in KINDS for w in KINDS]
    sums += [random_sum(rows, lanes, *rng.choices(KINDS[:5], k=2), rng) for _ in range(20)]
    nothing = {"step": 0, "step_last": 1, "input_word": 0, "weight_words": 0}
    steps: list[tuple[dict[str, int], Sum | None]] = []
    for one in sums:
        for step in one.steps:
            # Steps need not follow each other.
            steps += [(nothing, None)] * (rng.choice([0, 0, 1, 3]) if hesitation else 0)
            steps.append((step, one if step["step_last"] else None))
    steps += [(nothing, None)] * (LATENCY + 1)
    table: list[Row] = [({"aresetn": 0, "advance": 1} | nothing, {})] * 2
    # What was put in `LATENCY` advances ago stands at the output.
    line: list[Sum | None] = [None] * LATENCY
    for step, done in steps:
        while True:
            advance = int(rng.random() >= hesitation)
            out = line[-1]
            expected: dict[str, int] = {"result_valid": int(out is not None)}
            if out:
                expected["sums"] = out.sums
                if out.input_sum is not None:
                    expected["input_sum"] = out.input_sum
            table.append(({"aresetn": 1, "advance": advance} | step, expected))
            if advance:
                break
        line = [done, *line[:-1]]
    judge_cycles(SOURCES, "bit_serial_array", {"ROWS": rows, "LANES": lanes}, table)


def test_a_reset_forgets_what_is_under_way():
    rng = random.Random(1)
    table: list[Row] = []
    for after in range(LATENCY + 1):
        one = random_sum(2, 8, bipolar, bipolar, rng)
        table.append(({"aresetn": 0, "advance": 1, "step": 0}, {}))
        table += [({"aresetn": 1} | step, {"result_valid": 0}) for step in one.steps]
        table += [({"step": 0}, {})] * after
        table += [({"aresetn": 0, "step": 0}, {}), ({"aresetn": 1}, {"result_valid": 0})]
        table += [({}, {"result_valid": 0})] * (LATENCY + 1)
    judge_cycles(SOURCES, "bit_serial_array", {"ROWS": 2, "LANES": 8}, table)
