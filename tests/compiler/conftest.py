"""What the tests of the command line work with."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import works


@pytest.fixture(scope="session")
def home(tmp_path_factory, cache) -> Path:
    """A home for the commands, whose cache is that of the tests."""
    own = tmp_path_factory.mktemp("home")
    (own / ".cache").mkdir()
    cache.mkdir(parents=True, exist_ok=True)
    (own / ".cache" / "bitfold").symlink_to(cache)
    return own


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


@pytest.fixture
def here(home, made, tmp_path, monkeypatch) -> Path:
    """A folder to work in, with a network in it that was exported."""
    (tmp_path / "net.onnx").write_bytes((made / "net.onnx").read_bytes())
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return tmp_path
