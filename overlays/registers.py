"""The hardware contract of every overlay: the one table of registers, and all that is made of it.

From this table come the SystemVerilog package that the shell is written with (`render_package`),
the table in the documentation (`render_markdown`) and the names that the driver uses
(`REGISTERS.STATUS["error"].get(word)`). Registers are 32 bits wide, at byte offsets.

How time is counted: the cycle counter of a call is 0 in the first cycle in which STATUS.idle is 0,
the cycle after the one that takes the write of CONTROL.start. CYCLES is therefore the number of
cycles in which STATUS.idle was 0. A stamp is the counter in the cycle of a handshake, so the
latency of the core in cycles is FIRST_OUT - FIRST_IN (a core of one register stage has latency 1),
and its initiation interval (LAST_OUT - FIRST_OUT) / (FRAMES - 1); both hold the memory's stalls,
if it made any while they were taken.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from types import SimpleNamespace

MAGIC = 0xB17F01D0
ABI_VERSION = 1
ADDRESS_BITS = 12
WATCHDOG_DEFAULT_CYCLES = 1 << 24
"""What WATCHDOG stands for while it is 0."""


class Access(Enum):
    """What a write does to a register."""

    RO = "read only: a write is ignored"
    RW = "read and write; a write is ignored while a call runs"
    W1C = "a 1 clears the bit"


class Kind(IntEnum):
    """The machine behind the shell, as the register KIND reads."""

    DATAFLOW = 1
    OFFLOAD = 2


class ErrorCode(IntEnum):
    """Why a call ended, as STATUS.error reads; `text` says it to a user."""

    text: str

    def __new__(cls, value: int, text: str) -> "ErrorCode":
        code = int.__new__(cls, value)
        code._value_ = value
        code.text = text
        return code

    NONE = 0, "The call ended well."
    READ_ERROR = 1, "The memory answered a read with an error: the source is not all memory."
    WRITE_ERROR = 2, "The memory answered a write with an error: the destination is not all memory."
    WATCHDOG = 3, "Nothing moved for the cycles that WATCHDOG allows; STALLED_PORTS names the port."
    BAD_ADDRESS = 4, "A source or destination is not a multiple of 8, or its end is beyond 4 GiB."
    BAD_FRAMES = 5, "FRAMES is 0, or its frames are more than the address space holds."
    BUSY = 6, "A start was written while a call ran: it was ignored, the running call went on."
    BUS_STUCK = 7, "An earlier call left the memory bus stuck: write CONTROL.soft_reset first."
    BAD_FRAME_END = 8, "The core ended a frame at the wrong beat: the overlay's core is faulty."
    BAD_OPCODE = 16, "The program has a descriptor with an opcode that the engine does not know."
    BAD_SIZE = 17, "The program has a layer whose size is beyond the engine's limits."
    BAD_PROGRAM_ADDRESS = 18, "The program, or data that it names, is not at a multiple of 8."


@dataclass(frozen=True)
class Field:
    """`width` bits of a register from bit `low` up."""

    name: str
    low: int
    description: str
    width: int = 1

    @property
    def mask(self) -> int:
        return ((1 << self.width) - 1) << self.low

    def get(self, word: int) -> int:
        """The field's value in a register that reads `word`."""
        return (int(word) & self.mask) >> self.low


@dataclass(frozen=True)
class Register:
    """One 32-bit register, or with `stride` one a layer, `stride` bytes apart."""

    name: str
    offset: int
    access: Access
    description: str
    fields: tuple[Field, ...] = ()
    stride: int = 0

    def __getitem__(self, name: str) -> Field:
        """The field of that name. Raises `KeyError` if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name}")

    def at(self, layer: int) -> int:
        """The byte offset of the register of one layer."""
        return self.offset + layer * self.stride


RO, RW, W1C = Access.RO, Access.RW, Access.W1C

TABLE: tuple[Register, ...] = (
    Register("MAGIC", 0x000, RO, f"Reads 0x{MAGIC:08X}: this is a bitfold overlay."),
    Register("ABI_VERSION", 0x004, RO, f"Version of this table, {ABI_VERSION}."),
    Register("KIND", 0x008, RO, "1 dataflow, 2 offload."),
    Register(
        "LAYERS", 0x00C, RO, "Layers that have counters from 0x100 on; 0 if they were left out."
    ),
    Register("BUILD_ID_0", 0x010, RO, "Build id, bits 31 to 0."),
    Register("BUILD_ID_1", 0x014, RO, "Build id, bits 63 to 32."),
    Register("BUILD_ID_2", 0x018, RO, "Build id, bits 95 to 64."),
    Register("BUILD_ID_3", 0x01C, RO, "Build id, bits 127 to 96."),
    Register(
        "CONTROL",
        0x020,
        RW,
        "Commands and the interrupt; may be written at any time.",
        (
            Field("start", 0, "1 starts a call; clears itself."),
            Field(
                "soft_reset",
                1,
                "1 ends any call without an answer, lets the bus finish and resets the core; "
                "clears itself, STATUS and IRQ_PENDING, keeps the other registers.",
            ),
            Field("irq_enable", 2, "1 lets IRQ_PENDING drive irq."),
        ),
    ),
    Register(
        "STATUS",
        0x024,
        RO,
        "The call that runs, or the last one.",
        (
            Field("idle", 0, "No call runs."),
            Field("done", 1, "The last call ended, well or not; cleared by start."),
            Field("bus_stuck", 2, "The bus did not drain: only soft_reset is accepted."),
            Field("error", 8, "Why the call ended, an error code.", width=8),
        ),
    ),
    Register(
        "IRQ_PENDING",
        0x028,
        W1C,
        "Interrupts that nobody has cleared yet.",
        (Field("done", 0, "A call ended."),),
    ),
    Register("SOURCE", 0x02C, RW, "Byte address of the first frame in, a multiple of 8."),
    Register("DESTINATION", 0x030, RW, "Byte address of the first frame out, a multiple of 8."),
    Register("FRAMES", 0x034, RW, "Frames of the call, 1 or more."),
    Register("PROGRAM_ADDRESS", 0x038, RW, "Byte address of the program (offload; else reads 0)."),
    Register("PROGRAM_LENGTH", 0x03C, RW, "Descriptors of the program (offload; else reads 0)."),
    Register(
        "WATCHDOG",
        0x040,
        RW,
        "Cycles without a handshake on memory or core that end a call; 0 stands for the default.",
    ),
    Register("CYCLES_LOW", 0x044, RO, "Cycles of the last call, bits 31 to 0."),
    Register("CYCLES_HIGH", 0x048, RO, "Cycles of the last call, bits 63 to 32."),
    Register("FRAMES_IN", 0x04C, RO, "Frames that the core has taken in this call."),
    Register("FRAMES_OUT", 0x050, RO, "Frames that the core has given in this call."),
    Register("INPUT_BEATS", 0x054, RO, "8-byte beats of a frame in."),
    Register("OUTPUT_BEATS", 0x058, RO, "8-byte beats of a frame out."),
    Register("FIRST_IN", 0x05C, RO, "Cycle in which the core took its first beat."),
    Register("FIRST_OUT", 0x060, RO, "Cycle in which the core gave the last beat of frame 0."),
    Register(
        "LAST_OUT", 0x064, RO, "Cycle in which the core gave the last beat of the last frame."
    ),
    Register(
        "STALLED_PORTS",
        0x068,
        RO,
        "What waited when the watchdog expired; `stall_reason` puts it in words.",
        (
            Field("ar_not_ready", 0, "m_axi_mem read address: the memory takes no address"),
            Field("r_not_valid", 1, "m_axi_mem read data: the memory does not answer"),
            Field("r_not_ready", 2, "m_axi_mem read data: the shell takes no data"),
            Field("aw_not_ready", 3, "m_axi_mem write address: the memory takes no address"),
            Field("w_not_valid", 4, "m_axi_mem write data: the shell has no data"),
            Field("w_not_ready", 5, "m_axi_mem write data: the memory takes no data"),
            Field("b_not_valid", 6, "m_axi_mem write answer: the memory does not answer"),
            Field("core_in_not_valid", 7, "core input: the shell has no data"),
            Field("core_in_not_ready", 8, "core input: the core takes no data"),
            Field("core_out_not_valid", 9, "core output: the core gives no data"),
            Field("core_out_not_ready", 10, "core output: the shell takes no data"),
        ),
    ),
    Register(
        "DESTINATION_BEATS",
        0x06C,
        RW,
        "Beats behind DESTINATION that a program may write (offload; else reads 0).",
    ),
    Register("LAYER_BUSY", 0x100, RO, "Cycles in which the layer was busy in this call.", stride=8),
    Register(
        "LAYER_STALLED",
        0x104,
        RO,
        "Cycles in which the layer had output that was not taken in this call.",
        stride=8,
    ),
)

REGISTERS = SimpleNamespace(**{register.name: register for register in TABLE})


def stall_reason(stalled_ports: int) -> str:
    """The port behind a watchdog expiry, in words, from what STALLED_PORTS reads.

    One port that waits makes others wait: a memory that owes an answer comes first, then one that
    takes nothing though nothing else holds it up, then the core.
    """
    stalled = {
        field.name: field.description
        for field in REGISTERS.STALLED_PORTS.fields
        if field.get(stalled_ports)
    }
    unanswered = [name for name in ("r_not_valid", "b_not_valid") if name in stalled]
    # A memory may well hold back addresses while its data waits for the shell or the core.
    untaken = [
        name
        for name, excuse in (
            ("ar_not_ready", "r_not_ready"),
            ("aw_not_ready", "w_not_valid"),
            ("w_not_ready", None),
        )
        if name in stalled and excuse not in stalled
    ]
    core = [name for name in ("core_in_not_ready", "core_out_not_valid") if name in stalled]
    for causes in (unanswered, untaken, core[:1], list(stalled)):
        if causes:
            return "; ".join(stalled[name] for name in causes)
    return "no port waited"


def render_package() -> str:
    """The SystemVerilog package `bitfold_registers_pkg`, as it stands in rtl/shell."""
    lines = [
        "// The register map. Rendered from overlays/registers.py: change it there.",
        "package bitfold_registers_pkg;",
        "  // No design uses all of it.",
        "  /* verilator lint_off UNUSEDPARAM */",
        f"  localparam logic [31:0] MAGIC_VALUE = 32'h{MAGIC:08X};",
        f"  localparam logic [31:0] ABI_VERSION_VALUE = 32'd{ABI_VERSION};",
        "",
    ]
    lines += [f"  localparam logic [31:0] KIND_{kind.name} = 32'd{kind.value};" for kind in Kind]
    lines += [""]
    lines += [
        f"  localparam logic [7:0] ERROR_{code.name} = 8'd{code.value};" for code in ErrorCode
    ]
    lines += ["", "  // Byte offsets, and the fields of a register as [_BIT] or [_LOW +: _WIDTH]."]
    for register in TABLE:
        name = register.name
        lines.append(
            f"  localparam logic [{ADDRESS_BITS - 1}:0] {name}_OFFSET = "
            f"{ADDRESS_BITS}'h{register.offset:03X};"
        )
        for field in register.fields:
            stem = f"{name}_{field.name.upper()}"
            if field.width == 1:
                lines.append(f"  localparam int {stem}_BIT = {field.low};")
            else:
                lines.append(f"  localparam int {stem}_LOW = {field.low};")
                lines.append(f"  localparam int {stem}_WIDTH = {field.width};")
    return "\n".join([*lines, "  /* verilator lint_on UNUSEDPARAM */", "endpackage", ""])


def render_markdown() -> str:
    """The register map and the error codes as Markdown tables."""
    lines = ["| offset | register | access | meaning |", "|---|---|---|---|"]
    for register in TABLE:
        offset = f"0x{register.offset:03X}" + (
            f" + {register.stride}·layer" if register.stride else ""
        )
        lines.append(
            f"| {offset} | {register.name} | {register.access.name} | {register.description} |"
        )
        for field in register.fields:
            bits = (
                str(field.low) if field.width == 1 else f"{field.low + field.width - 1}:{field.low}"
            )
            lines.append(f"| | · {field.name} | bit {bits} | {field.description} |")
    lines += ["", "| code | error | meaning |", "|---|---|---|"]
    lines += [f"| {code.value} | {code.name} | {code.text} |" for code in ErrorCode]
    return "\n".join([*lines, ""])
