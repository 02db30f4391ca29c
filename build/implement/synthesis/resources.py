"""Counts the primitives of a 7-series netlist as what the chip has: LUTs, flip-flops, block RAM.

The convention, the same for whatever is counted:

- A LUT is one 6-input LUT of the chip. LUT1 to LUT6 are one each, and LUT6_2, which has both of
  its outputs. A distributed RAM is the LUTs
  that hold it (a RAM32M or RAM64M four), a shift register one.
- MUXF7 and MUXF8 (the multiplexers behind LUTs), CARRY4, and flip-flops are counted apart: the
  chip has them beside the LUTs, two flip-flops and half a MUXF7 for each.
- Inverters, buffers, pads and constants count nothing: place and route merges them into the LUTs
  around them, or they are no logic.

Two small LUTs that share their inputs fit into one LUT6 of the chip (it has two outputs). Whether
they do is decided by the vendor's placer and not counted here: the true number is a little lower.
"""

from __future__ import annotations

from collections.abc import Mapping

from bitfold.models.errors import ToolError
from bitfold.overlays.boards.chip import Resources

_LUTS = {**{f"LUT{inputs}": 1 for inputs in range(1, 7)}, "LUT6_2": 1}
# LUTs of each distributed memory (UG474, "Distributed RAM" and "Shift Registers").
_MEMORY_LUTS = {
    **{"RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4},
    **{"RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32M": 4, "RAM64M": 4},
    **{"SRL16": 1, "SRL16E": 1, "SRLC16": 1, "SRLC16E": 1, "SRLC32E": 1},
}
_FLIP_FLOPS = {"FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1"}
_LATCHES = {"LDCE", "LDPE"}
_FREE = {"INV", "BUF", "VCC", "GND", "IBUF", "OBUF", "OBUFT", "IOBUF", "BUFG", "$scopeinfo"}


def count(cells: Mapping[str, int]) -> Resources:
    """The resources of `cells`, a number of each primitive.

    Raises ToolError for a primitive that is not known here, rather than leave it out.
    """
    taken = Resources()
    for kind, number in cells.items():
        if kind in _LUTS:
            taken += Resources(luts=number)
        elif kind in _MEMORY_LUTS:
            luts = number * _MEMORY_LUTS[kind]
            taken += Resources(luts=luts, memory_luts=luts)
        elif kind in _FLIP_FLOPS | _LATCHES:
            taken += Resources(flip_flops=number)
        elif kind in _SINGLE:
            taken += Resources(**{_SINGLE[kind]: number})
        elif kind not in _FREE:
            raise ToolError(
                f"{number} cells {kind} in the netlist, which bitfold can't count; change the "
                "source so that Yosys maps it, or report this"
            )
    return taken


_SINGLE = {
    "CARRY4": "carry4",
    "RAMB18E1": "ramb18",
    "RAMB36E1": "ramb36",
    "DSP48E1": "dsps",
    "MUXF7": "muxf7",
    "MUXF8": "muxf8",
}
