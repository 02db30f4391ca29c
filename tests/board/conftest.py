"""A package of both overlays for iris, as `bitfold deploy` makes it, and what boards have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.board_environments import Environment, environment
from support.command_line import works

from bitfold.build.workflows.networks import default_engine
from bitfold.overlays.bundle import Bundle
from bitfold.runtime.verilator import build_library


@pytest.fixture(scope="session")
def iris(tmp_path_factory) -> Path:
    """A dataflow bundle for iris; no test may change it."""
    folder = tmp_path_factory.mktemp("iris")
    works("train", "iris_64_32_32", "-q", "W1A1", "--steps", 20, "-o", folder / "iris.safetensors")
    works("export", folder / "iris.safetensors")
    works("compile", folder / "iris.onnx", "--cycles", 128)
    return folder / "iris.bundle"


@pytest.fixture(scope="session")
def engine(cache) -> Path:
    """The default offload overlay."""
    return default_engine(cache).path


@pytest.fixture(scope="session")
def package(iris, engine, cache, tmp_path_factory) -> Path:
    """A package of both, whose simulations are in the cache; no test may change it."""
    for bundle in (iris, engine):
        build_library(Bundle.load(bundle).rtl, cache)
    path = tmp_path_factory.mktemp("deploy") / "package"
    works("deploy", iris, engine, "--dataset", "iris", "-o", path)
    return path


@pytest.fixture(scope="session")
def board(tmp_path_factory, cache) -> Callable[..., Environment]:
    """Makes an environment of the packages that tests/board names, without ours."""

    def make(*names: str) -> Environment:
        return environment(tmp_path_factory.mktemp("board") / "venv", cache, *names)

    return make
