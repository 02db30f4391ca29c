"""Bit planes in memory, bit by bit against Python's integers, and the sizes of engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_networks import random_values

from bitfold.models.encoding import Encoding
from bitfold.models.errors import OverlayError
from bitfold.overlays.offload import LEGAL_SIZES, Engine, PlaneLayout

NAMES = (
    *("BIPOLAR", "BINARY", "TERNARY"),
    *(f"{sign}INT{bits}" for sign in ("U", "") for bits in range(2, 33)),
)
encodings = st.sampled_from(NAMES).map(Encoding.of)


def beats_of(values: list[int], encoding: Encoding) -> list[int]:
    """The contract of offload.py in Python's integers: one frame as beats."""
    stored = [(v + 1) // 2 if encoding.name == "BIPOLAR" else v % 2**encoding.bits for v in values]
    return [
        sum((value >> plane & 1) << lane for lane, value in enumerate(stored[start : start + 64]))
        for plane in range(encoding.bits)
        for start in range(0, len(stored), 64)
    ]


@given(encoding=encodings, elements=st.integers(1, 200), seed=st.integers(0, 2**32 - 1))
def test_planes_lie_in_beats_as_the_contract_says(encoding, elements, seed):
    layout = PlaneLayout(elements, encoding)
    values = random_values(encoding, (3, elements), np.random.default_rng(seed))
    packed = layout.pack(values)
    assert packed.dtype == np.uint64
    assert packed.tolist() == [beats_of(frame, encoding) for frame in values.tolist()]
    assert packed.shape == (3, layout.beats)


@given(encoding=encodings, elements=st.integers(1, 200), seed=st.integers(0, 2**32 - 1))
def test_what_was_packed_comes_back(encoding, elements, seed):
    layout = PlaneLayout(elements, encoding)
    values = random_values(encoding, (3, elements), np.random.default_rng(seed))
    unpacked = layout.unpack(layout.pack(values))
    assert unpacked.dtype == np.int64
    np.testing.assert_array_equal(unpacked, values)
    assert len(layout.pack(values[:0])) == len(layout.unpack(layout.pack(values[:0]))) == 0


@given(encoding=encodings, elements=st.integers(1, 200), seed=st.integers(0, 2**32 - 1))
def test_what_a_plane_has_over_is_not_looked_at(encoding, elements, seed):
    layout = PlaneLayout(elements, encoding)
    random = np.random.default_rng(seed)
    values = random_values(encoding, (2, elements), random)
    ones = Encoding.of("BINARY" if encoding.bits == 1 else f"UINT{encoding.bits}")
    used = np.array(beats_of([ones.maximum] * elements, ones), np.uint64)
    noise = random.integers(0, 2**64, layout.beats, np.uint64) & ~used
    np.testing.assert_array_equal(layout.unpack(layout.pack(values) | noise), values)


# Sizes.


@pytest.mark.parametrize("name", LEGAL_SIZES)
def test_every_legal_size_can_be_made_and_no_other(name):
    largest = Engine(rows=64, lanes=256, input_words=65536, weight_words=4096, layers=128)
    smallest = Engine(rows=8, lanes=64, input_words=64, weight_words=16, layers=1)
    for engine in (smallest, largest):
        engine.check()
    for size in LEGAL_SIZES[name]:
        replace(smallest, **{name: size}).check()
    for size in (0, -1, LEGAL_SIZES[name][-1] + 1, 2 * LEGAL_SIZES[name][-1]):
        with pytest.raises(OverlayError) as refused:
            replace(smallest, **{name: size}).check()
        said = str(refused.value)
        assert said.startswith(f"an engine of {size} {name} can't be made; choose ")
        assert str(LEGAL_SIZES[name][0]) in said and str(LEGAL_SIZES[name][-1]) in said


@given(st.integers(1, 100_000))
def test_words_are_as_few_as_hold_a_plane(elements):
    for lanes in LEGAL_SIZES["lanes"]:
        words = Engine(lanes=lanes).words(elements)
        assert (words - 1) * lanes < elements <= words * lanes
