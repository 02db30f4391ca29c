"""Whether a design fits its chip: said before anything is written, with what does fit."""

from __future__ import annotations

import numpy as np
import pytest
from support.command_line import fails, works
from support.small_network import SMALL

from bitfold.build.compile.compiler import RTL
from bitfold.build.compile.fitting import check_fit
from bitfold.build.compile.folding import for_cycles
from bitfold.build.compile.lowering import lower
from bitfold.build.implement.synthesis import synthesise
from bitfold.build.inspect.explore import explore
from bitfold.models.encoding import Encoding
from bitfold.models.errors import OverlayError
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Dense
from bitfold.models.value import Parameter, Value
from bitfold.overlays.boards.chip import Chip, Resources
from bitfold.overlays.dataflow.cost import in_block_ram, ramb18


def chip(luts: int, ramb18: int = 10, dsps: int = 0) -> Chip:
    return Chip("small", Resources(luts=luts, ramb18=ramb18, ramb36=ramb18 // 2, dsps=dsps))


def dense(rows: int, columns: int, bits: int = 4) -> Network:
    """One layer of random weights."""
    integers = Encoding.of(f"INT{bits}")
    low, high = integers.minimum, integers.maximum + 1
    weights = np.random.default_rng(0).integers(low, high, (rows, columns)).astype(np.int32)
    values, parameters = {"x": Value((columns,), integers)}, {"w": Parameter(weights, integers)}
    (values["y"],) = Dense().infer([values["x"]], [parameters["w"]])
    node = Node("fc0", Dense(), ("x",), ("y",), ("w",))
    return Network("large", (columns,), (), "x", "y", values, parameters, (node,), ())


def test_a_design_that_fits_passes():
    design = lower(SMALL, for_cycles(SMALL, 8))
    taken = design.resources(chip(10_000))
    check_fit(SMALL, design, chip(taken.luts), 100)


def test_one_that_does_not_names_the_fastest_folding_that_does():
    network = dense(16, 64)
    whole = lower(network, for_cycles(network, 8))
    slow = lower(network, for_cycles(network, 128))
    limit = chip(slow.resources(chip(10**6)).luts)
    with pytest.raises(OverlayError) as caught:
        check_fit(network, whole, limit, 50)
    said = str(caught.value)
    cycles = int(said.partition("--cycles ")[2].split()[0])
    assert "does not fit a small: it takes about" in said
    assert f"--cycles {cycles} fits: {50e6 / cycles:,.0f} frames a second at 50 MHz" in said
    best = lower(network, for_cycles(network, cycles))
    assert not limit.overfull(best.resources(limit))
    assert 8 < cycles <= 128


def test_where_no_folding_fits_it_says_what_an_engine_reaches():
    with pytest.raises(OverlayError, match=r"no folding does; the offload engine of \d+x\d+ runs"):
        check_fit(SMALL, lower(SMALL, for_cycles(SMALL, 8)), chip(10), 100)


def test_compile_refuses_what_is_too_large_and_makes_it_by_force(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "large.network").mkdir()
    dense(256, 2048).save(tmp_path / "large.network")
    said = fails("compile", "large.network", "--cycles", "128")
    assert "large: does not fit a xc7z020: it takes about" in said
    assert not (tmp_path / "large.bundle").exists()
    assert "of 53,200 LUTs" in works("compile", "large.network", "--cycles", "128", "--force")
    assert (tmp_path / "large.bundle").exists()


def test_a_bundle_that_does_not_fit_is_neither_synthesised_nor_given_to_vivado(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "large.network").mkdir()
    dense(256, 2048).save(tmp_path / "large.network")
    works("compile", "large.network", "--cycles", "128", "--force")
    for command in (("synth", "--no-timing"), ("bitstream", "--board", "pynq-z2")):
        said = fails(command[0], "large.bundle", *command[1:])
        assert "large: does not fit a xc7z020: it takes about" in said
        assert "--cycles" in said and "--force" in said
    assert not (tmp_path / "large-pynq-z2.vivado").exists()
    works("bitstream", "large.bundle", "--board", "pynq-z2", "--force")
    assert (tmp_path / "large-pynq-z2.vivado").exists()


def test_the_front_of_an_exploration_has_only_what_fits_unless_by_force():
    network = dense(16, 64)
    every = explore(network, chip=chip(10**6), force=True)
    sizes = sorted(lower(network, c.folding).resources(chip(10**6)).luts for c in every.front)
    limit = chip(sizes[len(sizes) // 2])
    small = explore(network, chip=limit)
    assert 0 < len(small.front) < len(every.front)
    assert all(c.fits for c in small.front) and not all(c.fits for c in small.candidates)
    assert len(explore(network, chip=limit, force=True).front) > len(small.front)
    with pytest.raises(OverlayError, match="no folding does"):
        explore(network, chip=chip(10))


def test_multipliers_beyond_the_dsps_of_a_chip_are_counted_as_logic():
    network = dense(4, 8, bits=8)
    design = lower(network, for_cycles(network, 4))
    assert design.dsps > 0
    with_dsps = design.resources(chip(10**6, dsps=design.dsps))
    without = design.resources(chip(10**6, dsps=design.dsps - 1))
    assert (with_dsps.dsps, without.dsps) == (design.dsps, 0)
    assert without.luts > with_dsps.luts


@pytest.mark.parametrize(
    ("words", "bits", "blocks"), [(512, 36, 1), (784, 64, 4), (256, 256, 8), (1024, 1024, 57)]
)
def test_block_rams_are_counted_by_their_shapes(words, bits, blocks):
    assert in_block_ram(words, bits)
    assert ramb18(words, bits) == blocks


def test_small_tables_stay_in_luts():
    assert not any(in_block_ram(words, bits) for words, bits in ((64, 1024), (256, 32), (16, 4000)))


def test_yosys_puts_a_table_where_it_is_counted(tmp_path, cache):
    random = np.random.default_rng(0)
    image = tmp_path / "rom.hex"
    image.write_text("".join(f"{random.integers(1 << 32):08x}\n" for _ in range(512)))
    sources = [RTL / "common" / "delay.sv", RTL / "common" / "block_rom.sv"]
    sizes = {"WIDTH": 32, "DEPTH": 512}
    made = synthesise(sources, "block_rom", [image], sizes, cache=cache)
    assert in_block_ram(512, 32) and ramb18(512, 32) == 1
    assert 2 * made.ramb36 + made.ramb18 in (1, 2)
    assert made.luts < 10
