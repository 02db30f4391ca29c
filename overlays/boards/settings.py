"""Writes the settings of a system, system.tcl: all that the hand-written Tcl asks for."""

from __future__ import annotations

from bitfold.overlays.boards.system import System
from bitfold.overlays.registers import Access, Register

READ_ONLY, READ_WRITE = "read-only", "read-write"


def settings(system: System) -> str:
    """Tcl that sets the array `system` and nothing else."""
    values = {
        "name": system.name,
        "board": system.board.name,
        "part": system.board.part,
        "build_id": system.build_id,
        "clock_mhz": f"{system.clock_mhz:.6f}",
        "ip": system.ip,
        "vlnv": system.vlnv,
        "control_port": system.control_port,
        "control_base": f"0x{system.control.base:08X}",
        "control_size": f"0x{system.control.size:08X}",
        "memory_port": system.memory_port,
        "memory_data_bits": str(system.memory_data_bits),
        "memory_base": f"0x{system.memory.base:08X}",
        "memory_size": f"0x{system.memory.size:08X}",
        "interrupt_port": system.interrupt_port,
        "processor": system.processor,
        "processor_control_port": system.processor_control_port,
        "processor_memory_port": system.processor_memory_port,
        "processor_interrupt_port": system.processor_interrupt_port,
        "interrupt_controller": system.interrupt_controller,
        "interrupt_control_base": f"0x{system.interrupt_control.base:08X}",
        "interrupt_control_size": f"0x{system.interrupt_control.size:08X}",
    }
    lines = ["# The system around one overlay. Written by bitfold; do not edit."]
    lines += [f"set system({name}) {value}" for name, value in values.items()]
    lines += [
        "# Each: name, offset, access, description, and fields of name, lowest bit, width and",
        "# description.",
        "set system(registers) {",
        *(f"  {_register(register)}" for register in system.registers),
        "}",
    ]
    return "\n".join([*lines, ""])


def access(register: Register) -> str:
    """What a write does, in the words of IP-XACT."""
    return READ_ONLY if register.access is Access.RO else READ_WRITE


def _register(register: Register) -> str:
    fields = " ".join(
        f"{{{field.name} {field.low} {field.width} {{{field.description}}}}}"
        for field in register.fields
    )
    return (
        f"{{{register.name} 0x{register.offset:03X} {access(register)} "
        f"{{{register.description}}} {{{fields}}}}}"
    )
