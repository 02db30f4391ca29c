"""unrolled: a Dense layer as logic, with the threshold behind it where it has one."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.overlays.dataflow.images import Image
from bitfold.overlays.dataflow.stages.stage import Stage


@dataclass(frozen=True, kw_only=True)
class UnrolledStage(Stage):
    """A module of its own, made for its weights: it takes a frame a beat.

    `luts` is what its netlist asks for, of which at most `depth` lie one behind the other between
    two registers. Its images are read by no module: they say what the logic
    was made of. `thresholds`: (rows, levels) of the constants, (0, 0) where it has none.
    """

    weight: Encoding
    thresholds: tuple[int, int]
    threshold_encoding: Encoding
    luts: int
    depth: int

    module = "unrolled"
    whole_frames = True

    lanes_in = property(lambda self: self.input.size)
    lanes_out = property(lambda self: self.output.size)
    cycles = property(lambda self: 1)
    latency_cycles = property(lambda self: self.fold.unrolled)

    def departures(self, taken: np.ndarray) -> np.ndarray:
        return taken + self.latency_cycles

    @property
    def rtl_parameters(self) -> dict[str, int]:
        return {}

    @property
    def images(self) -> dict[str, Image]:
        images = {"weights": Image(self.output.size, self.input.size, self.weight)}
        if self.thresholds[0]:
            images["thresholds"] = Image(*self.thresholds, self.threshold_encoding)
        return images

    def encode(self, role: str, constants: np.ndarray) -> np.ndarray:
        return constants

    def decode(self, role: str, words: np.ndarray) -> np.ndarray:
        return words

    @property
    def path(self):
        return "unrolled", {"one": 1, "depth": self.depth, "size": log2(1 + self.luts)}

    def features(self, dsps: bool):
        return "unrolled", {"one": 1, "counted": self.luts}
