"""argmax: the index of the largest score."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

import numpy as np

from bitfold.overlays.dataflow.pipelining import SHORT_BITS
from bitfold.overlays.dataflow.stages.stage import Stage, encoding_code


@dataclass(frozen=True, kw_only=True)
class ArgMaxStage(Stage):
    """argmax: PE scores a beat, one index a frame."""

    module = "argmax"

    lanes_out = property(lambda self: 1)
    cycles = property(lambda self: self.input.size // self.fold.pe)

    @property
    def latency_cycles(self) -> int:
        return 1 + ceil((self.fold.pe - 1).bit_length() / self.rounds)

    @property
    def rounds(self) -> int:
        """Comparisons one behind the other in a cycle: two of scores that are few bits."""
        return 2 if self.input.encoding.bits <= SHORT_BITS else 1

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
            "ROUNDS": self.rounds,
        }

    @property
    def path(self):
        compared = self.input.encoding.bits * self.rounds
        return "argmax", {"one": 1, "compared": compared, "rows": log2(self.fold.pe)}

    def features(self, dsps: bool):
        return "argmax", {"one": 1, "compared": self.fold.pe * self.input.encoding.bits}
