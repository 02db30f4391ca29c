"""A place to run `bitfold bitstream` in, with a stand-in for Vivado."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from bitfold.overlays.boards.handoff import handoff
from bitfold.overlays.boards.system import System
from bitfold.overlays.bundle import Bundle

STANDIN = Path(__file__).with_name("vivado_standin.tcl")
TCLSH = shutil.which("tclsh")
needs_tclsh = pytest.mark.skipif(TCLSH is None, reason="tclsh is not on this machine")


@dataclass
class Workplace:
    """A bundle, and a stand-in for Vivado that knows its ports."""

    folder: Path
    kind: str
    board: str

    @property
    def bundle(self) -> Path:
        return self.folder / f"{self.kind}.bundle"

    @property
    def project(self) -> Path:
        return self.folder / f"{self.kind}-{self.board}.vivado"

    @property
    def vivado(self) -> Path:
        return self.folder / "vivado"

    @property
    def system(self) -> System:
        return System.of(Bundle.load(self.bundle), self.board)

    @property
    def ports(self) -> list[str]:
        """The ports of the overlay's top, from its RTL."""
        source = re.sub(r"//.*", "", (self.bundle / "rtl" / "bitfold_top.sv").read_text())
        header = re.search(r"module\s+bitfold_top\s*\((.*?)\);", source, re.DOTALL)[1]
        return [re.search(r"(\w+)\s*$", part)[1] for part in header.split(",")]

    def stand_in(self, **scenario: object) -> None:
        """Makes the stand-in behave as `scenario` says."""
        (self.folder / "vivado.hwh").write_text(scenario.pop("hwh", handoff(self.system)))
        scenario |= {"ports": " ".join(self.ports), "handoff": self.folder / "vivado.hwh"}
        lines = [f"set scenario({name}) {{{value}}}" for name, value in scenario.items()]
        (self.folder / "scenario.tcl").write_text("\n".join(lines))
        command = shlex.join(map(str, (TCLSH, STANDIN, self.folder)))
        self.vivado.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        self.vivado.chmod(0o755)
        (self.folder / "record").unlink(missing_ok=True)

    @property
    def command(self) -> tuple[object, ...]:
        arguments = (self.bundle, "--board", self.board, "-o", self.project)
        return ("bitstream", *arguments, "--vivado", self.vivado)

    def record(self, *kind: str) -> list[list[str]]:
        """What the stand-in wrote down of that kind, without the kind."""
        lines = (self.folder / "record").read_text().splitlines()
        facts = [line.split("\t") for line in lines]
        return [fact[len(kind) :] for fact in facts if tuple(fact[: len(kind)]) == kind]
