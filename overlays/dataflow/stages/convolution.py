"""convolution: a Conv2d, as a matrix-vector unit over what windows see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bitfold.overlays.dataflow.cost import luts
from bitfold.overlays.dataflow.stages.mvau import MatrixStage
from bitfold.overlays.dataflow.stages.stage import Moves, stored
from bitfold.overlays.dataflow.windows import Windows


@dataclass(frozen=True, kw_only=True)
class ConvolutionStage(MatrixStage):
    """convolution: `window` is its rows and columns, `ring` the words that are kept.

    Where each output channel sees one input channel of its own (depthwise), PE of them are computed
    side by side, and SIMD is 1; else a group of channels after the other.
    """

    window: tuple[int, int]
    ring: int = 2

    module = "convolution"

    depthwise = property(
        lambda self: self.ops[0].groups == self._channels == self.output.shape[-1] > 1
    )

    @property
    def groups(self) -> int:
        return self._channels // self.fold.pe if self.depthwise else self.ops[0].groups

    @property
    def rows(self) -> int:
        return self.fold.pe if self.depthwise else self.output.shape[-1] // self.groups

    @property
    def columns(self) -> int:
        return self.window[0] * self.window[1] * self._group_channels

    @property
    def vectors(self) -> int:
        return self.windows.out[0] * self.windows.out[1] * self.groups

    @property
    def lanes_in(self) -> int:
        return self.fold.pe if self.depthwise else self.fold.simd

    @property
    def cycles(self) -> int:
        return max(self.windows.taken, self.vectors * self.vector_cycles)

    @cached_property
    def windows(self) -> Windows:
        op = self.ops[0]
        return Windows(
            map=self.input.shape[:2],
            groups=self.groups,
            words=self._group_channels // self.fold.simd,
            kernel=self.window,
            stride=op.stride,
            padding=op.padding,
            dilation=op.dilation,
        )

    def moves(self, arrivals: tuple[np.ndarray, ...], free: int | None) -> Moves:
        moves = super().moves((self.windows.available(arrivals[0]),), free)
        return moves._replace(taken=arrivals)

    def with_room(self, flows: Sequence[tuple[tuple[np.ndarray, ...], int | None]]):
        arrivals = np.concatenate([given[0] for given, _ in flows])
        seen = [self.windows.available(given[0]) for given, _ in flows]
        taken = [self.taken(each, free=free)[0] for each, (_, free) in zip(seen, flows)]
        return replace(self, ring=self.windows.needed_depth(arrivals, np.concatenate(taken)))

    @property
    def rtl_parameters(self) -> dict[str, int | str]:
        op, windows = self.ops[0], self.windows
        return {
            **windows.rtl_parameters,
            "DILATION_Y": op.dilation[0],
            "DILATION_X": op.dilation[1],
            "RING_DEPTH": self.ring,
            "FILL": stored(op.fill if any(op.padding) else None, self.input.encoding),
            **super().rtl_parameters,
        }

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.output.shape[-1], *self.window, self._channels // self.ops[0].groups)

    def estimated_luts(self, dsps: bool) -> int:
        return super().estimated_luts(dsps) + luts(
            self.windows.features(self._word_bits, self.ring)
        )

    @property
    def ramb18(self) -> int:
        return super().ramb18 + self.windows.ramb18(self._word_bits, self.ring)

    @property
    def _channels(self) -> int:
        return self.input.shape[-1]

    @property
    def _group_channels(self) -> int:
        """That a vector sees."""
        return 1 if self.depthwise else self._channels // self.ops[0].groups

    @property
    def _word_bits(self) -> int:
        return self.lanes_in * self.input.encoding.bits
