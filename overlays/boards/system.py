"""The system around an overlay on a board: processor, addresses, clock, interrupt, register map.

The one description that the hardware handoff (`handoff.handoff`) and the Vivado Tcl
(`settings.settings`) are both written from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bitfold.models.errors import OverlayError
from bitfold.overlays.boards.chip import XC7Z020, Chip
from bitfold.overlays.bundle import BITSTREAM_STEM, Bundle, DataflowBundle
from bitfold.overlays.registers import ABI_VERSION, ADDRESS_BITS, TABLE, Register


@dataclass(frozen=True)
class Board:
    """A board that overlays are made for."""

    name: str
    part: str
    processor: str
    """The file in tcl/ that says how its processor is set."""
    pll_mhz: float
    """The processor's IO PLL, which the clock of the programmable logic is divided from."""
    memory_bytes: int
    chip: Chip


BOARDS = {
    board.name: board
    for board in (
        Board("pynq-z1", "xc7z020clg400-1", "pynq_z.tcl", 1000.0, 512 << 20, XC7Z020),
        Board("pynq-z2", "xc7z020clg400-1", "pynq_z.tcl", 1000.0, 512 << 20, XC7Z020),
    )
}
MAX_CLOCK_MHZ = 250.0
"""The most that Vivado takes for FCLK0 of an xc7z020-1."""
_DIVISORS = range(1, 64)


@dataclass(frozen=True)
class AddressRange:
    """`size` bytes from byte address `base` on."""

    base: int
    size: int

    @property
    def last(self) -> int:
        """The address of the last byte."""
        return self.base + self.size - 1


@dataclass(frozen=True)
class System:
    """A processor, one overlay and an interrupt controller. Get one from `System.of`."""

    board: Board
    build_id: str
    layers: int
    """Layers of the overlay that have counters."""
    divisors: tuple[int, int]
    """FCLK0 is the board's PLL divided by both."""

    name: ClassVar[str] = BITSTREAM_STEM
    ip: ClassVar[str] = "bitfold_0"
    vlnv: ClassVar[str] = f"bitfold:overlay:bitfold_top:{ABI_VERSION}.0"
    control_port: ClassVar[str] = "s_axi_ctrl"
    control: ClassVar[AddressRange] = AddressRange(0x43C00000, 1 << ADDRESS_BITS)
    memory_port: ClassVar[str] = "m_axi_mem"
    memory_data_bits: ClassVar[int] = 64
    interrupt_port: ClassVar[str] = "irq"

    processor: ClassVar[str] = "processing_system7_0"
    processor_control_port: ClassVar[str] = "M_AXI_GP0"
    processor_memory_port: ClassVar[str] = "S_AXI_HP0"
    processor_interrupt_port: ClassVar[str] = "IRQ_F2P"

    interrupt_controller: ClassVar[str] = "axi_intc_0"
    """pynq's `Interrupt` takes one that an AXI interrupt controller passes on, no other."""
    interrupt_control: ClassVar[AddressRange] = AddressRange(0x41800000, 0x10000)

    @staticmethod
    def of(bundle: Bundle, board: str) -> System:
        """The system that carries the overlay of `bundle` on the board of that name.

        Raises OverlayError for a board that is not known or a clock that it can't give.
        """
        if board not in BOARDS:
            raise OverlayError(f"{board}: no such board; choose one of {', '.join(BOARDS)}")
        layers = (
            len(bundle.design.layers)
            if isinstance(bundle, DataflowBundle)
            else bundle.engine.layers
        )
        divisors = _divisors(BOARDS[board], bundle.clock_mhz)
        return System(BOARDS[board], bundle.build_id, layers, divisors)

    @property
    def clock_mhz(self) -> float:
        """The overlay's clock: the fastest FCLK0 that is not above the bundle's clock, to 1 kHz."""
        return self.board.pll_mhz / (self.divisors[0] * self.divisors[1])

    @property
    def memory(self) -> AddressRange:
        """The memory that the overlay reads and writes."""
        return AddressRange(0, self.board.memory_bytes)

    @property
    def registers(self) -> tuple[Register, ...]:
        """The register map, with one register for each layer in place of those with a stride.

        `LAYER_BUSY` becomes `LAYER_BUSY_0`, `LAYER_BUSY_1` and so on.
        """
        single = tuple(register for register in TABLE if not register.stride)
        strided = [register for register in TABLE if register.stride]
        return single + tuple(
            Register(
                f"{register.name}_{layer}",
                register.at(layer),
                register.access,
                register.description,
                register.fields,
            )
            for layer in range(self.layers)
            for register in strided
        )


def _divisors(board: Board, clock_mhz: float) -> tuple[int, int]:
    """The divisors of the fastest clock that is not above `clock_mhz`."""
    slowest = board.pll_mhz / _DIVISORS[-1] ** 2
    if not slowest <= clock_mhz <= MAX_CLOCK_MHZ:
        raise OverlayError(
            f"{board.name}: the processor gives no clock of {clock_mhz:g} MHz; compile with "
            f"--clock between {slowest:.3g} and {MAX_CLOCK_MHZ:g}"
        )
    allowed = [
        (first, second)
        for first in _DIVISORS
        for second in range(1, first + 1)
        if board.pll_mhz / (first * second) <= clock_mhz + 0.001
    ]
    return min(allowed, key=lambda pair: (pair[0] * pair[1], pair))
