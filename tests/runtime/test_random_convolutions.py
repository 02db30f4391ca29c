"""Random convolutional networks, as RTL and compiled: all integers and cycles are exact."""

from __future__ import annotations

import numpy as np
import pytest
from support.exactness import check_network
from support.random_convolutions import random_convolutions
from support.random_networks import random_folding, random_inputs

from bitfold.build.compile.lowering import lower
from bitfold.runtime.arithmetic import CompiledNetwork, layers_of

EVERYDAY = range(12)
MANY = range(100, 300)


@pytest.mark.parametrize("seed", EVERYDAY)
def test_convolutions_are_exact_on_their_dataflow_overlay(seed, tmp_path, cache):
    network = random_convolutions(seed)
    check_network(network, random_folding(network, seed), seed, tmp_path, cache)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
def test_many_more_convolutions_are_exact_on_their_dataflow_overlay(seed, tmp_path, cache):
    network = random_convolutions(seed)
    check_network(network, random_folding(network, seed), seed, tmp_path, cache)


def check_compiled(seed: int, cache) -> bool:
    """One network as compiled arithmetic; False where NumPy has to compute it."""
    network = random_convolutions(seed)
    chain = lower(network, random_folding(network, seed)).chain
    layers = chain and layers_of(network.input_value, chain)
    if not layers:
        return False
    x = random_inputs(network, 40, seed).reshape(40, *network.input_value.shape)
    compiled = CompiledNetwork(network, layers, chain[-1][0], cache, seed % 3)
    np.testing.assert_array_equal(compiled(x), network(x).reshape(40, -1))
    return True


def test_compiled_arithmetic_gives_the_integers_of_the_network(cache):
    assert sum(check_compiled(seed, cache) for seed in range(100)) > 60
