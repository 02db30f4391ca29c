"""What is really kept, damaged: the next run builds it again and is exact."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.cache_damage import NUMBER, damages
from support.random_networks import random_inputs

from bitfold.models.cache import Cache
from bitfold.runtime.verilator import build_library

# Truncated, emptied, garbage, gone. Each takes a build: tests/models has all of them every day.
EVERYDAY = {"verilated": 0, "runtime": 25, "functional": 26, "bundles": 30}
# Another process, as a library that is loaded already would not be read again.
RUN = """
import sys
from pathlib import Path
import numpy as np
from bitfold.runtime.accelerator import Accelerator
folder = Path(sys.argv[1])
with Accelerator(folder / "small.zip", sys.argv[2], folder / "cache") as accelerator:
    np.save(folder / "y.npy", accelerator.run(np.load(folder / "x.npy")))
"""


@pytest.fixture(scope="module")
def whole(bundle, network, cache, tmp_path_factory) -> Path:
    """A folder with a bundle, inputs, and a cache in which all is that they need; no test may
    change it."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.make_archive(str(folder / "small"), "zip", bundle.path)
    np.save(folder / "x.npy", random_inputs(network, 20, 0))
    library = build_library(bundle.rtl, cache).parent
    shutil.copytree(library, folder / "cache" / "verilated" / library.name)
    toolchain = library.name.partition("-")[2]
    shutil.copytree(cache / "runtime" / toolchain, folder / "cache" / "runtime" / toolchain)
    for device in ("functional", "verilated"):
        run(folder, device)
    return folder


def run(folder: Path, device: str) -> np.ndarray:
    command = [sys.executable, "-c", RUN, folder, device]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return np.load(folder / "y.npy")


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        pytest.param(kind, number, marks=[] if number == EVERYDAY[kind] else pytest.mark.slow)
        for kind in EVERYDAY
        for number in range(NUMBER)
    ],
)
def test_the_run_after_any_damage_is_exact(kind, number, whole, network, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "folder"))
    (entry,) = (e.path for e in Cache(folder / "cache").entries() if e.kind == kind)
    list(damages(entry, number).values())[number]()
    if kind == "runtime":  # which is read only where something is built
        shutil.rmtree(folder / "cache" / "verilated")
    y = run(folder, "functional" if kind == "functional" else "verilated")
    np.testing.assert_array_equal(y, network(np.load(folder / "x.npy")))
    assert {e.kind for e in Cache(folder / "cache").entries()} == set(EVERYDAY)
    for leftover in ("scratch/*", "processes/*"):
        assert not list((folder / "cache").glob(leftover))
