"""The program of the offload engine: descriptors, one a layer, and the limits they keep to.

One table of fields serves the RTL (`render_package`), the assembler (`encode`) and the disassembler
(`decode`). A descriptor is 64 bytes, sixteen 32-bit words, little-endian; words that no field uses
are zero. The program lies in memory as its descriptors, then what their layers load.

How a layer's numbers lie in memory and on chip: an integer tensor is stored as bit planes, plane 0
the lowest bits; a plane has a bit a column, in words of LANES bits on chip and in 64-bit beats in
memory, the first column in the lowest bit. A frame is its planes one after the other.

What a layer loads, for each block of ROWS rows: its constants (for each constant, for each pair of
rows, a beat of two 32-bit integers), then its weights (for each row, for each plane, its beats).
With thresholds there are 2^output_planes - 1 constants a row, ascending; the other heads have one,
which is subtracted. A softmax is that of models/softmax.py in its reduced form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

DESCRIPTOR_BYTES = 64
DESCRIPTOR_BEATS = DESCRIPTOR_BYTES // 8
OPCODE_LAYER = 0xB1
MAX_PLANES = 8
"""Bits of weights, inputs and thresholded outputs."""
MAX_OUTPUT_PLANES = 32
"""Bits of raw outputs."""
MAX_SIZE = 65535
"""Rows and columns."""
CONSTANTS = 256
"""Places for constants a row."""


class Head(IntEnum):
    """What becomes of a layer's accumulators."""

    THRESHOLD = 0
    RAW = 1
    ARGMAX = 2
    SOFTMAX = 3


class Origin(IntEnum):
    """Where a layer's input comes from."""

    CHIP = 0
    SOURCE = 1
    DESTINATION = 2


@dataclass(frozen=True)
class Field:
    """`width` bits of a descriptor from bit `low` up."""

    name: str
    low: int
    width: int
    description: str


def _fields(*rows: tuple[int, int, str, int, str]) -> tuple[Field, ...]:
    return tuple(Field(name, 32 * word + low, width, text) for word, low, name, width, text in rows)


FIELDS = _fields(
    (0, 0, "opcode", 8, f"0x{OPCODE_LAYER:02X}: a dense layer."),
    (0, 8, "origin", 2, "Input: 0 already on chip, 1 from SOURCE, 2 from DESTINATION."),
    (0, 10, "to_memory", 1, "The output is also written to DESTINATION."),
    (0, 11, "head", 2, "0 thresholds, 1 raw sums, 2 argmax, 3 softmax, both over a block of rows."),
    (0, 13, "weight_bipolar", 1, "A weight bit of 0 is -1."),
    (0, 14, "weight_signed", 1, "The weights' highest plane counts negative."),
    (0, 15, "input_bipolar", 1, "An input bit of 0 is -1."),
    (0, 16, "input_signed", 1, "The input's highest plane counts negative."),
    (1, 0, "columns", 16, "in_features, 1 or more."),
    (1, 16, "rows", 16, "out_features, 1 or more."),
    (2, 0, "weight_planes", 4, "Bits of a weight, 1 to 8."),
    (2, 8, "input_planes", 4, "Bits of an input, 1 to 8."),
    (
        2,
        16,
        "output_planes",
        6,
        "Bits of an output: 1 to 8 with thresholds, else to 32; 8 of a share.",
    ),
    (3, 0, "weight_top", 16, "Words from plane 0 of a weight row to its highest plane."),
    (3, 16, "input_top", 16, "Words from plane 0 of an input frame to its highest plane."),
    (4, 0, "input_base", 16, "Word on chip at which the first input frame begins."),
    (4, 16, "output_base", 16, "Word on chip at which the first output frame begins."),
    (5, 0, "output_top", 16, "Words from plane 0 of an output frame to its highest plane."),
    (6, 0, "load_offset", 32, "Bytes from PROGRAM_ADDRESS to what the layer loads; 8-aligned."),
    (7, 0, "load_beats", 29, "Beats that the layer loads."),
    (8, 0, "input_offset", 32, "Bytes from SOURCE or DESTINATION to the input; 8-aligned."),
    (9, 0, "output_offset", 32, "Bytes from DESTINATION to the output; 8-aligned."),
    (10, 0, "input_beats", 16, "Beats of an input frame in memory."),
    (10, 16, "output_beats", 16, "Beats of an output frame in memory."),
    (11, 0, "softmax_multiplier", 9, "Of a softmax's scale: 256 to 511."),
    (11, 16, "softmax_shift", 6, "Of a softmax's scale: its score is shifted right by 12 less."),
)


def encode(values: Mapping[str, int]) -> np.ndarray:
    """A descriptor (8,) uint64 from the value of each field; what is left out is zero."""
    bits = 0
    known = {field.name: field for field in FIELDS}
    for name, value in values.items():
        field = known[name]
        if not 0 <= int(value) < 1 << field.width:
            raise ValueError(f"{name}={value} does not fit {field.width} bits")
        bits |= int(value) << field.low
    return np.frombuffer(bits.to_bytes(DESCRIPTOR_BYTES, "little"), "<u8").copy()


def decode(descriptor: np.ndarray) -> dict[str, int]:
    """The value of each field of a descriptor (8,) uint64."""
    bits = int.from_bytes(np.ascontiguousarray(descriptor, "<u8").tobytes(), "little")
    return {field.name: bits >> field.low & ((1 << field.width) - 1) for field in FIELDS}


def render_package() -> str:
    """The SystemVerilog package `offload_program_pkg`, as it stands in rtl/offload."""
    lines = [
        "// The offload engine's descriptor. Rendered from overlays/program.py: change it there.",
        "package offload_program_pkg;",
        "  // No module uses all of it.",
        "  /* verilator lint_off UNUSEDPARAM */",
        f"  localparam int DESCRIPTOR_BYTES = {DESCRIPTOR_BYTES};",
        f"  localparam int DESCRIPTOR_BEATS = {DESCRIPTOR_BEATS};",
        f"  localparam int MAX_PLANES = {MAX_PLANES};",
        f"  localparam int MAX_OUTPUT_PLANES = {MAX_OUTPUT_PLANES};",
        f"  localparam int CONSTANTS = {CONSTANTS};",
        f"  localparam logic [7:0] OPCODE_LAYER = 8'h{OPCODE_LAYER:02X};",
        *(f"  localparam logic [1:0] HEAD_{h.name} = 2'd{h.value};" for h in Head),
        *(f"  localparam logic [1:0] ORIGIN_{o.name} = 2'd{o.value};" for o in Origin),
        "",
        "  // A descriptor, the highest bits first.",
        "  typedef struct packed {",
    ]
    above = 8 * DESCRIPTOR_BYTES
    for field in sorted(FIELDS, key=lambda f: -f.low):
        end = field.low + field.width
        if end < above:
            lines.append(f"    logic [{above - end - 1}:0] reserved_{end};")
        lines.append(f"    logic [{field.width - 1}:0] {field.name};")
        above = field.low
    lines += ["  } descriptor_t;"]
    # Bits that must be zero.
    used = sum(((1 << f.width) - 1) << f.low for f in FIELDS)
    lines += [
        f"  localparam logic [{8 * DESCRIPTOR_BYTES - 1}:0] RESERVED = "
        f"{8 * DESCRIPTOR_BYTES}'h{((1 << 8 * DESCRIPTOR_BYTES) - 1) ^ used:x};",
    ]
    return "\n".join([*lines, "  /* verilator lint_on UNUSEDPARAM */", "endpackage", ""])


def render_markdown() -> str:
    """The descriptor as a Markdown table."""
    lines = ["| word | bits | field | meaning |", "|---|---|---|---|"]
    for field in FIELDS:
        word, low = divmod(field.low, 32)
        bits = f"{low + field.width - 1}:{low}" if field.width > 1 else str(low)
        lines.append(f"| {word} | {bits} | {field.name} | {field.description} |")
    return "\n".join([*lines, ""])
