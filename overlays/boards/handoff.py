"""Writes the hardware handoff (.hwh) of a system: what pynq reads to drive it.

Vivado writes its own for a bitstream; this one, with no more than pynq 3.0 to 4.0 needs, is for
an emulated board and to compare Vivado's with.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from bitfold.overlays.boards.settings import access
from bitfold.overlays.boards.system import AddressRange, System
from bitfold.overlays.registers import Register

PROCESSOR = "xilinx.com:ip:processing_system7:5.5"
INTERRUPT_CONTROLLER = "xilinx.com:ip:axi_intc:4.1"
AXI = "xilinx.com:interface:aximm:1.0"
# FCLK0, as the processor's parameters say it and pynq reads them.
STATED_CLOCKS = (
    "PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ",
    # pynq 4.0 asks every processor for the UltraScale+ name, and fails without.
    "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ",
)
DIVISORS = ("PCW_FCLK0_PERIPHERAL_DIVISOR0", "PCW_FCLK0_PERIPHERAL_DIVISOR1")
CLOCK_SOURCE = "PCW_FCLK0_PERIPHERAL_CLKSRC"
CLOCK_ENABLE = "PCW_FPGA_FCLK0_ENABLE"
_BLOCK = "reg0"


def handoff(system: System, interrupts: bool = True) -> str:
    """The XML of the .hwh of `system`.

    Without `interrupts` it has neither interrupt line nor controller: pynq looks for a UIO device
    behind each, which an emulated board does not have.
    """
    root = Element("EDKSYSTEM", EDWVERSION="1.2")
    device, package, speed = re.fullmatch(r"xc(\w+?)(clg\d+)(-\d)", system.board.part).groups()
    information = {"DEVICE": device, "PACKAGE": package, "SPEEDGRADE": speed}
    SubElement(root, "SYSTEMINFO", ARCH="zynq", NAME=system.name, **information)
    SubElement(root, "EXTERNALPORTS")
    modules = SubElement(root, "MODULES")
    _overlay(modules, system, interrupts)
    if interrupts:
        _interrupt_controller(modules, system)
    _processor(modules, system, interrupts)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(
        root, encoding="unicode"
    )


def _overlay(modules: Element, system: System, interrupts: bool) -> None:
    module = _module(modules, system.ip, system.vlnv)
    blocks = SubElement(module, "ADDRESSBLOCKS")
    block = SubElement(
        blocks,
        "ADDRESSBLOCK",
        ACCESS="",
        INTERFACE=system.control_port,
        NAME=_BLOCK,
        RANGE=str(system.control.size),
        USAGE="register",
    )
    registers = SubElement(block, "REGISTERS")
    for register in system.registers:
        _register(registers, register)
    if interrupts:
        _line(
            module,
            system.interrupt_port,
            "O",
            (system.interrupt_controller, "intr"),
            SENSITIVITY="LEVEL_HIGH",
        )
    _interfaces(
        module,
        (system.control_port, "SLAVE", 32),
        (system.memory_port, "MASTER", system.memory_data_bits),
    )
    _memory_map(
        module,
        (
            system.memory_port,
            system.processor,
            system.processor_memory_port,
            "HP0_DDR_LOWOCM",
            "MEMORY",
            system.memory,
        ),
    )


def _interrupt_controller(modules: Element, system: System) -> None:
    module = _module(modules, system.interrupt_controller, INTERRUPT_CONTROLLER)
    _line(module, "intr", "I", (system.ip, system.interrupt_port))
    _line(module, "irq", "O", (system.processor, system.processor_interrupt_port))
    _interfaces(module, ("s_axi", "SLAVE", 32))


def _processor(modules: Element, system: System, interrupts: bool) -> None:
    module = _module(modules, system.processor, PROCESSOR)
    parameters = SubElement(module, "PARAMETERS")
    for name, value in _clocks(system).items():
        SubElement(parameters, "PARAMETER", NAME=name, VALUE=value)
    ranges = [(system.ip, system.control_port, _BLOCK, system.control)]
    if interrupts:
        _line(
            module,
            system.processor_interrupt_port,
            "I",
            (system.interrupt_controller, "irq"),
            SENSITIVITY="LEVEL_HIGH",
        )
        ranges.append(
            (system.interrupt_controller, "s_axi", "Reg", system.interrupt_control),
        )
    _interfaces(
        module,
        (system.processor_control_port, "MASTER", 32),
        (system.processor_memory_port, "SLAVE", system.memory_data_bits),
    )
    _memory_map(
        module,
        *(
            (system.processor_control_port, instance, port, block, "REGISTER", addresses)
            for instance, port, block, addresses in ranges
        ),
    )


def _clocks(system: System) -> dict[str, str]:
    """FCLK0 as the processor's parameters say it, and that the other three are off."""
    parameters = dict.fromkeys(STATED_CLOCKS, f"{system.clock_mhz:.6f}")
    for index in range(4):
        first, second = system.divisors if index == 0 else (1, 1)
        parameters[f"PCW_FPGA_FCLK{index}_ENABLE"] = str(int(index == 0))
        parameters[f"PCW_FCLK{index}_PERIPHERAL_DIVISOR0"] = str(first)
        parameters[f"PCW_FCLK{index}_PERIPHERAL_DIVISOR1"] = str(second)
        parameters[f"PCW_FCLK{index}_PERIPHERAL_CLKSRC"] = "IO PLL"
    return parameters


def _module(modules: Element, instance: str, vlnv: str) -> Element:
    return SubElement(
        modules,
        "MODULE",
        FULLNAME=f"/{instance}",
        INSTANCE=instance,
        MODTYPE=vlnv.split(":")[2],
        VLNV=vlnv,
    )


def _register(registers: Element, register: Register) -> None:
    element = SubElement(registers, "REGISTER", NAME=register.name)
    _properties(
        element,
        DESCRIPTION=register.description,
        ADDRESS_OFFSET=f"0x{register.offset:x}",
        SIZE="32",
        ACCESS=access(register),
        IS_ENABLED="true",
    )
    fields = SubElement(element, "FIELDS")
    for field in register.fields:
        _properties(
            SubElement(fields, "FIELD", NAME=field.name),
            DESCRIPTION=field.description,
            BIT_OFFSET=str(field.low),
            BIT_WIDTH=str(field.width),
            ACCESS=access(register),
        )


def _properties(element: Element, **values: str) -> None:
    for name, value in values.items():
        SubElement(element, "PROPERTY", NAME=name, VALUE=value)


def _line(
    module: Element, name: str, direction: str, other_end: tuple[str, str], **more: str
) -> None:
    """An interrupt line of `module`, connected to (instance, port)."""
    ports = module.find("PORTS")
    if ports is None:
        ports = SubElement(module, "PORTS")
    port = SubElement(ports, "PORT", DIR=direction, NAME=name, SIGIS="INTERRUPT", **more)
    connections = SubElement(port, "CONNECTIONS")
    SubElement(connections, "CONNECTION", INSTANCE=other_end[0], PORT=other_end[1])


def _interfaces(module: Element, *interfaces: tuple[str, str, int]) -> None:
    """AXI interfaces, each (name, type, data bits)."""
    element = SubElement(module, "BUSINTERFACES")
    for name, kind, bits in interfaces:
        SubElement(element, "BUSINTERFACE", DATAWIDTH=str(bits), NAME=name, TYPE=kind, VLNV=AXI)


def _memory_map(module: Element, *ranges: tuple[str, str, str, str, str, AddressRange]) -> None:
    """What masters reach: (master, instance, slave, address block, memory type, addresses)."""
    element = SubElement(module, "MEMORYMAP")
    for master, instance, slave, block, kind, addresses in ranges:
        SubElement(
            element,
            "MEMRANGE",
            ADDRESSBLOCK=block,
            BASEVALUE=f"0x{addresses.base:08X}",
            HIGHVALUE=f"0x{addresses.last:08X}",
            INSTANCE=instance,
            MASTERBUSINTERFACE=master,
            MEMTYPE=kind,
            SLAVEBUSINTERFACE=slave,
        )
