"""Layers as logic: every netlist computes its layer, whatever the weights and the encodings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import any_bits, random_inputs, six_bit
from support.netlist_model import evaluate

from bitfold.build.unrolled.layer import unrolled_layer
from bitfold.models.network import Network
from bitfold.models.ops import Dense
from bitfold.overlays.kernels import fuse

WEIGHTS = ("BIPOLAR", "INT2", "INT3", "INT4", "INT6", "INT8")
ACTIVATIONS = ("BIPOLAR", "UINT2", "UINT3", "INT3", "UINT6")
INPUTS = ("BIPOLAR", "UINT2", "INT4", "UINT8")


def assert_every_layer_is_exact(network: Network, frames: int = 300) -> None:
    # Only what the layers before can give: a netlist has no bits for anything else.
    trace = network.trace(random_inputs(network, frames, 0))
    for kernel in fuse(network):
        if not kernel.part(Dense):
            continue
        layer = unrolled_layer(network, kernel)
        given = _bits(network, kernel.inputs[0], trace)
        wanted = _bits(network, kernel.output, trace)
        np.testing.assert_array_equal(evaluate(layer.logic, layer.outputs, given), wanted)


def _bits(network: Network, value: str, trace: dict[str, np.ndarray]) -> np.ndarray:
    encoding = network.values[value].encoding
    stored = encoding.to_bits(trace[value]).astype(np.int64)
    return (stored[:, :, None] >> np.arange(encoding.bits) & 1).reshape(len(stored), -1)


@settings(deadline=None, max_examples=20)
@given(
    widths=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    inputs=st.sampled_from(INPUTS),
    weights=st.sampled_from(WEIGHTS),
    activations=st.sampled_from(ACTIVATIONS),
    seed=st.integers(0, 1000),
)
def test_random_layers_are_exact(widths, inputs, weights, activations, seed):
    if activations == "BIPOLAR":
        inputs = "BIPOLAR" if inputs == "INT4" else inputs
    assert_every_layer_is_exact(any_bits(widths, inputs, weights, activations, seed))


@pytest.mark.parametrize("pruned", [0.0, 0.75, 0.95])
def test_sums_that_da4ml_shares_between_rows_are_exact(pruned):
    assert_every_layer_is_exact(six_bit(pruned, widths=(4, 24, 16, 3)))


def test_rows_without_weights_are_exact():
    assert_every_layer_is_exact(six_bit(0.95, widths=(2, 24, 3)), frames=50)


def test_more_weights_than_are_searched_for_common_sums_are_exact():
    assert_every_layer_is_exact(any_bits((96, 96), "UINT2", "INT4", "UINT2"), frames=50)
