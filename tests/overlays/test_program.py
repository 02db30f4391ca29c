"""The descriptor: fields apart from each other, the same in Python, SystemVerilog and Markdown."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfold.overlays.program import (
    CONSTANTS,
    DESCRIPTOR_BEATS,
    DESCRIPTOR_BYTES,
    FIELDS,
    MAX_OUTPUT_PLANES,
    MAX_PLANES,
    MAX_SIZE,
    Head,
    Origin,
    decode,
    encode,
    render_markdown,
    render_package,
)

OFFLOAD = Path(__file__).resolve().parents[2] / "overlays" / "rtl" / "offload"
any_values = st.fixed_dictionaries({f.name: st.integers(0, 2**f.width - 1) for f in FIELDS})


def test_the_committed_package_is_the_one_that_the_table_renders():
    assert (OFFLOAD / "offload_program_pkg.sv").read_text() == render_package()


def test_no_two_fields_share_a_bit_and_none_crosses_a_word():
    used = 0
    for field in FIELDS:
        mask = ((1 << field.width) - 1) << field.low
        assert not used & mask, field.name
        assert field.low // 32 == (field.low + field.width - 1) // 32
        used |= mask
    assert used < 1 << 8 * DESCRIPTOR_BYTES
    assert len({field.name for field in FIELDS}) == len(FIELDS)


def test_fields_hold_what_they_are_for():
    width = {field.name: field.width for field in FIELDS}
    assert 1 << width["rows"] == 1 << width["columns"] == MAX_SIZE + 1
    assert 1 << width["weight_planes"] == 1 << width["input_planes"] > MAX_PLANES
    assert 1 << width["output_planes"] > MAX_OUTPUT_PLANES
    assert 1 << width["head"] > max(Head)
    assert 1 << width["origin"] > max(Origin)
    assert (1 << MAX_PLANES) - 1 < CONSTANTS, "level n has constant n"


@given(any_values)
def test_what_was_encoded_comes_back(values):
    descriptor = encode(values)
    assert descriptor.dtype == np.uint64
    assert descriptor.shape == (DESCRIPTOR_BEATS,)
    assert decode(descriptor) == values


@given(any_values)
def test_each_field_lies_at_its_bits_of_little_endian_words(values):
    memory = encode(values).astype("<u8").tobytes()
    for field in FIELDS:
        word, low = divmod(field.low, 32)
        read = int.from_bytes(memory[4 * word : 4 * word + 4], "little")
        assert read >> low & ((1 << field.width) - 1) == values[field.name]


def test_what_is_left_out_is_zero():
    assert not encode({}).any()
    values = decode(encode({"rows": 7}))
    assert values.pop("rows") == 7
    assert not any(values.values())


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_value_that_does_not_fit_its_field_is_refused(field):
    for value in (-1, 1 << field.width):
        with pytest.raises(ValueError, match=f"{field.name}={value} does not fit {field.width}"):
            encode({field.name: value})


def test_the_package_places_every_field_where_the_table_does():
    # A packed struct lists its highest bits first.
    struct = re.search(r"struct packed \{(.*?)\} descriptor_t", render_package(), re.DOTALL)
    place, found = 8 * DESCRIPTOR_BYTES, {}
    for high, name in re.findall(r"logic \[(\d+):0\] (\w+);", struct.group(1)):
        place -= int(high) + 1
        found[name] = (place, int(high) + 1)
    assert place == 0
    reserved = {name: found.pop(name) for name in list(found) if name.startswith("reserved_")}
    assert found == {field.name: (field.low, field.width) for field in FIELDS}
    mask = sum(((1 << width) - 1) << low for low, width in reserved.values())
    assert f"RESERVED = 512'h{mask:x};" in render_package()


def test_the_markdown_names_every_field_with_its_bits():
    rows = [row.split(" | ") for row in render_markdown().splitlines()[2:]]
    assert [row[2] for row in rows] == [field.name for field in FIELDS]
    for field, (word, bits, _, meaning) in zip(FIELDS, rows, strict=True):
        high, low = int(bits.split(":")[0]), int(bits.split(":")[-1])
        assert 32 * int(word.strip("| ")) + low == field.low
        assert high - low + 1 == field.width
        assert meaning == f"{field.description} |"
