"""add: where branches meet, element by element."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import log2

import numpy as np

from bitfold.overlays.dataflow.stages.stage import Stage, encoding_code, packed
from bitfold.overlays.dataflow.times import one_a_cycle


@dataclass(frozen=True, kw_only=True)
class AddStage(Stage):
    """add: PE elements of each input a beat, once all are there."""

    module = "add"

    cycles = property(lambda self: self.output.size // self.fold.pe)
    latency_cycles = property(lambda self: (len(self.inputs) - 1).bit_length())

    def taken(self, *arrivals: np.ndarray, free: int | None = None) -> tuple[np.ndarray, ...]:
        return (one_a_cycle(reduce(np.maximum, arrivals), free),) * len(arrivals)

    def departures(self, *taken: np.ndarray) -> np.ndarray:
        return taken[0] + self.latency_cycles

    @property
    def rtl_parameters(self) -> dict[str, int | str]:
        return {
            "INPUTS": len(self.inputs),
            "PE": self.fold.pe,
            "INPUT_BITS": packed([value.encoding.bits for value in self.inputs]),
            "INPUT_ENCODING": packed([encoding_code(value.encoding) for value in self.inputs]),
            "OUTPUT_BITS": self.output.encoding.bits,
        }

    @property
    def path(self):
        return "joined", {"one": 1, "bits": self.output.encoding.bits, "rows": log2(self.fold.pe)}

    def features(self, dsps: bool):
        added = self.fold.pe * self.output.encoding.bits * (len(self.inputs) - 1)
        return "argmax", {"one": 1, "compared": added}
