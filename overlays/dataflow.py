"""The dataflow overlay: one stage a layer, wired by streams, all on chip.

What stands here mirrors the RTL module for module: a stage or link says which parameters its module
gets, and when beats leave it if they come at given cycles. From that, latency and initiation
interval are predicted exactly.

    input port -> link -> stage [-> stage wired directly] -> link -> ... -> link -> output port

A stage that takes a beat every cycle at its producer's width (the threshold behind a matrix, the
argmax behind the last one, an unrolled layer behind another or behind a port of one beat) is wired
to it directly; every other one has a link in front, a softmax too: it takes a score a cycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.overlays.packing import FrameLayout


@dataclass(frozen=True)
class Fold:
    """How much of a layer is done in one cycle: `pe` rows and `simd` columns.

    A layer whose rows and columns are all done at once may be unrolled: its weights become logic,
    `unrolled` cycles deep (0: it is not).
    """

    pe: int
    simd: int = 1
    unrolled: int = 0


SHELL_CYCLES = 6
"""What a call takes beside its parts: start, the first address, a register, the last answer."""

SOFTMAX_CYCLES = 14
"""From a softmax's last score to its first share, beside two passes over the classes."""

Folding = Mapping[str, Fold]
"""A Fold for each layer that has a choice: every Dense, and a Threshold in front of the first."""


@dataclass(frozen=True)
class Link:
    """stream_link: `lanes_in` elements a beat to `lanes_out`, with a buffered frame between."""

    bits: int
    elements: int
    lanes_in: int
    wide: int
    kept: int
    padded: int
    lanes_out: int

    @property
    def depth(self) -> int:
        """Buffered beats: a frame and the one being taken, rounded up for the pointers."""
        return 1 << (self.elements // self.kept).bit_length()

    def departures(self, arrivals: np.ndarray) -> np.ndarray:
        widened = arrivals[self.wide // self.lanes_in - 1 :: self.wide // self.lanes_in]
        parts = np.repeat(widened + 1, self.padded // self.lanes_out)
        return _one_a_cycle(parts)


@dataclass(frozen=True)
class MatrixStage:
    """mvau: a Dense layer, PE x SIMD products a cycle."""

    name: str
    rows: int
    columns: int
    fold: Fold
    input: Encoding
    weight: Encoding
    output: Encoding
    parameter: str

    elements_in = property(lambda self: self.columns)
    elements_out = property(lambda self: self.rows)
    lanes_in = property(lambda self: self.fold.simd)
    lanes_out = property(lambda self: self.fold.pe)
    synapse_fold = property(lambda self: self.columns // self.fold.simd)
    neuron_fold = property(lambda self: self.rows // self.fold.pe)

    @property
    def cycles(self) -> int:
        """Cycles a frame."""
        return self.neuron_fold * self.synapse_fold

    @property
    def latency_cycles(self) -> int:
        """From the beat that completes a block of rows to its accumulators."""
        return 3 if self.synapse_fold > 1 else 2

    def departures(self, arrivals: np.ndarray) -> np.ndarray:
        last_column = arrivals[-1]
        blocks = np.arange(self.neuron_fold, dtype=np.int64)
        return last_column + blocks * self.synapse_fold + self.latency_cycles


@dataclass(frozen=True)
class ThresholdStage:
    """threshold: counts the thresholds that are reached, one bit of the count a cycle."""

    name: str
    channels: int
    fold: Fold
    input: Encoding
    output: Encoding
    parameter: str
    shared: bool
    base: int
    levels: int

    elements_in = property(lambda self: self.channels)
    elements_out = property(lambda self: self.channels)
    lanes_in = property(lambda self: self.fold.pe)
    lanes_out = property(lambda self: self.fold.pe)
    cycles = property(lambda self: self.channels // self.fold.pe)

    @property
    def level_bits(self) -> int:
        return self.levels.bit_length()

    @property
    def latency_cycles(self) -> int:
        return self.level_bits

    def departures(self, arrivals: np.ndarray) -> np.ndarray:
        return arrivals + self.latency_cycles


@dataclass(frozen=True)
class ArgMaxStage:
    """argmax: the index of the largest score."""

    name: str
    rows: int
    fold: Fold
    input: Encoding
    output: Encoding

    elements_in = property(lambda self: self.rows)
    elements_out = property(lambda self: 1)
    lanes_in = property(lambda self: self.fold.pe)
    lanes_out = property(lambda self: 1)
    cycles = property(lambda self: self.rows // self.fold.pe)
    latency_cycles = property(lambda self: 2)

    def departures(self, arrivals: np.ndarray) -> np.ndarray:
        return arrivals[-1:] + self.latency_cycles


@dataclass(frozen=True)
class UnrolledStage:
    """unrolled_<i>: a Dense layer as logic, with the threshold behind it where it has one.

    It takes a frame a beat. `luts` is what its netlist asks for.
    """

    name: str
    rows: int
    columns: int
    fold: Fold
    input: Encoding
    output: Encoding
    luts: int

    elements_in = property(lambda self: self.columns)
    elements_out = property(lambda self: self.rows)
    lanes_in = property(lambda self: self.columns)
    lanes_out = property(lambda self: self.rows)
    cycles = property(lambda self: 1)
    latency_cycles = property(lambda self: self.fold.unrolled)

    def departures(self, arrivals: np.ndarray) -> np.ndarray:
        return arrivals + self.latency_cycles


@dataclass(frozen=True)
class SoftmaxStage:
    """softmax: a share of 255 for each score, one a beat."""

    name: str
    rows: int
    input: Encoding
    output: Encoding
    multiplier: int
    shift: int
    plain: bool

    fold = Fold(1)
    elements_in = property(lambda self: self.rows)
    elements_out = property(lambda self: self.rows)
    lanes_in = property(lambda self: 1)
    lanes_out = property(lambda self: 1)
    cycles = property(lambda self: self.rows)

    @property
    def latency_cycles(self) -> int:
        """From the last score to the first share."""
        return 2 * self.rows + SOFTMAX_CYCLES

    def departures(self, arrivals: np.ndarray) -> np.ndarray:
        return arrivals[-1] + self.latency_cycles + np.arange(self.rows, dtype=np.int64)


Stage = MatrixStage | ThresholdStage | ArgMaxStage | SoftmaxStage | UnrolledStage


@dataclass(frozen=True)
class DataflowOverlay:
    """Stages in order; `links[i]` stands in front of `stages[i]` and `links[-1]` in front of the
    output port (None: wired directly)."""

    input: FrameLayout
    output: FrameLayout
    stages: tuple[Stage, ...]
    links: tuple[Link | None, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that have counters."""
        return tuple(stage.name for stage in self._heads)

    @property
    def folding(self) -> dict[str, Fold]:
        """The folds that were chosen: a softmax has none."""
        return {s.name: s.fold for s in self._heads if not isinstance(s, SoftmaxStage)}

    def is_head(self, i: int) -> bool:
        """Whether a layer begins with stage `i`: those wired behind it belong to the layer."""
        return self.links[i] is not None or isinstance(self.stages[i], UnrolledStage)

    @property
    def _heads(self) -> list[Stage]:
        return [stage for i, stage in enumerate(self.stages) if self.is_head(i)]

    @property
    def latency_cycles(self) -> int:
        """From a frame's first accepted input beat to its last output beat, unstalled."""
        times = np.arange(self.input.beats, dtype=np.int64)
        for stage, link in zip(self.stages, self.links):
            times = stage.departures(link.departures(times) if link else times)
        return int((self.links[-1].departures(times) if self.links[-1] else times)[-1])

    @property
    def initiation_interval(self) -> int:
        """Cycles between successive frames: what the slowest stage or port takes for one."""
        return max(self.input.beats, self.output.beats, *(s.cycles for s in self.stages))

    @property
    def bottleneck(self) -> str:
        """The name of what decides the initiation interval."""
        slowest = max(self.stages, key=lambda stage: stage.cycles)
        if slowest.cycles == self.initiation_interval:
            return slowest.name
        return "input port" if self.input.beats == self.initiation_interval else "output port"


class DataflowFigures(Protocol):
    """What a DataflowOverlay and the bundle of one both tell."""

    input: FrameLayout
    output: FrameLayout
    latency_cycles: int
    initiation_interval: int


def _one_a_cycle(ready: np.ndarray) -> np.ndarray:
    """When beats move that are ready at `ready` (ascending), at most one a cycle."""
    order = np.arange(len(ready), dtype=np.int64)
    return np.maximum.accumulate(ready - order) + order


def call_cycles(overlay: DataflowFigures, frames: int, memory_latency_cycles: int) -> int:
    """Cycles of a call through the shell, as its counter counts, on a memory that answers after
    `memory_latency_cycles` and moves a beat a cycle."""
    if not frames:
        return 0
    # The shell multiplies frames by beats, one bit of the larger number of beats a cycle.
    multiply = max(overlay.input.beats, overlay.output.beats).bit_length()
    core = overlay.latency_cycles + (frames - 1) * overlay.initiation_interval
    return SHELL_CYCLES + multiply + 2 * memory_latency_cycles + core
