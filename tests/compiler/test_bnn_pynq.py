"""Networks of BNN-PYNQ: its parameter files give its scores, on every device that holds them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.bnn_pynq_files import CNV, KINDS, LFC, scores, write_files
from support.command_line import works

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.compile.folding import choose, from_json
from bitfold.build.frontend.bnn_pynq import read_bnn_pynq
from bitfold.models.errors import FrontendError
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.offload import Engine
from bitfold.runtime.accelerator import Accelerator

CASES = Path(__file__).parents[3] / "shared" / "cases"
TOPOLOGIES = {"cnv": CNV, "lfc": LFC}
SHAPES = {"cnv": (8, 8, 3), "lfc": (28, 28)}


def images(topology: str, count: int = 30) -> np.ndarray:
    shape = (count, *SHAPES[topology])
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_scores_are_those_of_bnn_pynq(tmp_path, topology, kind):
    folder = write_files(tmp_path / "files", TOPOLOGIES[topology], kind)
    network = read_bnn_pynq(folder)
    x = images(topology)
    outputs = network(network.quantize(x, inputs="pixels"))
    expected = scores(folder, x)
    if topology == "cnv":
        np.testing.assert_array_equal(network.scores(outputs), expected)
        assert len(np.unique(expected)) > 3
    else:
        np.testing.assert_array_equal(outputs[:, :3], expected)
        highest = [max([0, *np.flatnonzero(bits > 0)]) for bits in expected]
        np.testing.assert_array_equal(network.classes(outputs), highest)
    assert network.labels == ("one", "two", "three")
    shutil.make_archive(str(tmp_path / "files"), "zip", folder)
    assert read_bnn_pynq(tmp_path / "files.zip").id == network.id


def test_all_pixels_become_the_integers_that_bnn_pynq_has(tmp_path):
    network = read_bnn_pynq(write_files(tmp_path, CNV, "W1A1"))
    p = np.arange(256)
    x = np.zeros((256, 8, 8, 3), np.uint8)
    x[:, 0, 0, 0] = p
    integers = network.quantize(x, inputs="pixels")[:, 0, 0, 0]
    expected = np.clip(np.floor((2 * p / 255 - 1) * 128 + 0.5), -128, 127)
    np.testing.assert_array_equal(integers, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_both_overlays_give_the_integers_of_the_network(tmp_path, cache, kind):
    engine = make_engine(Engine(8, 64), tmp_path / "engine")
    for topology in TOPOLOGIES:
        network = read_bnn_pynq(write_files(tmp_path / topology, TOPOLOGIES[topology], kind))
        x = images(topology)
        expected = network(network.quantize(x, inputs="pixels"))
        overlay = compile_dataflow(network, choose(network), tmp_path / f"{topology}.bundle")
        for bundle in (engine, overlay):
            with Accelerator(bundle, "functional", cache, network=network) as accelerator:
                np.testing.assert_array_equal(accelerator.run(x, inputs="pixels"), expected)


def test_the_command_writes_a_network_that_others_take(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "lfc", LFC, "W1A1")
    works("import", "bnn-pynq", "lfc", "--json", "said.json")
    network = Network.load(tmp_path / "lfc.network")
    assert network.id == read_bnn_pynq(tmp_path / "lfc").id
    np.save("x.npy", images("lfc"))
    works("compile", "lfc.network")
    said = works("run", "lfc.bundle", "x.npy", "--inputs", "pixels", "--device", "functional")
    assert "exact" in said


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.h", "", r"config\.h: defines layers none"),
        ("config.h", "#define L1_PE 3\n", r"defines layers 1, not 0"),
        ("config.h", "#define L0_PE 3\n", r"layer 0: does not define API, MH, MW, SIMD, WPI"),
        ("config.h", None, r"config\.h: no layers \(No such file"),
        ("classes.txt", "one", r"classes\.txt: names 1 classes"),
        ("classes.txt", "\n".join("abcdefghi"), r"9 classes for 8 outputs"),
        ("0-1-weights.bin", None, r"0-1-weights\.bin: no parameters of this layer"),
        ("0-1-weights.bin", "x" * 1000, r"0-1-weights\.bin: .*1000 bytes, more than 624"),
        ("0-1-weights.bin", "x" * 9, r"9 bytes, not words of 8"),
        ("0-1-thres.bin", "x" * 8, r"holds 1 thresholds, not 3 x 1"),
        ("0-1-thres.bin", "x" * 24, r"do not ascend, or are beyond 2\^30"),
    ],
)
def test_files_that_do_not_go_together_are_refused_by_name(tmp_path, file, content, message):
    folder = write_files(tmp_path, LFC, "W1A1")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(FrontendError, match=message):
        read_bnn_pynq(folder)


CNVS = {"cifar10-cnvW1A1": 32_768, "cifar10-cnvW2A2": 115_200}
"""The published convolutional networks, and the cycles that config.h gives the slowest layer."""


def published_cnv(name: str, folder: Path) -> tuple[Bundle, np.ndarray, np.ndarray]:
    """The overlay with the folding of config.h, all images, and their published scores."""
    zipped = CASES / "bnn_pynq" / f"{name}.zip"
    works("import", "bnn-pynq", zipped, "-o", folder / "cnv.network")
    network = Network.load(folder / "cnv.network")
    chosen = from_json(network, folder / "cnv.folding.json")
    x = np.load(CASES / "cifar10_test_1000.npz")["images"]
    expected = np.load(CASES / "bnn_pynq" / f"{name}_expected.npz")["scores"]
    return compile_dataflow(network, chosen, folder / "cnv.bundle"), x, expected


@pytest.mark.skipif(not CASES.exists(), reason="the parameter files are not here")
@pytest.mark.parametrize("name", CNVS)
def test_the_published_networks_give_all_published_scores_as_dataflow(name, tmp_path, cache):
    bundle, x, expected = published_cnv(name, tmp_path)
    assert bundle.design.initiation_interval == CNVS[name]
    with Accelerator(bundle, "functional", cache) as accelerator:
        outputs = accelerator.run(x, inputs="pixels")
    np.testing.assert_array_equal(bundle.network.scores(outputs), expected)


@pytest.mark.slow
@pytest.mark.skipif(not CASES.exists(), reason="the parameter files are not here")
@pytest.mark.parametrize("name", CNVS)
def test_the_rtl_of_the_published_networks_gives_their_scores(name, tmp_path, cache):
    bundle, x, expected = published_cnv(name, tmp_path)
    with Accelerator(bundle, "verilated", cache) as accelerator:
        outputs = accelerator.run(x[:20], inputs="pixels")
        call = accelerator.last_call
    np.testing.assert_array_equal(bundle.network.scores(outputs), expected[:20])
    assert call.cycles == call.predicted_cycles
    assert call.initiation_interval == CNVS[name]


@pytest.mark.skipif(not CASES.exists(), reason="the parameter files are not here")
@pytest.mark.parametrize("name", ["cifar10-cnvW1A1", "cifar10-cnvW2A2", "mnist-lfcW1A1"])
def test_the_published_networks_give_the_published_scores(name):
    network = read_bnn_pynq(CASES / "bnn_pynq" / f"{name}.zip")
    expected = np.load(CASES / "bnn_pynq" / f"{name}_expected.npz")
    data = "mnist" if "lfc" in name else "cifar10"
    x = np.load(CASES / f"{data}_test_1000.npz")["images"][:50]
    values = network.trace(network.quantize(x, inputs="pixels"))
    outputs = values[network.output]
    if "lfc" in name:
        counts = (values["dense3.out"][:, :10] + 1024) // 2
        np.testing.assert_array_equal(counts, expected["popcounts"][:50])
        np.testing.assert_array_equal(outputs[:, :10] > 0, expected["bits"][:50] > 0)
        np.testing.assert_array_equal(network.classes(outputs), expected["classes"][:50])
    else:
        np.testing.assert_array_equal(network.scores(outputs), expected["scores"][:50])
