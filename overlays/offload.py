"""The offload overlay: its size, and what of a network fits."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.errors import OverlayError
from bitfold.overlays.dataflow.clock import Clock, path_ns
from bitfold.overlays.dataflow.cost import Features
from bitfold.overlays.packing import BEAT_BITS
from bitfold.overlays.program import Head

SIZE_PACKAGE = "offload_size_pkg"
LEGAL_SIZES = {
    "rows": (8, 16, 32, 64),
    "lanes": (64, 128, 256),
    "input_words": tuple(2**n for n in range(6, 17)),
    "weight_words": tuple(2**n for n in range(4, 13)),
    "layers": tuple(range(1, 129)),
}


@dataclass(frozen=True)
class Engine:
    """An engine's size, which never changes once it is made.

    `rows` x `lanes` one-bit products a cycle; `input_words` words of `lanes` bits on chip for the
    inputs and outputs of layers, `weight_words` a row for a block's weights (twice, as one is
    loaded while the other is used); programs of up to `layers` layers. Without `softmax`, a
    softmax is the host's.
    """

    rows: int = 64
    lanes: int = 64
    input_words: int = 4096
    weight_words: int = 256
    layers: int = 16
    softmax: bool = False

    def check(self) -> None:
        """Raises OverlayError for a size that can't be made."""
        for name, legal in LEGAL_SIZES.items():
            if getattr(self, name) not in legal:
                choices = f"one of {', '.join(map(str, legal))}"
                if len(legal) == legal[-1] - legal[0] + 1:
                    choices = f"{legal[0]} to {legal[-1]}"
                raise OverlayError(
                    f"an engine of {getattr(self, name)} {name} can't be made; choose {choices}"
                )
        if self.rows > self.lanes:
            raise OverlayError(f"{self.rows} rows are more than {self.lanes} lanes; use fewer")

    @property
    def package(self) -> str:
        """The SystemVerilog package of its size, SIZE_PACKAGE."""
        sizes = (f"  localparam int {n.upper()} = {int(v)};\n" for n, v in asdict(self).items())
        return (
            "// The size of one offload engine. Made by bitfold; do not edit.\n"
            f"package {SIZE_PACKAGE};\n{''.join(sizes)}endpackage\n"
        )

    @property
    def clock(self) -> Clock:
        """The clock that it reaches with its shell, estimated."""
        return Clock(1000 / path_ns(self.path), "the engine")

    @property
    def path(self) -> Features:
        """What its longest path is estimated by, its shell's counted in: as long in all sizes."""
        return "engine", {"one": 1}

    def rows_at_once(self, head: Head) -> int:
        """Rows of a layer with an argmax or a softmax, which takes all of them at once."""
        return 0 if head is Head.SOFTMAX and not self.softmax else self.rows

    def words(self, elements: int) -> int:
        """Words of a plane of `elements`."""
        return -(-elements // self.lanes)


@dataclass(frozen=True)
class PlaneLayout:
    """One frame of `elements` integers of `encoding` in memory, as bit planes.

    Plane 0 (the lowest bits) comes first; a plane has a bit an element, the first lowest, and
    takes whole 64-bit beats.
    """

    elements: int
    encoding: Encoding

    @property
    def plane_beats(self) -> int:
        return -(-self.elements // BEAT_BITS)

    @property
    def beats(self) -> int:
        """Beats a frame."""
        return self.plane_beats * self.encoding.bits

    def pack(self, values: np.ndarray) -> np.ndarray:
        """Integers (batch, elements) to beats (batch, beats) uint64."""
        return pack_planes(self.encoding.to_bits(values), self.encoding.bits).reshape(
            len(values), self.beats
        )

    def unpack(self, beats: np.ndarray) -> np.ndarray:
        """Beats (batch, beats) uint64 to integers (batch, elements) int64."""
        octets = np.ascontiguousarray(beats, "<u8").view(np.uint8)
        octets = octets.reshape(-1, self.encoding.bits, self.plane_beats * 8)
        bits = np.unpackbits(octets, axis=2, bitorder="little")[:, :, : self.elements]
        weight = np.uint64(1) << np.arange(self.encoding.bits, dtype=np.uint64)
        return self.encoding.from_bits(np.tensordot(weight, bits.astype(np.uint64), (0, 1)))


def pack_planes(stored: np.ndarray, planes: int) -> np.ndarray:
    """Stored bits (n, elements) uint64 to bit planes (n, planes, beats a plane) uint64."""
    octets = -(-stored.shape[1] // BEAT_BITS) * 8
    packed = np.zeros((len(stored), planes, octets), np.uint8)
    for plane in range(planes):
        bits = (stored >> np.uint64(plane) & np.uint64(1)).astype(np.uint8)
        row = np.packbits(bits, axis=1, bitorder="little")
        packed[:, plane, : row.shape[1]] = row
    return packed.view("<u8")
