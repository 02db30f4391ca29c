"""A small overlay for the tests of the runtime: 8 integers, two layers, 5 scores."""

from __future__ import annotations

import warnings

import pytest
from support.random_networks import Shape, random_network

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.dataflow.fold import Fold

SHAPE = Shape((8, 6, 5), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)


@pytest.fixture
def board(cache):
    """The emulated board, where pynq finds it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynq's libraries warn of each other
        from bitfold.runtime.emulated_board import EmulatedBoard, plug_in, unplug
    yield plug_in(EmulatedBoard(cache=cache))
    unplug()


@pytest.fixture(scope="session")
def network() -> Network:
    return random_network(SHAPE, 1)


@pytest.fixture(scope="session")
def bundle(network, tmp_path_factory) -> Bundle:
    path = tmp_path_factory.mktemp("runtime") / "small.bundle"
    return compile_dataflow(network, {"fc0": Fold(2, 4), "fc1": Fold(1, 3)}, path)


@pytest.fixture(scope="session")
def retrained(tmp_path_factory) -> Bundle:
    """The same overlay with other weights: other images, the same RTL."""
    path = tmp_path_factory.mktemp("retrained") / "small.bundle"
    return compile_dataflow(random_network(SHAPE, 2), {"fc0": Fold(2, 4), "fc1": Fold(1, 3)}, path)


@pytest.fixture(scope="session")
def refolded(network, tmp_path_factory) -> Bundle:
    """The same network with another folding: other RTL."""
    path = tmp_path_factory.mktemp("refolded") / "small.bundle"
    return compile_dataflow(network, {"fc0": Fold(3, 8), "fc1": Fold(5, 2)}, path)
