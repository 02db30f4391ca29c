"""What the tests of the command line work with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.command_line import works
from support.random_networks import Shape, random_network
from support.vivado_workplace import Workplace

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.workflows.networks import default_engine
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.offload import Engine


@pytest.fixture(scope="session")
def made(home, tmp_path_factory) -> Path:
    """A folder with what train, export and compile leave; no test may change it."""
    folder = tmp_path_factory.mktemp("cli")
    checkpoint, qonnx = folder / "net.safetensors", folder / "net.onnx"
    options = ("--steps", 20, "-o", checkpoint, "--json", folder / "train.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        works("train", "iris_64_32_32", "-q", "W1A1", *options)
        works("export", checkpoint, "--json", folder / "export.json")
        works("compile", qonnx, "--cycles", 128, "--json", folder / "compile.json")
    return folder


@pytest.fixture(scope="session")
def reports(home, made, cache, tmp_path_factory) -> Path:
    """A folder with a page and a JSON file for a bundle of each kind; no test may change it."""
    folder = tmp_path_factory.mktemp("reports")
    engine = default_engine(cache).path
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for kind, arguments in (
            ("dataflow", (made / "net.bundle",)),
            ("offload", (engine, "--network", made / "net.onnx", "--dataset", "iris")),
        ):
            files = ("-o", folder / f"{kind}.html", "--json", folder / f"{kind}.json")
            works("report", *arguments, *files)
    return folder


@pytest.fixture(params=["dataflow", "offload"])
def kind(request) -> str:
    return request.param


@pytest.fixture
def here(home, made, tmp_path, monkeypatch) -> Path:
    """A folder to work in, with a network in it that was exported."""
    (tmp_path / "net.onnx").write_bytes((made / "net.onnx").read_bytes())
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def small_bundles(tmp_path_factory) -> Path:
    """A folder with a small bundle of each kind; no test may change it."""
    folder = tmp_path_factory.mktemp("bundles")
    shape = Shape((6, 4, 3), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
    folding = {"fc0": Fold(2, 3), "fc1": Fold(1, 4)}
    compile_dataflow(random_network(shape, 1), folding, folder / "dataflow.bundle")
    make_engine(Engine(8, 64, 64, 16, 3), folder / "offload.bundle", 150.0)
    return folder


@pytest.fixture(params=["dataflow", "offload"])
def workplace(request, small_bundles, tmp_path) -> Workplace:
    """A bundle of each kind, and a stand-in for Vivado that knows it."""
    workplace = Workplace(tmp_path, request.param, "pynq-z2")
    shutil.copytree(small_bundles / workplace.bundle.name, workplace.bundle)
    workplace.stand_in()
    return workplace


@pytest.fixture
def small(small_bundles, tmp_path) -> Workplace:
    """A workplace for what is the same for both kinds."""
    workplace = Workplace(tmp_path, "offload", "pynq-z1")
    shutil.copytree(small_bundles / workplace.bundle.name, workplace.bundle)
    workplace.stand_in()
    return workplace
