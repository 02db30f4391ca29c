"""Random convolutional networks on their dataflow overlay: every integer and cycle is exact."""

from __future__ import annotations

import pytest
from support.exactness import check_network
from support.random_convolutions import random_convolutions
from support.random_networks import random_folding

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
