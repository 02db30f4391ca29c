"""Softmax in integers: what its shares add up to, which is the largest, how far off they are."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_network import SMALL, small_network, value, values

from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Softmax
from bitfold.models.ops.softmax import scaled

Q3_3 = np.array(list(product(range(-32, 32), repeat=3)), np.int64)
"""All scores of three classes in signed Q3.3."""
CLASSES = (2, 3, 10, 64)


def softmax(scale: float, form: str = "reduced") -> Softmax:
    return Softmax(*scaled(scale, form), form)


def exact(scores: np.ndarray, scale: float) -> np.ndarray:
    powers = np.exp((scores - scores.max(axis=1, keepdims=True)) * scale)
    return powers / powers.sum(axis=1, keepdims=True)


def keeps_order(scores: np.ndarray, shares: np.ndarray) -> bool:
    """No higher score has a smaller share, and equal ones that are not the largest have equal."""
    order = np.argsort(scores, axis=1, kind="stable")
    sorted_scores = np.take_along_axis(scores, order, axis=1)
    sorted_shares = np.take_along_axis(shares, order, axis=1)
    rises = np.diff(sorted_shares, axis=1) >= 0
    equal = (np.diff(sorted_scores, axis=1) == 0) & (sorted_scores[:, 1:] < scores.max(1)[:, None])
    # Of the largest, the first has most.
    largest = np.diff(sorted_scores, axis=1) == 0
    return bool((rises | largest).all() and (np.diff(sorted_shares, axis=1)[equal] == 0).all())


def check(scores: np.ndarray, scale: float) -> float:
    """All that the reduced form promises, and its mean absolute error."""
    shares = softmax(scale).shares(scores)
    assert shares.dtype == np.int64
    assert (shares.sum(axis=1) == 255).all() and shares.min() >= 0
    np.testing.assert_array_equal(shares.argmax(axis=1), scores.argmax(axis=1))
    rest = np.sort(shares, axis=1)
    assert (rest[:, -1] > rest[:, -2]).all(), "one share is the largest"
    assert keeps_order(scores, shares)
    assert not len(softmax(scale).changed(scores)) and not len(softmax(scale).outside(scores))
    return float(np.abs(shares / 255 - exact(scores, scale)).mean())


def test_all_scores_of_three_classes_in_q3_3():
    assert check(Q3_3, 1 / 8) <= 0.005


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("scale", [1 / 16, 0.0123, 1.7, 3e-7])
def test_random_scores_of_many_classes(classes, scale):
    random = np.random.default_rng(classes)
    spread = random.choice([1, 3, 8], (100_000, 1)) / scale  # close to each other, and far apart
    scores = np.rint(random.normal(0, 1, (100_000, classes)) * spread).astype(np.int64)
    assert check(scores, scale) <= 0.005


@given(
    scores=st.lists(st.integers(-(2**31), 2**32 - 1), min_size=2, max_size=64),
    scale=st.floats(2.0**-40, 1e6),
)
def test_any_scores_keep_sum_argmax_and_order(scores, scale):
    check(np.array([scores], np.int64), scale)


def test_equal_scores_have_equal_shares_but_for_the_rest():
    shares = softmax(0.1).shares(np.full((1, 64), -5, np.int64))[0]
    assert (shares[1:] == 3).all() and shares[0] == 255 - 63 * 3


def test_scores_in_q4_4_are_those_of_the_published_integers():
    """The form as it was found, step by step, in Python's integers."""
    table = [255 * 2**16 * 64 // (256 * (64 + i + 1)) for i in range(64)]
    assert scaled(1 / 16) == (369, 7)
    scores = np.random.default_rng(0).integers(-128, 128, (500, 5))
    for row, shares in zip(scores.tolist(), softmax(1 / 16).shares(scores).tolist(), strict=True):
        powers = []
        for z in row:
            t = (max(row) - z) * 369
            u = ((t & 4095) >> 4) * 177 >> 8
            powers.append(0 if t >> 12 > 8 else (256 - u + (u * u >> 9)) >> (t >> 12))
        total = sum(powers)
        octave = total.bit_length() - 9
        index = (total >> octave + 2) & 63
        expected = [power * table[index] >> 16 + octave for power in powers]
        first = row.index(max(row))
        expected[first] += 255 - sum(expected)
        assert shares == expected


@pytest.mark.parametrize("form", ["reduced", "plain"])
@given(scale=st.floats(1e-9, 3.0))
def test_the_scale_is_kept_to_nine_bits(form, scale):
    assert softmax(scale, form).scale == pytest.approx(scale, rel=2**-9)


@pytest.mark.parametrize("scale", [10.0, 1e30])
def test_a_scale_beyond_all_shares_leaves_one(scale):
    scores = np.array([[3, 4, 3], [-5, -5, -6]], np.int64)
    assert softmax(scale).shares(scores)[0].tolist() == [0, 255, 0]
    assert softmax(scale).shares(scores)[1][2] == 0


def test_a_scale_of_almost_nothing_makes_all_alike():
    assert softmax(1e-30).shares(np.array([[2**31, 0]], np.int64)).tolist() == [[130, 125]]


def test_no_sample_has_no_shares():
    assert softmax(0.1).shares(np.zeros((0, 3), np.int64)).shape == (0, 3)


# The plain form.


def test_the_plain_form_is_the_parabola_in_q4_4():
    for z in range(-128, 128):
        e = 256 + 16 * z + -(-z * z // 2)
        assert e == int(np.ceil(256 * (1 + z / 16 + (z / 16) ** 2 / 2)))
        # The same against a score of 0, whose e is 256.
        share = 255 - min(softmax(1 / 16, "plain").shares(np.array([[z, 0]], np.int64))[0])
        assert abs(share / 255 - max(e, 256) / (e + 256)) < 0.02


@pytest.mark.parametrize("classes", CLASSES)
def test_the_plain_form_is_right_within_its_domain(classes):
    random = np.random.default_rng(classes)
    scores = random.integers(-16, 17, (100_000, classes))
    plain = softmax(1 / 16, "plain")
    shares = plain.shares(scores)
    assert not len(plain.outside(scores)) and not len(plain.changed(scores))
    assert (shares.sum(axis=1) == 255).all() and shares.min() >= 0
    np.testing.assert_array_equal(shares.argmax(axis=1), scores.argmax(axis=1))
    assert keeps_order(scores, shares)


def test_the_plain_form_names_what_it_gets_wrong_beyond_its_domain():
    plain = softmax(1 / 8, "plain")
    shares = plain.shares(Q3_3)
    assert (shares.sum(axis=1) == 255).all()
    changed = plain.changed(Q3_3)
    # Brute force: the parabola in real numbers, of the same scores.
    z = Q3_3 / 8
    chosen = (1 + z + z**2 / 2).argmax(axis=1)
    wrong = np.take_along_axis(Q3_3, chosen[:, None], 1)[:, 0] < Q3_3.max(axis=1)
    np.testing.assert_array_equal(changed, np.flatnonzero(wrong))
    assert 0.2 < len(changed) / len(Q3_3) < 0.25
    far = plain.outside(Q3_3)
    np.testing.assert_array_equal(far, np.flatnonzero((np.abs(Q3_3) > 8).any(axis=1)))
    assert np.isin(changed, far).all(), "within the domain nothing changes"


# In a network.


def shared(form: str = "reduced", scale: float = 0.3) -> Network:
    """SMALL with the shares of its scores."""
    return small_network(
        values=values(shares=value(2, "UINT8")),
        nodes=(*SMALL.nodes, Node("softmax", softmax(scale, form), ("scores",), ("shares",))),
        output="shares",
        head=(),
    )


@pytest.mark.parametrize("form", ["reduced", "plain"])
def test_a_saved_network_comes_back_with_its_softmax(form, tmp_path):
    network = shared(form)
    network.save(tmp_path)
    loaded = Network.load(tmp_path)
    assert loaded.nodes[-1] == network.nodes[-1]
    assert loaded.id == network.id
    x = np.random.default_rng(0).integers(0, 4, (20, 3))
    np.testing.assert_array_equal(
        loaded(x), network.nodes[-1].op.shares(network.trace(x)["scores"])
    )


def test_the_id_depends_on_the_softmax():
    ids = {shared().id, shared("plain").id, shared(scale=0.4).id, shared(scale=0.6).id, SMALL.id}
    assert len(ids) == 5


def test_the_class_is_that_of_the_largest_share():
    x = np.random.default_rng(0).integers(0, 4, (50, 3))
    network = shared()
    assert not network.decides_class
    scores = network.trace(x)["scores"]
    np.testing.assert_array_equal(network.classes(network(x)), scores.argmax(axis=1))


def test_a_network_says_which_classes_a_plain_softmax_changes():
    x = np.array(list(product(range(4), repeat=3)), np.int64)
    network = shared("plain", 1.0)
    said = network.changed_classes(x)
    scores = network.trace(x)["scores"]
    changed = softmax(1.0, "plain").changed(scores).tolist()
    assert changed
    assert said.startswith(
        f"softmax: its plain form changes the class of {len(changed)} of 64 samples: "
        f"{', '.join(map(str, changed))}; "
    )
    assert network.changed_classes(np.delete(x, changed, axis=0)) is None
    assert shared("reduced", 1.0).changed_classes(x) is None
    assert SMALL.changed_classes(x) is None


def test_e_is_the_base():
    scores = np.array([[100, 0]], np.int64)
    assert softmax(0.01).shares(scores)[0, 1] == pytest.approx(255 / (1 + np.e), abs=2)
