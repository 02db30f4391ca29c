"""pooling: a MaxPool or SumPool, PE channels a cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import log2

import numpy as np

from bitfold.models.ops import SumPool
from bitfold.overlays.dataflow.cost import luts
from bitfold.overlays.dataflow.stages.stage import Moves, Stage, encoding_code, stored
from bitfold.overlays.dataflow.times import one_a_cycle
from bitfold.overlays.dataflow.windows import Windows


@dataclass(frozen=True, kw_only=True)
class PoolingStage(Stage):
    """pooling: `ring` is the words that are kept."""

    ring: int = 2

    module = "pooling"

    latency_cycles = property(lambda self: 1)
    taps = property(lambda self: self.ops[0].kernel[0] * self.ops[0].kernel[1])
    folds = property(lambda self: self.input.shape[-1] // self.fold.pe)
    sums = property(lambda self: isinstance(self.ops[0], SumPool))

    @property
    def cycles(self) -> int:
        return max(self.windows.taken, self.windows.sent)

    @cached_property
    def windows(self) -> Windows:
        op = self.ops[0]
        return Windows(
            map=self.input.shape[:2],
            groups=self.folds,
            words=1,
            kernel=op.kernel,
            stride=op.stride,
            padding=op.padding,
        )

    def moves(self, arrivals: tuple[np.ndarray, ...], free: int | None) -> Moves:
        seen = one_a_cycle(self.windows.available(arrivals[0]), free)
        departures = seen[self.taps - 1 :: self.taps] + self.latency_cycles
        return Moves(arrivals, departures, int(seen[-1]) + 1)

    def with_room(self, flows: Sequence[tuple[tuple[np.ndarray, ...], int | None]]):
        arrivals = np.concatenate([given[0] for given, _ in flows])
        taken = [one_a_cycle(self.windows.available(given[0]), free) for given, free in flows]
        return replace(self, ring=self.windows.needed_depth(arrivals, np.concatenate(taken)))

    @property
    def rtl_parameters(self) -> dict[str, int | str]:
        fill = 0 if self.sums else self.input.encoding.minimum
        return {
            **self.windows.rtl_parameters,
            "FOLDS": self.folds,
            "RING_DEPTH": self.ring,
            "FILL": stored(fill if any(self.ops[0].padding) else None, self.input.encoding),
            "PE": self.fold.pe,
            "SUM": int(self.sums),
            "INPUT_BITS": self.input.encoding.bits,
            "INPUT_ENCODING": encoding_code(self.input.encoding),
            "OUTPUT_BITS": self.output.encoding.bits,
        }

    @property
    def path(self):
        return "joined", {"one": 1, "bits": self.output.encoding.bits, "rows": log2(self.fold.pe)}

    def estimated_luts(self, dsps: bool) -> int:
        return super().estimated_luts(dsps) + luts(
            self.windows.features(self._word_bits, self.ring)
        )

    @property
    def ramb18(self) -> int:
        return self.windows.ramb18(self._word_bits, self.ring)

    @property
    def _word_bits(self) -> int:
        return self.fold.pe * self.input.encoding.bits

    def features(self, dsps: bool):
        return "argmax", {"one": 1, "compared": self.fold.pe * self.output.encoding.bits}
