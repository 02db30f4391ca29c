"""Bitstreams and hardware handoffs (.bit, .hwh), as `bitfold bitstream` takes them."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from random import Random
from xml.etree import ElementTree

from fuzz import mutate
from support.random_networks import Shape, random_network

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.implement.vivado import keep_bitstream
from bitfold.overlays.boards.handoff import handoff
from bitfold.overlays.boards.system import System
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.dataflow.fold import Fold
from bitfold.runtime.emulated_bitstream import bundle_of, write_bitstream

BOARD = "pynq-z2"
SHAPE = Shape((6, 4, 3), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
FOLDING = {"fc0": Fold(2, 3), "fc1": Fold(1, 4)}
XML = (
    "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>"
    + "".join(f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefghi", "bcdefghij"))
    + "]><x>&j;</x>",
    "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
    "<x>" * 100_000 + "</x>" * 100_000,
    "<x/>",
    "",
    "<x " + " ".join(f"a{i}='1'" for i in range(50_000)) + "/>",
)


class Handoffs:
    name = "handoffs"

    def prepare(self, folder: Path, cache: Path) -> None:
        folder.mkdir(parents=True)
        self._bundle = compile_dataflow(random_network(SHAPE, 1), FOLDING, folder / "bundle")
        self._system = System.of(self._bundle, BOARD)
        self._hwh = handoff(self._system)

    def may_start(self, command: list[str]) -> bool:
        return False

    def seeds(self) -> list[str]:
        return ["made", "emulated"]

    def copy(self, seed: str, case: Path) -> None:
        if seed == "emulated":
            write_bitstream(self._bundle, case / "bitfold.bit")
        else:
            (case / "bitfold.bit").write_bytes(_bit(self._system))
            (case / "bitfold.hwh").write_text(self._hwh)

    def mutate(self, random: Random, case: Path) -> str:
        if random.random() < 0.3:
            content, said = mutate.octets(random, (case / "bitfold.bit").read_bytes())
            (case / "bitfold.bit").write_bytes(content)
            return f"bit {said}"
        text = (case / "bitfold.hwh").read_text()
        kind = random.random()
        if kind < 0.1:
            text, said = random.choice(XML), "xml: another document"
        elif kind < 0.7:
            text, said = _element(random, text)
        else:
            text, said = mutate.text(random, text, ("&amp;", "<x>", "0x", "]]>"))
        (case / "bitfold.hwh").write_text(text, errors="surrogatepass")
        return f"hwh {said}"

    def check(self, case: Path) -> None:
        bit = case / "bitfold.bit"
        if not bit.exists():  # the corpus has only handoffs: each overlay needs a .bit of its own
            bit = Path("bitfold.bit")
            bit.write_bytes(_bit(self._system))
        shutil.copytree(self._bundle.path, "bundle")
        if bit.read_bytes().startswith(b"bitfold emulated"):
            shutil.copyfile(bit, "bitfold.bit")
            assert bundle_of(Path("bitfold.bit").resolve()).build_id == self._bundle.build_id
            return
        bundle = keep_bitstream(Bundle.load("bundle"), BOARD, bit, case / "bitfold.hwh")
        kept = bundle.bitstream(BOARD)
        assert kept.bit.read_bytes() == bit.read_bytes()
        assert b"UserID=" + self._bundle.build_id[
            :8
        ].encode().upper() in bit.read_bytes().upper().replace(b"USERID=0X", b"USERID=").replace(
            b"USERID", b"UserID"
        )
        missing = _facts(self._hwh) - _facts((case / "bitfold.hwh").read_text())
        assert not missing, f"taken, and says otherwise: {sorted(missing)[:3]}"


def _facts(text: str) -> set[tuple]:
    """What pynq goes by in a .hwh: every value of the elements that it reads, with its module."""
    facts = set()
    for module in ElementTree.fromstring(text).iter("MODULE"):
        name = module.attrib.get("INSTANCE")
        for memory in module.iter("MEMRANGE"):
            told = {key: memory.attrib.get(key, "") for key in ("MASTERBUSINTERFACE", "INSTANCE")}
            addresses = (_number(memory.attrib.get(key, "")) for key in ("BASEVALUE", "HIGHVALUE"))
            facts.add((name, *told.values(), *addresses))
        for register in module.iter("REGISTER"):
            for part in (register, *register.iter("FIELD")):
                for told in part.findall("PROPERTY"):
                    if told.attrib.get("NAME") in ("ADDRESS_OFFSET", "BIT_OFFSET", "BIT_WIDTH"):
                        value = _number(told.attrib.get("VALUE", ""))
                        owner = (register.attrib.get("NAME"), part.attrib.get("NAME"))
                        facts.add((name, *owner, told.attrib["NAME"], value))
        for parameter in module.iter("PARAMETER"):
            key, value = parameter.attrib.get("NAME", ""), parameter.attrib.get("VALUE", "")
            if "FPGA0" in key or "FCLK0" in key:  # the others are off
                facts.add((name, key, f"{_number(value):.3f}"))
    return facts


def _number(text: str) -> object:
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _element(random: Random, text: str) -> tuple[str, str]:
    """The XML with an attribute or an element changed."""
    root = ElementTree.fromstring(text)
    parents = [element for element in root.iter() if len(element)]
    parent = random.choice(parents)
    child = random.choice(list(parent))
    kind = random.choice(("value", "value", "value", "drop", "double", "move", "rename", "gone"))
    if kind == "drop":
        parent.remove(child)
    elif kind == "double":
        parent.append(child)
    elif kind == "move":
        parent.remove(child)
        random.choice(parents).append(child)
    elif kind == "rename":
        child.tag = random.choice(("MODULE", "REGISTER", "x", "PARAMETER"))
    elif child.attrib:
        key = random.choice(list(child.attrib))
        if kind == "gone":
            del child.attrib[key]
        else:
            old = child.attrib[key]
            near = (old + "0", old[1:], old.lower(), "0x0", "1e999", "nan", "-1", "5", "-0x1")
            drawn = random.choice((*near, *near, *mutate.NAMES))
            child.attrib[key] = "".join(c for c in drawn if c.isprintable())
        said = f"{child.tag} {child.attrib.get('NAME', '')} {key}"
        return ElementTree.tostring(root, encoding="unicode"), f"xml: {kind} {said}"
    return ElementTree.tostring(root, encoding="unicode"), f"xml: {kind} {child.tag}"


def _bit(system: System) -> bytes:
    """A .bit whose header is that of Vivado's."""
    chip = system.board.part[2:].rpartition("-")[0]
    fields = (
        ("a", f"bitfold_wrapper;UserID=0X{system.build_id[:8].upper()};Version=2023.1"),
        ("b", chip),
        ("c", "2024/01/01"),
        ("d", "12:00:00"),
    )
    content = struct.pack(">H", 9) + bytes.fromhex("0ff00ff00ff00ff000") + struct.pack(">H", 1)
    for key, text in fields:
        content += key.encode() + struct.pack(">H", len(text) + 1) + text.encode() + b"\0"
    return content + b"e" + struct.pack(">I", 4) + b"data"


TARGET = Handoffs()
