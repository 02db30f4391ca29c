"""softmax: a share of 255 for each score, one a beat."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

import numpy as np

from bitfold.overlays.dataflow.cost import memory_luts
from bitfold.overlays.dataflow.stages.stage import Stage, encoding_code

SOFTMAX_CYCLES = 20
"""From a softmax's last score to its first share, beside two passes over the classes."""


@dataclass(frozen=True, kw_only=True)
class SoftmaxStage(Stage):
    """softmax: a score a beat; its fold is always 1."""

    module = "softmax"
    direct = False
    foldable = False

    rows = property(lambda self: self.input.size)
    cycles = property(lambda self: self.rows)
    plain = property(lambda self: self.ops[0].form == "plain")

    @property
    def latency_cycles(self) -> int:
        """From the last score to the first share."""
        return 2 * self.rows + SOFTMAX_CYCLES

    def departures(self, taken: np.ndarray) -> np.ndarray:
        return taken[-1] + self.latency_cycles + np.arange(self.rows, dtype=np.int64)

    @property
    def rtl_parameters(self) -> dict[str, int]:
        return {
            "ROWS": self.rows,
            "INPUT_BITS": self.input.encoding.bits,
            "INPUT_ENCODING": encoding_code(self.input.encoding),
            "MULTIPLIER": self.ops[0].multiplier,
            "SHIFT": self.ops[0].shift,
            "PLAIN": int(self.plain),
        }

    @property
    def path(self):
        return "softmax", {
            "one": 1,
            "score_bits": self.input.encoding.bits,
            "rows": log2(self.rows),
        }

    def features(self, dsps: bool):
        places, bits = 1 << (self.rows + 1).bit_length(), self.input.encoding.bits
        return "softmax_plain" if self.plain else "softmax", {
            "one": 1,
            "score_bits": bits,
            "steps": log2(places),
            "memory": sum(memory_luts(each, places) for each in (bits + 1, 9, 8)),
        }
