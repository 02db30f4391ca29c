"""ram: a word a cycle in and out, parts of words, and what a read meets while it is written."""

import random

import pytest
from cocotb_build import RTL
from cycle_table import Row, judge_cycles
from stored_integers import join

SOURCES = [RTL / "common" / "ram.sv"]


@pytest.mark.parametrize(
    ("width", "depth", "part"), [(8, 2, 8), (64, 32, 8), (32, 16, 32), (128, 8, 64), (12, 5, 3)]
)
def test_a_word_comes_two_cycles_after_its_address_and_stays_while_nothing_is_read(
    width, depth, part
):
    rng = random.Random(width * depth)
    slices, words = width // part, [rng.getrandbits(width) for _ in range(depth)]
    table: list[Row] = [
        (
            {
                "write_slices": 2**slices - 1,
                "write_address": address,
                "write_data": word,
                "read_enable": 0,
                "read_address": 0,
            },
            {},
        )
        for address, word in enumerate(words)
    ]
    fetched = seen = None
    for _ in range(400):
        written = rng.randrange(depth)
        # As often as not the word that is written is the one that is read.
        row = {
            "write_slices": rng.choice([0, rng.getrandbits(slices)]),
            "write_address": written,
            "write_data": rng.getrandbits(width),
            "read_enable": rng.getrandbits(1),
            "read_address": rng.choice([written, rng.randrange(depth)]),
        }
        table.append((row, {} if seen is None else {"read_data": seen}))
        if row["read_enable"]:
            fetched, seen = words[row["read_address"]], fetched
        words[written] = join(
            (
                (row["write_data"] if row["write_slices"] >> i & 1 else words[written]) >> i * part
                & (2**part - 1)
                for i in range(slices)
            ),
            part,
        )
    judge_cycles(SOURCES, "ram", {"WIDTH": width, "DEPTH": depth, "SLICE": part}, table)
