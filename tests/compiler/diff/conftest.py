"""The network of these tests, its overlay, and a folder to work in."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from support.diffing import FOLDED, SHAPE, keep
from support.offload_networks import calibrated
from support.random_networks import random_inputs, random_network

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.models.datasets import load_iris
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle


@pytest.fixture(scope="session")
def network() -> Network:
    """Each level of its activations is taken now and then."""
    return calibrated(random_network(SHAPE, 3))


@pytest.fixture(scope="session")
def bundle(network, tmp_path_factory) -> Bundle:
    return compile_dataflow(network, FOLDED, tmp_path_factory.mktemp("diff") / "net.bundle")


@pytest.fixture
def work(home, network, tmp_path, monkeypatch) -> np.ndarray:
    """A folder with the network and samples in it; gives the samples."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    keep(network, "good")
    x = random_inputs(network, 40, 7)
    np.save("x.npy", x)
    return x


@pytest.fixture
def exported(here, made) -> np.ndarray:
    """A trained network, exported, in a folder to work in; gives some flowers."""
    shutil.copy(made / "net.safetensors", "net.safetensors")
    flowers = load_iris().features[::5]
    np.save("flowers.npy", flowers)
    return flowers
