"""Checks that a bitstream and its hardware handoff, made anywhere, are those of a system."""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from itertools import product
from xml.etree import ElementTree

from bitfold.models.errors import BundleError
from bitfold.overlays.boards.handoff import (
    CLOCK_ENABLE,
    CLOCK_SOURCE,
    DIVISORS,
    STATED_CLOCKS,
    handoff,
)
from bitfold.overlays.boards.system import System

CLOCK_TOLERANCE_MHZ = 0.001
"""Vivado rounds: 1000 / 7 is 142.857132 there."""
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_BIT_MAGIC = bytes.fromhex("0ff00ff00ff00ff000")


def check_handoff(system: System, text: str, whole: bool = True) -> None:
    """Raises BundleError where the .hwh `text` says anything else than that of `system`.

    Compared is what a driver goes by: the addresses on every bus, the types of overlay and
    processor, the widths of the ports, and all that sets the clock, to 1 kHz. The `whole` has the
    interrupts and the register map too, which a driver does not take from there.
    """
    try:
        said = _facts(system, text, whole)
    except (*_UNREADABLE, ElementTree.ParseError) as error:
        raise BundleError(
            f"the .hwh can't be read ({error!r}); give the one that Vivado wrote with the .bit"
        ) from error
    for fact, (wanted, *_) in _facts(system, handoff(system, whole), whole).items():
        for value in said.get(fact, [None]):
            if not _agree(value, wanted):
                raise BundleError(
                    f"the .hwh is not of this bundle: {fact} is {value} and not {wanted}; make the "
                    "bitstream from the project that `bitfold bitstream` writes"
                )


def check_bitstream(system: System, content: bytes) -> None:
    """Raises BundleError if the header of a .bit names another chip or another build.

    The header has the first 32 bits of the build id as UserID, which implement.tcl sets.
    """
    header = _bit_header(content)
    chip = system.board.part[2:].rpartition("-")[0]
    if header["b"] != chip:
        raise BundleError(f"the .bit is for {header['b']}, but {system.board.name} has a {chip}")
    user_id = re.search(r"UserID=(?:0[xX])?([0-9a-fA-F]{1,8})\b", header["a"])
    build = system.build_id[:8]
    if not user_id or int(user_id[1], 16) != int(build, 16):
        raise BundleError(
            f"the .bit is of build {user_id[1].lower() if user_id else 'unknown'}, but the bundle "
            f"of build {build}; make it from the project that `bitfold bitstream` writes"
        )


def _agree(said: object, wanted: object) -> bool:
    if isinstance(said, float) and isinstance(wanted, float):
        return abs(said - wanted) <= CLOCK_TOLERANCE_MHZ
    return said == wanted


def _facts(system: System, text: str, registers: bool) -> dict[str, list[object]]:
    """What a .hwh says of the parts of `system`, under names for an error; all that it says where
    it says a thing more than once."""
    modules = {m.attrib["INSTANCE"]: m for m in ElementTree.fromstring(text).iter("MODULE")}
    processor = modules[system.processor]
    if system.ip not in modules:
        raise BundleError(
            f"the .hwh holds no {system.ip}, so it is no bitfold overlay; load the bundle's own "
            "bitstream"
        )
    ip = modules[system.ip]
    facts: dict[str, list[object]] = defaultdict(list)
    for module in (processor, ip):
        facts[f"the type of {module.attrib['INSTANCE']}"].append(module.attrib["VLNV"])
        for memory_range in module.iter("MEMRANGE"):
            key = memory_range.attrib
            source = f"{module.attrib['INSTANCE']}.{key['MASTERBUSINTERFACE']}"
            place = f"{source} to {key['INSTANCE']}"
            low, high = int(key["BASEVALUE"], 16), int(key["HIGHVALUE"], 16)
            facts[f"the address from {place}"].append(f"0x{low:08X} to 0x{high:08X}")
        for interface in module.iter("BUSINTERFACE"):
            if bits := interface.attrib.get("DATAWIDTH"):
                facts[f"the width of {interface.attrib['NAME']}"].append(int(bits))
    for register in ip.iter("REGISTER") if registers else ():
        name = register.attrib["NAME"]
        facts[f"the offset of {name}"].append(int(_property(register, "ADDRESS_OFFSET"), 0))
        for field in register.iter("FIELD"):
            low, width = (int(_property(field, n), 0) for n in ("BIT_OFFSET", "BIT_WIDTH"))
            facts[f"the place of {name}.{field.attrib['NAME']}"].append((low, width))
    for parameter in processor.iter("PARAMETER"):
        name, value = parameter.attrib["NAME"], parameter.attrib["VALUE"]
        if name in STATED_CLOCKS:
            facts["the clock in MHz"].append(float(value))
        elif name in DIVISORS:
            facts[f"divisor {name[-1]} of the clock"].append(int(value))
        elif name == CLOCK_SOURCE:
            facts["the source of the clock"].append(value)
        elif name == CLOCK_ENABLE:
            facts["what turns the clock on"].append(int(value))
    # Only the product of both counts.
    divisors = [facts.pop(f"divisor {i} of the clock", []) for i in (0, 1)]
    for first, second in product(*divisors):
        by_divisors = system.board.pll_mhz / (first * second)
        facts["the clock in MHz, by its divisors,"].append(round(by_divisors, 6))
    return dict(facts)


def _property(element: ElementTree.Element, name: str) -> str:
    return element.find(f"PROPERTY[@NAME='{name}']").attrib["VALUE"]


def _bit_header(content: bytes) -> dict[str, str]:
    """The fields a (design) to d (time) of a .bit."""
    fields = {}
    try:
        (length,) = struct.unpack_from(">H", content)
        if content[2 : 2 + length] != _BIT_MAGIC:
            raise ValueError("no header")
        at = 2 + length + 2
        while (key := content[at : at + 1].decode("ascii")) in "abcd" and key:
            (length,) = struct.unpack_from(">H", content, at + 1)
            fields[key] = content[at + 3 : at + 3 + length].rstrip(b"\0").decode("ascii")
            at += 3 + length
        return {"a": fields["a"], "b": fields["b"]}
    except (struct.error, UnicodeDecodeError, ValueError, KeyError) as error:
        raise BundleError("the .bit has no header; give the file that Vivado wrote") from error
