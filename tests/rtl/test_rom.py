"""rom: any shape, any number of readers, and its image found where the simulation says."""

import json
import random

import pytest
from cocotb_build import RTL, build, run
from stored_integers import image_text, join

SOURCES = [RTL / "common" / "rom.sv"]


@pytest.mark.parametrize(
    ("width", "depth", "reads"), [(1, 1, 1), (8, 16, 1), (13, 5, 3), (70, 9, 2)]
)
def test_each_port_reads_the_words_of_the_image_in_the_given_folder(width, depth, reads, tmp_path):
    rng = random.Random(width)
    model = build(SOURCES, "rom", {"WIDTH": width, "DEPTH": depth, "READS": reads})
    address_bits = max((depth - 1).bit_length(), 1)
    for name in ("first", "second"):
        words = [rng.getrandbits(width) for _ in range(depth)]
        addresses = [[(row + 3 * port) % depth for port in range(reads)] for row in range(depth)]
        addresses += [[rng.randrange(depth) for _ in range(reads)] for _ in range(30)]
        table = [
            (
                {"address": join(row, address_bits)},
                {"data": join((words[address] for address in row), width)},
            )
            for row in addresses
        ]
        folder = tmp_path / name
        folder.mkdir()
        (folder / "rom.hex").write_text(image_text(words))
        (folder / "table.json").write_text(json.dumps(table))
        run(model, "cocotb_table", plusargs={"images": folder, "table": folder / "table.json"})
