"""concatenate: where branches meet, one behind the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.overlays.dataflow.stages.stage import Stage, encoding_code, packed
from bitfold.overlays.dataflow.times import one_a_cycle


@dataclass(frozen=True, kw_only=True)
class ConcatenateStage(Stage):
    """concatenate: a frame of each input in turn, PE elements a beat."""

    module = "concatenate"

    cycles = property(lambda self: self.output.size // self.fold.pe)
    latency_cycles = property(lambda self: 1)

    def taken(self, *arrivals: np.ndarray, free: int = 0) -> tuple[np.ndarray, ...]:
        in_turn = one_a_cycle(np.concatenate(arrivals), free)
        return tuple(np.split(in_turn, np.cumsum([len(beats) for beats in arrivals])[:-1]))

    def departures(self, *taken: np.ndarray) -> np.ndarray:
        return np.concatenate(taken) + self.latency_cycles

    @property
    def rtl_parameters(self) -> dict[str, int | str]:
        return {
            "INPUTS": len(self.inputs),
            "PE": self.fold.pe,
            "BEATS": packed([value.size // self.fold.pe for value in self.inputs]),
            "INPUT_BITS": packed([value.encoding.bits for value in self.inputs]),
            "INPUT_ENCODING": packed([encoding_code(value.encoding) for value in self.inputs]),
            "OUTPUT_BITS": self.output.encoding.bits,
            "OUTPUT_ENCODING": encoding_code(self.output.encoding),
        }

    def features(self, dsps: bool):
        chosen = self.fold.pe * self.output.encoding.bits * (len(self.inputs) - 1)
        return "argmax", {"one": 1, "compared": chosen}
