"""Networks of images from training to a device: the digits, and the zoo's others with no data."""

import base64
import io
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command_line import bitfold, fails, read, works

from bitfold.build.compile.compiler import make_engine
from bitfold.build.frontend import random_samples, read_qonnx, verify_against_source
from bitfold.build.inspect.report.drawing import sample_picture
from bitfold.build.workflows.run import run_rows
from bitfold.build.workflows.samples import read_samples
from bitfold.models.checkpoints import load_checkpoint
from bitfold.models.dataset import Dataset
from bitfold.models.datasets import load, load_digits
from bitfold.models.export import export_qonnx
from bitfold.models.inputs import MEASUREMENTS, PIXELS
from bitfold.models.ops import Conv2d, MaxPool
from bitfold.models.training import train
from bitfold.models.zoo import topology
from bitfold.overlays.offload import Engine
from bitfold.runtime.library import Library


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A digits network of a few steps, from the command line, and a small engine."""
    folder = tmp_path_factory.mktemp("digits")
    checkpoint = folder / "digits.safetensors"
    works("train", "digits_conv", "-q", "W2A2", "--steps", 40, "-o", checkpoint)
    works("export", checkpoint)
    make_engine(Engine(8, 64, 256, 16, 8), folder / "offload.bundle")
    return folder


def test_all_digits_are_exact_from_torch_to_an_overlay_that_the_host_helps(folder, cache):
    network = read_qonnx(folder / "digits.onnx")
    model = load_checkpoint(folder / "digits.safetensors")
    digits = load_digits()
    assert verify_against_source(network, folder / "digits.onnx", digits.features).exact
    samples = read_samples(None, "digits", None, network)
    assert samples.inputs == MEASUREMENTS
    outputs = network(samples.integers(network))
    assert np.array_equal(network.scores(outputs), model.scores(digits.features))
    assert {Conv2d, MaxPool} < {type(node.op) for node in network.nodes}
    assert network.input_value.shape == (8, 8, 1)
    library = Library(folder / "offload.bundle", cache)
    result, ran = run_rows(library, network, samples, lambda step: None, "functional", "auto")
    assert result["exact"] and np.array_equal(ran, outputs)
    assert result["metrics"]["accuracy"] == model.measure(digits).accuracy > 0.5


def test_the_command_line_runs_digits_on_the_rtl(folder, monkeypatch):
    monkeypatch.chdir(folder)
    run = ("run", "offload.bundle", "--network", "digits.onnx", "--dataset", "digits")
    said = works(*run, "--limit", 3)
    assert "exact: all outputs of the verilated device equal" in said
    said = works("inspect", "offload.bundle", "--network", "digits.onnx")
    assert "conv0 (Conv2d)" in said


def test_digits_are_exact_on_an_overlay_of_their_own_and_equal_in_every_layer(folder, monkeypatch):
    monkeypatch.chdir(folder)
    works("compile", "digits.onnx")
    said = works("run", "digits.bundle", "--dataset", "digits", "--limit", 3)
    assert "exact: all outputs of the verilated device equal" in said
    names = ("digits.safetensors", "digits.onnx", "digits.bundle:functional")
    for stages in pairwise(names):
        said = works("diff", *stages, "--dataset", "digits")
        assert said.startswith(f"equal: {stages[0]} and {stages[1]} on 1797 samples")
        assert "conv0, conv0.threshold, conv1" in " ".join(said.split())
    network = read_qonnx("digits.onnx")
    dense = network.parameters["dense0.weight"].values
    dense[4, 2] = -1 if dense[4, 2] > 0 else 1
    Path("bad").mkdir()
    network.save(Path("bad"))
    said = bitfold("diff", "bad", "digits.bundle:functional", "--samples", 20).stdout
    assert "dense0" in said and "weight [4, 2] is" in said


def test_a_report_shows_digits_with_their_class_and_the_shapes_of_feature_maps(folder, monkeypatch):
    monkeypatch.chdir(folder)
    options = ("--network", "digits.onnx", "--dataset", "digits", "--rtl", 0)
    works("report", "offload.bundle", *options, "-o", "page.html", "--json", "page.json")
    report, page = read(folder / "page.json"), (folder / "page.html").read_text()
    digits = load_digits()
    network = read_qonnx(folder / "digits.onnx")
    classes = network.classes(network(network.quantize(digits.features)))
    shown = report["pictures"]
    assert {picked["is"] for picked in shown} == set(range(10))
    for picked in shown:
        assert picked["is"] == digits.labels[picked["sample"]]
        assert picked["class"] == classes[picked["sample"]]
    assert any(picked["class"] != picked["is"] for picked in shown)
    picture = r'<img class="sample" alt="([^"]*)" src="data:image/png;base64,([^"]*)"'
    images = re.findall(picture, page)
    assert len(images) == len(shown)
    assert images[0][0] == f"sample 0, 0, taken for {classes[0]}"
    with Image.open(io.BytesIO(base64.b64decode(images[0][1]))) as picture:
        pixels = np.asarray(picture)
    expected = np.round(digits.features[0].reshape(8, 8) * 255 / 16)
    assert np.array_equal(pixels, expected)
    first = report["layers"][0]
    assert (first["in_shape"], first["out_shape"]) == ([8, 8, 1], [6, 6, 16])
    assert (first["rows"], first["columns"]) == (16, 9)
    assert 'aria-label="feature maps of 8x8x1 to 6x6x16"' in page
    assert report["layers"][-1]["out_shape"] is None


def test_colours_are_drawn_in_red_green_and_blue():
    random = np.random.default_rng(0).integers(0, 256, (3, 5, 3))
    found = re.search('base64,([^"]*)', sample_picture(random, "a cat"))
    with Image.open(io.BytesIO(base64.b64decode(found.group(1)))) as picture:
        assert picture.mode == "RGB" and np.array_equal(np.asarray(picture), random)


def test_images_are_pixels_unless_a_network_learnt_from_their_numbers(folder, monkeypatch):
    network = read_qonnx(folder / "digits.onnx")
    colours = Dataset(
        "cifar10",
        np.arange(2 * 64, dtype=np.uint8).reshape(2, 64),
        np.array([0, 1]),
        ("",) * 64,
        ("a", "b"),
        image=(4, 4, 4),
    )
    monkeypatch.setattr("bitfold.models.datasets.load", lambda name: colours)
    samples = read_samples(None, "cifar10", None, network)
    assert samples.inputs == PIXELS and np.array_equal(samples.x, colours.features)

    class Last:
        sample_shape, info = (4, 4, 4), {"dataset": "cifar10"}

    assert read_samples(None, "cifar10", None, Last).inputs == MEASUREMENTS


def test_a_file_with_channels_last_gets_its_images_so(monkeypatch):
    class Last:
        sample_shape, info = (2, 3, 4), {}

    features = np.arange(24).reshape(1, 24)
    images = Dataset("cifar10", features, np.array([0]), (), ("a", "b"), image=(4, 2, 3))
    monkeypatch.setattr("bitfold.models.datasets.load", lambda name: images)
    x = read_samples(None, "cifar10", None, Last).x
    assert np.array_equal(x, features.reshape(1, 4, 2, 3).transpose(0, 2, 3, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "quantization"),
    [
        ("resnet8", "W1A2"),
        ("resnet8", "W2A2"),
        ("separable", "W4A4"),
        ("fashion_conv", "W1A1"),
        ("cnv", "W1A1"),
        ("cnv", "W2A2"),
    ],
)
def test_every_topology_of_images_is_exact_with_random_weights(tmp_path, name, quantization):
    dataset = topology(name).dataset
    features = {"cifar10": 3072, "fashion-mnist": 784}[dataset]
    pixels = np.random.default_rng(0).integers(0, 256, (40, features)).astype(np.uint8)
    names = tuple(map(str, range(features)))
    rows = Dataset(dataset, pixels, np.arange(40) % 10, names, tuple("abcdefghij"))
    model = train(name, quantization, rows, steps=1)
    path = export_qonnx(model, tmp_path / "network.onnx")
    network = read_qonnx(path)
    x = random_samples(network, 20)
    assert verify_against_source(network, path, x).exact
    assert np.array_equal(network.scores(network(network.quantize(x))), model.scores(x))


def test_data_that_is_not_here_is_asked_for_by_name(folder, monkeypatch, tmp_path):
    monkeypatch.setattr("bitfold.models.image_files.folders", lambda name: (tmp_path / name,))
    monkeypatch.chdir(folder)
    said = fails("run", "offload.bundle", "--network", "digits.onnx", "--dataset", "cifar10")
    assert "cifar10: found no test_batch.bin" in said and str(tmp_path) in said
    assert load("digits").name == "digits"
