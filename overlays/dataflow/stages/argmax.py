"""argmax: the index of the largest score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.overlays.dataflow.stages.stage import Stage, encoding_code


@dataclass(frozen=True, kw_only=True)
class ArgMaxStage(Stage):
    """argmax: PE scores a beat, one index a frame."""

    module = "argmax"

    lanes_out = property(lambda self: 1)
    cycles = property(lambda self: self.input.size // self.fold.pe)
    latency_cycles = property(lambda self: 2)

    def departures(self, taken: np.ndarray) -> np.ndarray:
        return taken[-1:] + self.latency_cycles

    @property
    def rtl_parameters(self) -> dict[str, int]:
        return {
            "ROWS": self.input.size,
            "PE": self.fold.pe,
            "INPUT_BITS": self.input.encoding.bits,
            "INPUT_ENCODING": encoding_code(self.input.encoding),
            "OUTPUT_BITS": self.output.encoding.bits,
        }

    def features(self, dsps: bool):
        return "argmax", {"one": 1, "compared": self.fold.pe * self.input.encoding.bits}
