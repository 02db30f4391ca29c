"""Networks that branch, through the front end: what the file computes, on every device."""

import logging

import numpy as np
import pytest
import torch
from brevitas.export import export_qonnx
from qonnx_graphs import kinds
from torch import nn

from bitfold.build.compiler import compile_dataflow, make_engine
from bitfold.build.folding import for_cycles
from bitfold.build.frontend import (
    random_samples,
    read_qonnx,
    source_scores,
    verify_against_source,
)
from bitfold.models.datasets import InputFormat
from bitfold.models.layers import Dense, Input, Scores, fold_batch_norms
from bitfold.models.ops import Add, Concatenate
from bitfold.models.quantization import quantization
from bitfold.overlays.offload import Engine
from bitfold.runtime.functional import FunctionalDevice
from bitfold.runtime.verilated import VerilatedDevice

FEATURES, SIZE, CLASSES = 6, 12, 3
ENGINE = Engine(8, 64, 256, 16, 8)


class Branches(nn.Module):
    """A layer, two branches behind it that `join`, and the scores."""

    def __init__(self, bits, inside, join):
        super().__init__()
        self.input = Input(bits, InputFormat(FEATURES, 8, 1 / 32))
        self.stem = Dense(bits, FEATURES, SIZE)
        self.left = nn.Sequential(Dense(bits, SIZE, SIZE), Dense(bits, SIZE, inside))
        self.right = nn.Identity() if inside == SIZE else Dense(bits, SIZE, SIZE)
        self.join = join
        joined = SIZE if join is torch.add else SIZE + inside
        self.behind = Dense(bits, joined, SIZE)
        self.scores = Scores(bits, SIZE, CLASSES)

    def forward(self, x):
        x = self.stem(self.input(x))
        return self.scores(self.behind(self.join(self.left(x), self.right(x))))


def concatenated(left, right):
    return torch.cat([left, right], dim=1)


def exported(module, path, features=FEATURES):
    """What Brevitas writes for the module with random BatchNorms, of which half the channels fall;
    and the module, ready to be compared with."""
    torch.manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
            nn.init.normal_(layer.running_mean, std=2.0)
            nn.init.uniform_(layer.running_var, 0.5, 20.0)
    module = fold_batch_norms(module)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    export_qonnx(module, torch.zeros(1, features), str(path), external_data=False)
    return path, module


def run(device, network, x):
    try:
        device.load(network)
        return device.run(x)[0]
    finally:
        device.close()


@pytest.mark.parametrize("name", ["W1A2", "W2A2", "W4A4"])
@pytest.mark.parametrize("join", [torch.add, concatenated], ids=["residual", "concat"])
def test_what_brevitas_branches_is_exact_on_every_device(tmp_path, cache, name, join):
    torch.manual_seed(0)
    module = Branches(quantization(name), SIZE if join is torch.add else 8, join)
    path, module = exported(module, tmp_path / "network.onnx")
    network = read_qonnx(path)
    x = random_samples(network, 200)
    comparison = verify_against_source(network, path, x)
    assert comparison.exact, comparison
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    assert np.array_equal(source_scores(path, x), expected)
    integers = network.quantize(x)
    outputs = network(integers)
    assert np.array_equal(network.scores(outputs), expected)
    assert {Add if join is torch.add else Concatenate} < set(kinds(network))
    dataflow = compile_dataflow(network, for_cycles(network, 64), tmp_path / "dataflow.bundle")
    offload = make_engine(ENGINE, tmp_path / "offload.bundle")
    assert np.array_equal(dataflow.design(integers), outputs)
    for bundle in (dataflow, offload):
        assert np.array_equal(run(FunctionalDevice(bundle, cache), network, integers), outputs)
    if (name, join) == ("W2A2", torch.add):
        for bundle in (dataflow, offload):
            device = VerilatedDevice(bundle, cache=cache)
            assert np.array_equal(run(device, network, integers[:5]), outputs[:5])
