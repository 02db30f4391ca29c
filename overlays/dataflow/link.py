"""Link: what lies between two stages that take different numbers of lanes, or different paces."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm, log2

import numpy as np

from bitfold.overlays.dataflow.cost import Features, memory_luts
from bitfold.overlays.dataflow.times import most_waiting, one_a_cycle
from bitfold.overlays.packing import FrameLayout

FIFO_CYCLES = 2
"""From a beat that goes into the buffer to that beat at its end, which is a register."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """stream_link: `elements` a frame, `lanes_in` a beat to `lanes_out`, with a buffer between.

    `lanes_in` are widened to `wide` lanes, of which the lowest `kept` are buffered, padded to
    `padded` lanes, and leave `lanes_out` at a time. `depth`: buffered beats of `kept` lanes, so
    many that none waits (schedule.py).
    """

    bits: int
    elements: int
    lanes_in: int
    wide: int
    kept: int
    padded: int
    lanes_out: int
    depth: int = 1

    module = "stream_link"

    @staticmethod
    def between(bits: int, elements: int, lanes_in: int, lanes_out: int) -> Link:
        """From one stage to another: both lane counts divide the frame, so their least common
        multiple does."""
        wide = lcm(lanes_in, lanes_out)
        return Link(
            bits=bits,
            elements=elements,
            lanes_in=lanes_in,
            wide=wide,
            kept=wide,
            padded=wide,
            lanes_out=lanes_out,
        )

    @staticmethod
    def from_port(layout: FrameLayout, lanes_out: int) -> Link:
        """From the input port, whose last beat may be padded."""
        padding = layout.beats * layout.lanes - layout.elements
        wide = layout.beats * layout.lanes if padding else lcm(layout.lanes, lanes_out)
        kept = layout.elements if padding else wide
        return Link(
            bits=layout.encoding.bits,
            elements=layout.elements,
            lanes_in=layout.lanes,
            wide=wide,
            kept=kept,
            padded=kept,
            lanes_out=lanes_out,
        )

    @staticmethod
    def to_port(layout: FrameLayout, lanes_in: int) -> Link:
        """To the output port, whose last beat may need padding."""
        padding = layout.beats * layout.lanes - layout.elements
        kept = layout.elements if padding else lcm(layout.lanes, lanes_in)
        return Link(
            bits=layout.encoding.bits,
            elements=layout.elements,
            lanes_in=lanes_in,
            wide=kept,
            kept=kept,
            padded=layout.beats * layout.lanes if padding else kept,
            lanes_out=layout.lanes,
        )

    @property
    def rtl_parameters(self) -> dict[str, int]:
        return {
            "BITS": self.bits,
            "LANES_IN": self.lanes_in,
            "WIDE": self.wide,
            "KEPT": self.kept,
            "PADDED": self.padded,
            "LANES_OUT": self.lanes_out,
            "DEPTH": self.depth,
        }

    def departures(self, arrivals: np.ndarray) -> np.ndarray:
        """When beats can leave that come at `arrivals`, if each is taken as soon as it can be."""
        return one_a_cycle(np.repeat(self._pushed(arrivals) + FIFO_CYCLES, self._parts_out))

    def needed_depth(self, arrivals: np.ndarray, taken: np.ndarray) -> int:
        """The least depth at which no beat waits to come in, if the beats of all frames come at
        `arrivals` and leave at `taken`."""
        pushed = self._pushed(arrivals)
        # A beat makes room when it moves to the end: once it is there, and the one before has left.
        moved = pushed + 1
        moved[1:] = np.maximum(moved[1:], taken[self._parts_out - 1 :: self._parts_out][:-1])
        return most_waiting(pushed, moved)

    def features(self, dsps: bool = False) -> Features:
        """What its LUTs are estimated by; it takes no DSPs."""
        ratio = self.padded // self.lanes_out
        return "link", {
            "one": 1,
            "memory": memory_luts(self.kept * self.bits, self.depth),
            "steps": log2(self.depth) + log2(max(1, ratio)) + log2(self.wide // self.lanes_in),
            "chosen": self.lanes_out * self.bits * -(-(ratio - 1) // 3),
        }

    @property
    def _parts_out(self) -> int:
        return self.padded // self.lanes_out

    def _pushed(self, arrivals: np.ndarray) -> np.ndarray:
        """When widened beats enter the buffer: with their last part."""
        parts = self.wide // self.lanes_in
        return arrivals[parts - 1 :: parts]
