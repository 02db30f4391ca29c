"""The smallest iris overlay: from four measurements to the class in a hundred LUTs."""

from __future__ import annotations

import numpy as np
import pytest

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.folding import unrolled
from bitfold.build.compile.passes.argmax import choose_class_on_chip
from bitfold.build.frontend import read_qonnx
from bitfold.build.implement.synthesis import synthesise_bundle
from bitfold.build.implement.synthesis.netlist import NetlistDevice
from bitfold.models.cross_validation import look_up
from bitfold.models.datasets import load_iris
from bitfold.models.export import export_qonnx
from bitfold.models.training import train
from bitfold.models.zoo.iris_petals import PETAL_LENGTH, PETAL_WIDTH

NETWORK = ("iris_petals", "W1A1-thermometer")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smallest")
    qonnx = export_qonnx(train(*NETWORK, load_iris()), folder / "iris.onnx")
    network = choose_class_on_chip(read_qonnx(qonnx))
    return compile_dataflow(network, unrolled(network), folder / "iris.bundle")


def test_its_accuracy_is_that_of_larger_networks():
    assert look_up(*NETWORK).mean >= 0.955


def test_it_takes_few_luts_few_cycles_and_no_dsp(bundle, cache):
    synthesis = synthesise_bundle(bundle, cache=cache)
    assert synthesis.core.luts < 300
    assert synthesis.luts < 2000
    assert synthesis.dsps == 0
    assert bundle.design.latency_cycles <= 6
    assert bundle.design.initiation_interval == 1


def test_its_netlist_gives_the_class_of_every_petal(bundle, cache):
    """Of all 65,536 that two measurements of 8 bits can be; the network does not see the others."""
    x = np.random.default_rng(0).integers(0, 256, (1 << 16, 4))
    x[:, PETAL_LENGTH], x[:, PETAL_WIDTH] = np.divmod(np.arange(1 << 16), 256)
    device = NetlistDevice(bundle, cache=cache)
    outputs, call = device.run(x)
    device.close()
    np.testing.assert_array_equal(outputs, bundle.network(x))
    assert set(outputs[:, 0]) == {0, 1, 2}
    assert call.cycles == call.predicted_cycles
