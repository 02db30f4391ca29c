"""Verilator's opinion of RTL, without building anything."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cocotb_build import VERILATOR_ROOT


def lint(
    sources: Sequence[Path], toplevel: str, parameters: Mapping[str, int | str] | None = None
) -> str:
    """What `verilator --lint-only -Wall` says of `toplevel`: nothing, if it is clean and legal."""
    command = [VERILATOR_ROOT / "bin" / "verilator_bin", "--lint-only", "-Wall"]
    command += ["--timescale", "1ns/1ps", "--top-module", toplevel]
    command += [f"-G{name}={value}" for name, value in (parameters or {}).items()]
    done = subprocess.run(
        [*command, *sources],
        env=os.environ | {"VERILATOR_ROOT": str(VERILATOR_ROOT)},
        capture_output=True,
        text=True,
    )
    assert bool(done.stderr) == bool(done.returncode)
    return done.stderr
