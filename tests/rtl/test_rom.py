"""rom: any shape, any number of readers and registers, and its image found where the simulation
says."""

import json
import random

import pytest
from cocotb_build import RTL, build, run
from cycle_table import pipelined
from stored_integers import image_text, join

SOURCES = [RTL / "common" / f"{name}.sv" for name in ("delay", "rom", "block_rom")]


@pytest.mark.parametrize(
    ("module", "width", "depth", "reads", "cycles"),
    [
        *(("rom", *sizes) for sizes in ((1, 1, 1, 0), (8, 16, 1, 1), (13, 5, 3, 2), (70, 9, 2, 0))),
        *(("block_rom", *sizes) for sizes in ((70, 9, 1, 1), (13, 16, 1, 2))),
    ],
)
def test_each_port_reads_the_words_of_the_image_in_the_given_folder(
    module, width, depth, reads, cycles, tmp_path
):
    rng = random.Random(width)
    sizes = {"WIDTH": width, "DEPTH": depth, "CYCLES": cycles}
    ports = {"READS": reads} if module == "rom" else {}
    model = build(SOURCES, module, {**sizes, **ports})
    address_bits = max((depth - 1).bit_length(), 1)
    for name in ("first", "second"):
        words = [rng.getrandbits(width) for _ in range(depth)]
        addresses = [[(row + 3 * port) % depth for port in range(reads)] for row in range(depth)]
        addresses += [[rng.randrange(depth) for _ in range(reads)] for _ in range(30)]
        table = pipelined(
            [{"address": join(row, address_bits)} for row in addresses],
            [{"data": join((words[address] for address in row), width)} for row in addresses],
            cycles,
        )
        folder = tmp_path / name
        folder.mkdir()
        (folder / "rom.hex").write_text(image_text(words))
        (folder / "table.json").write_text(json.dumps(table))
        run(model, "cocotb_cycles", plusargs={"images": folder, "table": folder / "table.json"})
