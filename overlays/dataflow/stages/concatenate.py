"""concatenate: where branches meet, one behind the other."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

import numpy as np

from bitfold.overlays.dataflow.stages.stage import Stage, encoding_code, packed
from bitfold.overlays.dataflow.times import one_a_cycle


@dataclass(frozen=True, kw_only=True)
class ConcatenateStage(Stage):
    """concatenate: the features, or the channels of a pixel, of each input in turn, PE a beat."""

    module = "concatenate"

    cycles = property(lambda self: self.output.size // self.fold.pe)
    latency_cycles = property(lambda self: 1)

    def taken(self, *arrivals: np.ndarray, free: int | None = None) -> tuple[np.ndarray, ...]:
        pixels = [beats.reshape(-1, turn) for beats, turn in zip(arrivals, self._turns)]
        in_turn = one_a_cycle(np.concatenate(pixels, axis=1).ravel(), free)
        ends = np.cumsum(self._turns)
        each = np.split(in_turn.reshape(-1, ends[-1]), ends[:-1], axis=1)
        return tuple(beats.ravel() for beats in each)

    def departures(self, *taken: np.ndarray) -> np.ndarray:
        pixels = [beats.reshape(-1, turn) for beats, turn in zip(taken, self._turns)]
        return np.concatenate(pixels, axis=1).ravel() + self.latency_cycles

    @property
    def _turns(self) -> list[int]:
        """Beats of each input until the next has its turn: those of a pixel, or of all features."""
        return [value.shape[-1] // self.fold.pe for value in self.inputs]

    @property
    def rtl_parameters(self) -> dict[str, int | str]:
        return {
            "INPUTS": len(self.inputs),
            "PE": self.fold.pe,
            "BEATS": packed(self._turns),
            "INPUT_BITS": packed([value.encoding.bits for value in self.inputs]),
            "INPUT_ENCODING": packed([encoding_code(value.encoding) for value in self.inputs]),
            "OUTPUT_BITS": self.output.encoding.bits,
            "OUTPUT_ENCODING": encoding_code(self.output.encoding),
        }

    @property
    def path(self):
        return "joined", {"one": 1, "bits": self.output.encoding.bits, "rows": log2(self.fold.pe)}

    def features(self, dsps: bool):
        chosen = self.fold.pe * self.output.encoding.bits * (len(self.inputs) - 1)
        return "argmax", {"one": 1, "compared": chosen}
