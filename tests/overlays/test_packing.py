"""The layout of frames in 64-bit beats, bit by bit against Python's integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_networks import random_values

from bitfold.models.encoding import Encoding
from bitfold.overlays.packing import FrameLayout

NAMES = (
    *("BIPOLAR", "BINARY", "TERNARY"),
    *(f"{sign}INT{bits}" for sign in ("U", "") for bits in range(2, 33)),
)
encodings = st.sampled_from(NAMES).map(Encoding.of)


def beats_of(values: list[int], encoding: Encoding) -> list[int]:
    """The contract of packing.py in Python's integers: one frame as beats."""
    field = next(bits for bits in (1, 2, 4, 8, 16, 32) if bits >= encoding.bits)
    beats = []
    for start in range(0, len(values), 64 // field):
        beat = 0
        for lane, value in enumerate(values[start : start + 64 // field]):
            stored = (value + 1) // 2 if encoding.name == "BIPOLAR" else value % 2**encoding.bits
            beat += stored << lane * field
        beats.append(beat)
    return beats


@given(encoding=encodings, elements=st.integers(1, 130), seed=st.integers(0, 2**32 - 1))
def test_frames_lie_in_beats_as_the_contract_says(encoding, elements, seed):
    layout = FrameLayout(elements, encoding)
    values = random_values(encoding, (3, elements), np.random.default_rng(seed))
    packed = layout.pack(values)
    assert packed.dtype == np.uint64
    assert packed.tolist() == [beats_of(frame, encoding) for frame in values.tolist()]
    assert packed.shape == (3, layout.beats)


@given(encoding=encodings, elements=st.integers(1, 130), seed=st.integers(0, 2**32 - 1))
def test_what_was_packed_comes_back(encoding, elements, seed):
    layout = FrameLayout(elements, encoding)
    values = random_values(encoding, (3, elements), np.random.default_rng(seed))
    unpacked = layout.unpack(layout.pack(values))
    assert unpacked.dtype == np.int64
    np.testing.assert_array_equal(unpacked, values)
    assert len(layout.pack(values[:0])) == len(layout.unpack(layout.pack(values[:0]))) == 0


@given(encoding=encodings, elements=st.integers(1, 130), seed=st.integers(0, 2**32 - 1))
def test_what_a_beat_has_over_is_not_looked_at(encoding, elements, seed):
    layout = FrameLayout(elements, encoding)
    random = np.random.default_rng(seed)
    values = random_values(encoding, (2, elements), random)
    ones = Encoding.of("BINARY" if encoding.bits == 1 else f"UINT{encoding.bits}")
    used = np.array(beats_of([ones.maximum] * elements, ones), np.uint64)
    noise = random.integers(0, 2**64, layout.beats, np.uint64) & ~used
    np.testing.assert_array_equal(layout.unpack(layout.pack(values) | noise), values)


@pytest.mark.parametrize(
    ("elements", "name", "field_bits", "lanes", "beats"),
    [
        (64, "BIPOLAR", 1, 64, 1),
        (65, "BIPOLAR", 1, 64, 2),
        (784, "UINT8", 8, 8, 98),
        (3, "INT7", 8, 8, 1),
        (5, "INT9", 16, 4, 2),
        (4, "UINT3", 4, 16, 1),
        (3, "INT17", 32, 2, 2),
        (1, "TERNARY", 2, 32, 1),
    ],
)
def test_a_field_is_the_next_power_of_two(elements, name, field_bits, lanes, beats):
    layout = FrameLayout(elements, Encoding.of(name))
    assert (layout.field_bits, layout.lanes, layout.beats) == (field_bits, lanes, beats)


def test_a_beat_in_memory_is_little_endian():
    packed = FrameLayout(3, Encoding.of("INT8")).pack(np.array([[1, -1, 127]]))
    assert packed.astype("<u8").tobytes() == bytes([1, 0xFF, 0x7F, 0, 0, 0, 0, 0])
