"""How frames of integers lie in memory and on the streams of a core: 64-bit beats.

An element takes a field of 1, 2, 4, 8, 16 or 32 bits, the least that holds its encoding; a beat
holds 64 / field_bits of them, the first in the lowest bits. A frame starts with a new beat, and
what its last beat has over is zero. Little-endian, as Zynq and PCs are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.models.encoding import Encoding

BEAT_BITS = 64
BEAT_BYTES = BEAT_BITS // 8


@dataclass(frozen=True)
class FrameLayout:
    """One frame of `elements` integers of `encoding`, as 64-bit beats."""

    elements: int
    encoding: Encoding

    @property
    def field_bits(self) -> int:
        return 1 << (self.encoding.bits - 1).bit_length()

    @property
    def lanes(self) -> int:
        """Elements a beat."""
        return BEAT_BITS // self.field_bits

    @property
    def beats(self) -> int:
        """Beats a frame."""
        return -(-self.elements // self.lanes)

    def pack(self, values: np.ndarray) -> np.ndarray:
        """Integers (batch, elements) within the encoding to beats (batch, beats) uint64."""
        fields = np.zeros((len(values), self.beats * self.lanes), np.uint32)
        fields[:, : self.elements] = self.encoding.to_bits(values)
        if self.field_bits >= 8:
            packed = fields.astype(f"<u{self.field_bits // 8}")
        else:
            each = 8 // self.field_bits
            shifts = np.arange(each, dtype=np.uint32) * np.uint32(self.field_bits)
            parts = fields.reshape(len(values), self.beats * BEAT_BYTES, each) << shifts
            packed = np.bitwise_or.reduce(parts, axis=2).astype(np.uint8)
        return np.ascontiguousarray(packed).view("<u8").reshape(len(values), self.beats)

    def unpack(self, beats: np.ndarray) -> np.ndarray:
        """Beats (batch, beats) uint64 to integers (batch, elements) int64."""
        beats = np.ascontiguousarray(beats, "<u8").reshape(-1, self.beats)
        if self.field_bits >= 8:
            fields = beats.view(f"<u{self.field_bits // 8}")
        else:
            each = 8 // self.field_bits
            shifts = np.arange(each, dtype=np.uint8) * np.uint8(self.field_bits)
            mask = np.uint8((1 << self.field_bits) - 1)
            parts = (beats.view(np.uint8)[:, :, None] >> shifts) & mask
            fields = parts.reshape(len(beats), self.beats * self.lanes)
        stored = fields[:, : self.elements].astype(np.uint64)
        return self.encoding.from_bits(stored & np.uint64((1 << self.encoding.bits) - 1))
