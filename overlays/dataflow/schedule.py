"""Schedule: when every beat of a design moves, frame after frame.

The input port takes a frame an interval, and each buffer is as deep as it has to be for that. So no
stage ever waits for room, and the moves of a frame follow from those of the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bitfold.models.errors import OverlayError
from bitfold.overlays.dataflow.stages.stage import Moves

if TYPE_CHECKING:
    from bitfold.overlays.dataflow.design import Design, Edge

SETTLING_FRAMES = 10_000
"""After how many frames at most each moves as the one before did; some dozens are usual."""


@dataclass(frozen=True)
class Flow:
    """When the beats of one frame move: cycles, int64, in order.

    `port`: into the core. For each stage, `free`, from when on it can take the frame, `arrivals`
    of each of its inputs, and `moves`. `out`: at the output port.
    """

    port: np.ndarray
    free: tuple[int | None, ...]
    arrivals: tuple[tuple[np.ndarray, ...], ...]
    moves: tuple[Moves, ...]
    out: np.ndarray

    def later(self, cycles: int) -> Flow:
        """The same moves, `cycles` behind."""

        def moved(inputs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
            return tuple(beats + cycles for beats in inputs)

        return Flow(
            self.port + cycles,
            tuple(each if each is None else each + cycles for each in self.free),
            tuple(map(moved, self.arrivals)),
            tuple(
                Moves(moved(m.taken), m.departures + cycles, m.free + cycles) for m in self.moves
            ),
            self.out + cycles,
        )

    def left(self, edge: Edge) -> np.ndarray:
        """When its beats enter an edge."""
        return self.port if edge.source is None else self.moves[edge.source].departures

    def ends(self, edge: Edge) -> np.ndarray:
        """When its beats are taken from the end of an edge."""
        return self.out if edge.target is None else self.moves[edge.target].taken[edge.operand]


@dataclass(frozen=True)
class Schedule:
    """The moves of the first frames of `design`, of which one comes each `interval` cycles, the
    first at 0. Those of the last in `flows` are those of each behind it, an interval later."""

    design: Design
    interval: int
    flows: tuple[Flow, ...] = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "flows", tuple(self._until_settled()))

    def out(self, frame: int) -> int:
        """The cycle in which the last beat of a frame leaves."""
        known = min(frame, len(self.flows) - 1)
        return int(self.flows[known].out[-1]) + (frame - known) * self.interval

    @cached_property
    def overlapping(self) -> Sequence[Flow]:
        """So many frames that the first of them to move like all behind it meets all of these that
        it ever meets."""
        last = self.flows[-1]
        behind = int(last.out[-1] - last.port[0]) // self.interval + 1
        return [*self.flows, *(last.later(i * self.interval) for i in range(1, behind + 1))]

    def given(self, stage: int) -> list[tuple[tuple[np.ndarray, ...], int | None]]:
        """What `moves` of a stage is given, frame after frame."""
        return [(flow.arrivals[stage], flow.free[stage]) for flow in self.overlapping]

    def needed_depth(self, edge: Edge) -> int:
        """The least depth of its link at which no beat ever waits to come in."""
        left = np.concatenate([flow.left(edge) for flow in self.overlapping])
        taken = np.concatenate([flow.ends(edge) for flow in self.overlapping])
        return edge.link.needed_depth(left, taken)

    def _until_settled(self) -> list[Flow]:
        flows = [self._flow(0, (None,) * len(self.design.stages))]
        while len(flows) < SETTLING_FRAMES:
            before = flows[-1]
            free = tuple(moves.free for moves in before.moves)
            flow = self._flow(len(flows) * self.interval, free)
            if _same(before.later(self.interval), flow):
                return flows
            flows.append(flow)
        raise OverlayError(
            f"the design does not settle within {SETTLING_FRAMES} frames, one each {self.interval} "
            "cycles; compile the network again"
        )

    def _flow(self, start: int, free: tuple[int | None, ...]) -> Flow:
        """The moves of a frame whose first beat comes at `start`, if the stages are `free` then."""
        design = self.design
        port = start + design.pace * np.arange(design.input.beats, dtype=np.int64)
        arrivals: list[tuple[np.ndarray, ...]] = []
        moves: list[Moves] = []

        def along(edge: Edge) -> np.ndarray:
            given = port if edge.source is None else moves[edge.source].departures
            return edge.link.departures(given) if edge.link else given

        for i, stage in enumerate(design.stages):
            arrivals.append(tuple(along(edge) for edge in design.into(i)))
            moves.append(stage.moves(arrivals[i], free[i]))
        out = along(design.into(None)[0])
        return Flow(port, free, tuple(arrivals), tuple(moves), out)


def _same(one: Flow, other: Flow) -> bool:
    """Whether all beats move at the same time."""
    return all(
        mine.free == its.free
        and (mine.departures == its.departures).all()
        and all((a == b).all() for a, b in zip(mine.taken, its.taken))
        for mine, its in zip(one.moves, other.moves)
    )
