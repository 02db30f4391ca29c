"""Random networks on the RTL: every integer, the latency and the initiation interval are exact."""

from __future__ import annotations

from itertools import count, islice, pairwise

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.exactness import check_network
from support.random_networks import (
    random_folding,
    random_network,
    random_shape,
    random_unrolling,
    with_softmax,
)

# The last four share their thresholds among channels.
SHAPES = (0, 1, 2, 3, 11, 13, 31, 43)
# A failing example is not shrunk: most of its steps would build another simulation.
NO_SHRINKING = settings(
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


UNROLLED_WEIGHTS = 500
"""Of the widest layer: weights that are logic mean a build for every network."""


def check(shape_seed: int, seed: int, folder, cache, fold=random_folding) -> None:
    """One random network on its RTL, unhindered and with a hesitating memory."""
    network = random_network(random_shape(shape_seed), seed)
    check_network(network, fold(network, shape_seed), seed, folder, cache)


@pytest.mark.parametrize("shape_seed", SHAPES)
@settings(NO_SHRINKING, max_examples=25, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_networks_of_one_shape_are_exact_on_one_build(shape_seed, seed, tmp_path_factory, cache):
    check(shape_seed, seed, tmp_path_factory.mktemp("random"), cache)


@pytest.mark.slow
@settings(NO_SHRINKING, max_examples=200)
@given(shape_seed=st.integers(8, 2**32 - 1), seed=st.integers(0, 2**32 - 1))
def test_networks_of_any_shape_are_exact(shape_seed, seed, tmp_path_factory, cache):
    check(shape_seed, seed, tmp_path_factory.mktemp("random"), cache)


def small_shapes():
    """Seeds of shapes whose layers are small."""

    def is_small(seed: int) -> bool:
        widths = random_shape(seed).widths
        return max(a * b for a, b in pairwise(widths)) <= UNROLLED_WEIGHTS

    return filter(is_small, count(100))


@pytest.mark.parametrize("shape_seed", islice(small_shapes(), 12))
def test_unrolled_layers_are_exact_alone_and_among_folded_ones(shape_seed, tmp_path, cache):
    check(shape_seed, shape_seed, tmp_path, cache, random_unrolling)


@pytest.mark.slow
@pytest.mark.parametrize("shape_seed", islice(small_shapes(), 12, 160))
def test_many_more_unrolled_layers_are_exact(shape_seed, tmp_path, cache):
    check(shape_seed, shape_seed, tmp_path, cache, random_unrolling)


# With a softmax at their end.


def check_softmax(seed: int, form: str, folder, cache, fold=random_folding) -> None:
    network = random_network(with_softmax(random_shape(seed), form), seed)
    check_network(network, fold(network, seed), seed, folder, cache)


@pytest.mark.parametrize(("seed", "form"), [(2, "plain"), (5, "reduced"), (11, "reduced")])
def test_a_softmax_behind_folded_layers_is_exact(seed, form, tmp_path, cache):
    check_softmax(seed, form, tmp_path, cache)


@pytest.mark.parametrize("seed", islice(small_shapes(), 2))
def test_a_softmax_behind_unrolled_layers_is_exact(seed, tmp_path, cache):
    check_softmax(seed, "reduced", tmp_path, cache, random_unrolling)


@pytest.mark.slow
@pytest.mark.parametrize("fold", [random_folding, random_unrolling])
@pytest.mark.parametrize("form", ["reduced", "plain"])
@pytest.mark.parametrize("seed", islice(small_shapes(), 2, 30))
def test_many_more_softmaxes_are_exact(seed, form, fold, tmp_path, cache):
    check_softmax(seed, form, tmp_path, cache, fold)
