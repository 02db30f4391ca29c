"""How constants lie in memory images. The one codec of all of them, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.overlays.images import ImageShape, read_words


@dataclass(frozen=True)
class Image:
    """`words` of `fields` integers of `encoding`, the first in the lowest bits."""

    words: int
    fields: int
    encoding: Encoding

    @property
    def shape(self) -> ImageShape:
        """Raises ValueError for a size that no image has."""
        return ImageShape(self.words, self.fields * self.encoding.bits)

    def text(self, values: np.ndarray) -> str:
        """Integers (words, fields) as the lines of a file, one hexadecimal word each."""
        stored = self.encoding.to_bits(values.reshape(self.words, self.fields))
        shifts = np.arange(self.encoding.bits, dtype=np.uint64)
        each = (stored[:, :, None] >> shifts & np.uint64(1)).astype(np.uint8)
        rows = np.packbits(each.reshape(self.words, -1), axis=1, bitorder="little")[:, ::-1]
        digits = self.shape.digits
        return "".join(f"{row.tobytes().hex()[-digits:]}\n" for row in rows)

    def read(self, file: Path) -> np.ndarray:
        """What `text` wrote to `file`: (words, fields) int64. Raises BundleError for a file that is
        no image of this shape."""
        octets = -(-self.shape.bits // 8)
        words = read_words(file, self.shape)
        stored = np.frombuffer(b"".join(w.to_bytes(octets, "little") for w in words), np.uint8)
        bits = self.encoding.bits
        each = np.unpackbits(stored.reshape(self.words, octets), axis=1, bitorder="little")
        each = each[:, : self.shape.bits].reshape(self.words, self.fields, bits)
        return self.encoding.from_bits(
            each.astype(np.uint64) @ (np.uint64(1) << np.arange(bits, dtype=np.uint64))
        )
