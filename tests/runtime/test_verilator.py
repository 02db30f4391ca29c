"""Builds of the RTL: once for each content, with what the tools say where they fail."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from bitfold.models.cache import Cache
from bitfold.models.errors import DeviceError, ToolError
from bitfold.overlays.bundle import Bundle
from bitfold.runtime.verilated import VerilatedDevice
from bitfold.runtime.verilator import LIBRARY, build_library


@pytest.fixture
def compilations(tmp_path, monkeypatch):
    """How often g++ compiled something, seen by a g++ that writes it down and does it."""
    log, real = tmp_path / "compilations", shutil.which("g++")
    log.write_text("")
    logging = tmp_path / "bin" / "g++"
    logging.parent.mkdir()
    logging.write_text(f'#!/bin/sh\n[ "$1" = --version ] || echo >> "{log}"\nexec "{real}" "$@"\n')
    logging.chmod(logging.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(logging.parent), prepend=":")
    return lambda: len(log.read_text().splitlines())


def test_a_library_is_built_once(bundle, cache, tmp_path, compilations, monkeypatch):
    build_library(bundle.rtl, cache)  # Verilator's runtime is there from now on
    own = tmp_path / "cache"
    shutil.copytree(cache / "runtime", own / "runtime")
    before, steps = compilations(), []
    monkeypatch.chdir(tmp_path)
    first = build_library(bundle.rtl, Path("cache"), steps.append)
    assert steps == ["translating the RTL", "compiling the model"]
    assert compilations() == before + 3  # what runs each cycle, what runs once, the library
    again = build_library(bundle.rtl, tmp_path / "cache", steps.append)
    assert again == first
    assert len(steps) == 2
    assert compilations() == before + 3  # what runs each cycle, what runs once, the library
    assert [entry.path / LIBRARY for entry in Cache(own)._entries("verilated")] == [first]
    assert not list(own.glob("scratch/*/*")), "scratch was left behind"


def test_other_weights_take_the_same_library(bundle, retrained, cache):
    assert build_library(bundle.rtl, cache) == build_library(retrained.rtl, cache)


def test_other_rtl_takes_another_library(bundle, refolded, cache):
    assert build_library(bundle.rtl, cache) != build_library(refolded.rtl, cache)


def test_any_change_of_the_rtl_takes_another_library(bundle, cache, tmp_path):
    folder = Path(shutil.copytree(bundle.path / "rtl", tmp_path / "rtl"))
    changed = [folder / file.name for file in bundle.rtl]
    assert build_library(changed, cache) == build_library(bundle.rtl, cache)
    with (folder / "mvau.sv").open("a") as file:
        file.write("// a comment\n")
    assert build_library(changed, cache) != build_library(bundle.rtl, cache)


def test_rtl_that_is_wrong_is_told_in_verilators_words(bundle, cache, tmp_path):
    build_library(bundle.rtl, cache)
    folder = Path(shutil.copytree(bundle.path / "rtl", tmp_path / "rtl"))
    broken = folder / "mvau.sv"
    broken.write_text(broken.read_text().replace("endmodule", "endmodul"))
    before = sorted((cache / "verilated").iterdir())
    with pytest.raises(ToolError, match=r"(?s)verilator_bin failed .*mvau\.sv:\d+.*syntax error"):
        build_library([folder / file.name for file in bundle.rtl], cache)
    assert sorted((cache / "verilated").iterdir()) == before


def test_a_parameter_that_a_module_refuses_is_told(bundle, cache, tmp_path):
    folder = Path(shutil.copytree(bundle.path / "rtl", tmp_path / "rtl"))
    core = folder / "dataflow_core.sv"
    assert core.read_text().count(".PE(2)") == 2
    core.write_text(core.read_text().replace(".PE(2)", ".PE(5)"))
    with pytest.raises(ToolError, match="PE must divide ROWS and SIMD must divide COLUMNS"):
        build_library([folder / file.name for file in bundle.rtl], cache)


def test_a_library_that_was_built_already_needs_no_tools(
    bundle, refolded, cache, monkeypatch, tmp_path
):
    built = build_library(bundle.rtl, cache)
    own = tmp_path / "cache" / "verilated" / built.parent.name
    shutil.copytree(built.parent, own)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build_library(bundle.rtl, tmp_path / "cache") == own / built.name
    with pytest.raises(ToolError, match=r"g\+\+ is not installed"):
        build_library(refolded.rtl, tmp_path / "cache")


def test_other_tools_build_another_library(bundle, cache, monkeypatch, tmp_path):
    built = build_library(bundle.rtl, cache)
    content, _, toolchain = built.parent.name.partition("-")
    others = tmp_path / "cache" / "verilated" / f"{content}-{toolchain[::-1]}"
    shutil.copytree(built.parent, others)
    assert build_library(bundle.rtl, tmp_path / "cache").parent.name == built.parent.name


def test_a_missing_compiler_is_named_with_how_to_get_it(bundle, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"g\+\+ is not installed; install it .*apt install g\+\+"):
        build_library(bundle.rtl, tmp_path / "cache")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: None, "file not found"),
        (lambda text: text[: len(text) // 2], "ended before specified final address"),
        (lambda text: text + text, "beyond bounds of array"),
        (lambda text: "what is this", "syntax error"),
    ],
    ids=["missing", "short", "long", "garbage"],
)
def test_an_image_that_the_model_can_not_read_ends_the_simulation(
    damage, said, bundle, cache, tmp_path
):
    """Behind the checks of the bundle: of RTL that is trusted, nobody knows what it reads."""
    path = Path(shutil.copytree(bundle.path, tmp_path / "net.bundle"))
    received = Bundle.load(path, trust_rtl=True)
    image = path / "images" / "stage_0.weights.hex"
    text = damage(image.read_text())
    image.unlink()
    if text is not None:
        image.write_text(text)
    with pytest.raises(DeviceError, match=rf"the simulation ended: .*stage_0\.weights.*{said}"):
        VerilatedDevice(received, cache=cache)
    VerilatedDevice(bundle, cache=cache).close()
