"""`bitfold diff` of feature maps: the channel, row and column of what differs first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.command_line import works
from support.diffing import differ, equal, keep
from support.qonnx_graphs import writer

from bitfold.build.compile.compiler import make_engine
from bitfold.build.frontend import random_samples, read_qonnx
from bitfold.overlays.offload import Engine

U2 = "Quant<signed = 0, narrow = 0>({}, half, zero, two)"
BODY = f"""
    a = Quant<signed = 0, narrow = 0>(x, quarter, zero, four)
    b = Conv<pads = [1, 1, 1, 1]>(a, kernel)
    p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(b)
    q = {U2.format("p")}
    s = AveragePool<kernel_shape = [2, 1]>(q)
    f = Flatten(s)
    y = MatMul(f, last)
"""


@pytest.fixture
def file(home, tmp_path, monkeypatch) -> Path:
    """A file with two channels of 4x6, three behind the convolution; in a folder to work in."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(2)
    kernel = random.integers(-3, 4, (3, 2, 3, 3)) / 8
    last = random.integers(-7, 8, (9, 2)) / 8
    write = writer(tmp_path)
    return write(BODY, x="float[1, 2, 4, 6] x", y="float[1, 2] y", kernel=kernel, last=last)


def altered(file: Path, name: str, place: tuple[int, ...], by: int) -> tuple:
    """The network of the file, and what becomes of the integers of 30 samples; then with one
    constant altered, kept in the folder `bad`."""
    network = read_qonnx(file)
    x = network.quantize(random_samples(network, 30))
    before = network.trace(x)
    network.parameters[name].values[place] += by
    keep(network, "bad")
    return network, before, network.trace(x)


@pytest.mark.parametrize("side", ["a", "b"])
def test_the_first_weight_that_differs_is_named_with_its_place_in_the_kernel(file, side):
    weight = read_qonnx(file).parameters["conv0.weight"].values
    by = 1 if weight[2, 0, 1, 1] < 3 else -1
    _, before, after = altered(file, "conv0.weight", (2, 0, 1, 1), by)
    differs = before["conv0.sums"] != after["conv0.sums"]
    sample, row, column, channel = map(int, np.argwhere(differs)[0])
    assert channel == 2
    stages = [file.name, "bad"] if side == "a" else ["bad", file.name]
    said = differ(*stages, "--samples", "30")
    first = said["first"]
    assert (first["sample"], first["pixel"], first["channel"]) == (sample, [row, column], 2)
    values = [int(trace["conv0.sums"][sample, row, column, 2]) for trace in (before, after)]
    assert [first["a"]["value"], first["b"]["value"]] == (values if side == "a" else values[::-1])
    where = f"conv0, channel 2, row {row}, column {column}, sample {sample}: accumulator"
    assert said["says"].startswith(where)
    assert "; weight [2, 0, 1, 1] is " in said["says"]
    (layer,) = [layer for layer in said["layers"] if layer["layer"] == "conv0"]
    assert layer["values"] == differs.sum()
    assert layer["samples"] == differs.any(axis=(1, 2, 3)).sum()


def test_a_threshold_of_a_channel_is_named_with_the_sums_that_it_compares(file):
    _, before, after = altered(file, "conv0.thresholds", (0, 0), -3)
    assert np.array_equal(before["conv0.sums"], after["conv0.sums"])
    said = differ(file.name, "bad", "--samples", "30")
    # The file pools in front of its quantizer, so that the largest is what both show.
    first = said["first"]
    (name,) = [name for name in before if name.endswith(".largest")]
    place = tuple(map(int, np.argwhere(before[name] != after[name])[0]))
    assert (first["sample"], *first["pixel"], first["channel"]) == place
    assert first["layer"] == "maxpool0" and first["kind"] == "value"


def test_equal_maps_are_compared_in_every_layer_that_both_sides_show(file):
    network = read_qonnx(file)
    keep(network, "good")
    said = equal(file.name, "good", "--samples", "20")
    expected = {"input", "conv0", "maxpool0", "averagepool0", "flatten0", "dense0", "score"}
    assert set(said["compared"]) == expected
    make_engine(Engine(8, 64, 64, 16, 3), Path("offload.bundle"))
    said = equal("good", "offload.bundle:functional", "--samples", "20")
    assert said["compared"] == ["input", "dense0", "score"]


def test_the_table_has_a_column_for_pixels_where_there_are_some(file):
    altered(file, "conv0.weight", (0, 0, 0, 0), -1)
    with pytest.raises(AssertionError, match="row, column"):
        works("diff", file.name, "bad", "--samples", "30")
