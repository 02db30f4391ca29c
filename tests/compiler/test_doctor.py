"""The doctor, on this machine and where things are missing or wrong."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bitfold.build.workflows.doctor import Finding, examine

REPOSITORY = Path(__file__).parents[2]
EXAMINE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from bitfold.build.workflows.doctor import examine
print(json.dumps([vars(finding) for finding in examine()]))
"""


@pytest.fixture
def bare(tmp_path) -> Path:
    """A place to import from with bitfold in it and nothing else."""
    place = tmp_path / "bare"
    (place / "bitfold").mkdir(parents=True)
    for room in ("models", "overlays", "runtime", "build"):
        (place / "bitfold" / room).symlink_to(REPOSITORY / room)
    install(place, "bitfold", importlib.metadata.metadata("bitfold").as_string())
    return place


def install(place: Path, name: str, metadata: str) -> None:
    """What pip leaves behind of a distribution, as far as it is asked for its version."""
    version = re.search(r"^Version: (.*)$", metadata, re.MULTILINE)[1]
    folder = place / f"{name}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(metadata)


def examine_in(place: Path, path: str = "") -> dict[str, Finding]:
    """What a Python finds that has only `place` to import from and `path` to run programs from."""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", EXAMINE, place],
        env={"PATH": path, "HOME": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    findings = [Finding(**fields) for fields in json.loads(ran.stdout)]
    return {finding.name: finding for finding in findings}


def test_everything_that_is_required_is_here():
    findings = examine()
    assert [finding.name for finding in findings if finding.required and not finding.ok] == []
    assert {"Python", "g++", "verilator", "torch", "cache"} <= {f.name for f in findings}


def test_every_requirement_of_bitfold_is_examined():
    required = {re.match(r"[\w-]+", line)[0] for line in importlib.metadata.requires("bitfold")}
    assert required <= {finding.name for finding in examine()}


def test_a_bare_machine_is_told_what_to_install(bare):
    findings = examine_in(bare)
    assert findings["Python"].ok
    missing = {name for name, finding in findings.items() if not finding.ok}
    assert missing == set(findings) - {"Python"}
    assert all(findings[name].version is None for name in missing)
    assert findings["g++"].remedy == "sudo apt install g++"
    assert findings["onnx"].remedy == "python -m pip install 'onnx<1.23,>=1.17'"
    assert not findings["Vivado"].required


def test_a_library_that_is_too_new_is_refused(bare):
    install(bare, "onnx", "Name: onnx\nVersion: 1.23.0\n")
    install(bare, "brevitas", "Name: brevitas\nVersion: 0.13.4\n")
    findings = examine_in(bare)
    assert (findings["onnx"].version, findings["onnx"].ok) == ("1.23.0", False)
    assert findings["brevitas"].ok


def test_a_verilator_that_does_not_start_is_refused(bare):
    install(bare, "verilator", "Name: verilator\nVersion: 5.48.0\n")
    program = bare / "verilator" / "bin" / "verilator_bin"
    program.parent.mkdir(parents=True)
    (bare / "verilator" / "__init__.py").touch()
    program.write_text("#!/bin/sh\nexit 127\n")
    program.chmod(0o755)
    assert not examine_in(bare)["verilator"].ok
    program.write_text("#!/bin/sh\necho vUNKNOWN\n")
    assert examine_in(bare)["verilator"].ok


def test_a_torch_that_does_not_import_is_refused(bare):
    install(bare, "torch", "Name: torch\nVersion: 2.13.0\n")
    (bare / "torch.py").write_text("import a_library_of_cuda\n")
    findings = examine_in(bare)
    assert not findings["torch"].ok
    assert not findings["GPU"].ok


def test_the_cache_is_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    built = tmp_path / ".cache" / "bitfold" / "verilated" / "some" / "library.so"
    built.parent.mkdir(parents=True)
    built.write_bytes(bytes(3_000_000))
    (cache,) = (finding for finding in examine() if finding.name == "cache")
    assert (cache.version, cache.ok) == ("3 MB", True)
    assert str(tmp_path) in cache.purpose


def test_the_command_fails_where_something_required_is_missing(tmp_path):
    command = [Path(sys.executable).with_name("bitfold"), "doctor", "--json", tmp_path / "out.json"]
    healthy = subprocess.run(command, capture_output=True, text=True)
    assert healthy.returncode == 0, healthy.stderr
    without_programs = {**os.environ, "PATH": str(tmp_path)}
    ill = subprocess.run(command, env=without_programs, capture_output=True, text=True)
    assert ill.returncode == 1
    assert "sudo apt install g++" in ill.stdout
    findings = {f["name"]: f for f in json.loads((tmp_path / "out.json").read_text())["findings"]}
    assert not findings["g++"]["ok"]
    assert findings["verilator"]["ok"]
