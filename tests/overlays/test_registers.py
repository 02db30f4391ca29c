"""The register table: consistent in itself, and the same in SystemVerilog."""

import re
from pathlib import Path

import pytest

from bitfold.overlays.registers import (
    ADDRESS_BITS,
    REGISTERS,
    TABLE,
    WATCHDOG_DEFAULT_CYCLES,
    ErrorCode,
    render_markdown,
    render_package,
    stall_reason,
)

SHELL = Path(__file__).resolve().parents[2] / "overlays" / "rtl" / "shell"
PORTS = REGISTERS.STALLED_PORTS


def test_the_committed_package_is_the_one_that_the_table_renders():
    assert (SHELL / "bitfold_registers_pkg.sv").read_text() == render_package()


def test_the_watchdogs_default_is_that_of_the_rtl():
    found = [
        1 << int(shift)
        for file in SHELL.parent.rglob("*.sv")
        for shift in re.findall(r"WATCHDOG_DEFAULT\(?\s*=?\s*32'd1 << (\d+)", file.read_text())
    ]
    assert len(found) >= 2
    assert set(found) == {WATCHDOG_DEFAULT_CYCLES}


def test_no_two_registers_share_an_offset_and_all_fit_the_address():
    layers = ((1 << ADDRESS_BITS) - REGISTERS.LAYER_BUSY.offset) // REGISTERS.LAYER_BUSY.stride
    assert layers == 480  # the limit that the shell's modules check
    offsets = [
        register.at(layer)
        for register in TABLE
        for layer in range(layers if register.stride else 1)
    ]
    assert len(set(offsets)) == len(offsets)
    assert all(offset % 4 == 0 and 0 <= offset < 1 << ADDRESS_BITS for offset in offsets)


def test_no_two_fields_of_a_register_share_a_bit():
    for register in TABLE:
        used = 0
        for field in register.fields:
            assert not used & field.mask
            assert field.low + field.width <= 32
            used |= field.mask


def test_a_field_reads_its_bits_of_a_word():
    assert REGISTERS.STATUS["error"].get(0xFFFF03FF) == ErrorCode.WATCHDOG
    assert REGISTERS.STATUS["done"].get(0b1101) == 0
    with pytest.raises(KeyError, match="STATUS has no field speed"):
        REGISTERS.STATUS["speed"]


def test_every_error_code_has_one_sentence():
    for code in ErrorCode:
        assert code.text.endswith(".")
        assert ErrorCode(int(code)) is code


def test_the_markdown_names_every_register_field_and_error():
    text = render_markdown()
    for name in [register.name for register in TABLE] + [code.name for code in ErrorCode]:
        assert f"| {name} |" in text
    for register in TABLE:
        for field in register.fields:
            assert f"· {field.name} |" in text


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        ("", "no port waited"),
        ("r_not_valid core_in_not_valid core_out_not_valid", "the memory does not answer"),
        ("ar_not_ready r_not_valid w_not_valid", "read data: the memory does not answer"),
        ("ar_not_ready core_in_not_valid core_out_not_valid", "read address: the memory takes"),
        ("ar_not_ready r_not_ready core_in_not_ready", "core input: the core takes no data"),
        ("aw_not_ready w_not_valid core_out_not_valid", "core output: the core gives no data"),
        ("w_not_ready core_out_not_ready core_in_not_ready", "write data: the memory takes"),
        ("b_not_valid aw_not_ready core_out_not_ready", "write answer: the memory does not answer"),
        ("core_in_not_ready core_out_not_valid", "core input: the core takes no data"),
        ("core_out_not_ready", "core output: the shell takes no data"),
    ],
)
def test_the_port_at_fault_is_named_among_those_that_wait(waiting, reason):
    assert reason in stall_reason(sum(PORTS[name].mask for name in waiting.split()))
