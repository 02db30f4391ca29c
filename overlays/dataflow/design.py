"""Design: a dataflow overlay as stages and edges, which times and executes itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bitfold.models.errors import OverlayError
from bitfold.models.ops import Op
from bitfold.overlays.boards.chip import Chip, Resources
from bitfold.overlays.dataflow.clock import Clock, clock_of
from bitfold.overlays.dataflow.cost import luts
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.dataflow.link import Link
from bitfold.overlays.dataflow.schedule import Schedule
from bitfold.overlays.dataflow.stages import Stage
from bitfold.overlays.packing import FrameLayout

SHELL_CYCLES = 8
"""What a call takes beside its parts: start, the first address, a register, the last answer."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A stream from a stage to an input of another, through `link` or wired directly (None).

    Stages are named by their places in the design; `source` None is the input port, `target` None
    the output port. Several edges of one source are a fork.
    """

    source: int | None
    target: int | None
    operand: int = 0
    link: Link | None = None


@dataclass(frozen=True, kw_only=True)
class Design:
    """Stages in topological order, the edges between them, and the constants of each stage.

    `constants[i]` are those of `stages[i]`, in the order of its roles, int64 as the network has
    them. The input port takes a beat every `pace` cycles, and a frame every interval. Checked when
    made. Raises OverlayError.
    """

    input: FrameLayout
    output: FrameLayout
    stages: tuple[Stage, ...]
    edges: tuple[Edge, ...]
    constants: tuple[tuple[np.ndarray, ...], ...]
    pace: int = 1

    def __post_init__(self):
        if self.pace < 1:
            raise OverlayError(f"a beat every {self.pace} cycles can't be")
        for i, stage in enumerate(self.stages):
            stage.check()
            if [edge.operand for edge in self.into(i)] != list(range(len(stage.inputs))):
                raise OverlayError(f"{stage.name}: its inputs are not all wired, once each")
            if len(self.constants[i]) != len(stage.roles):
                raise OverlayError(f"{stage.name}: needs constants {', '.join(stage.roles)}")
        if len(self.into(None)) != 1:
            raise OverlayError("the output port is not wired, or more than once")
        for edge in self.edges:
            self._check_edge(edge)

    def _check_edge(self, edge: Edge) -> None:
        """Both ends of an edge carry the same frames, in the lanes that they have."""
        end = len(self.stages) if edge.target is None else edge.target
        start = -1 if edge.source is None else edge.source
        if not -1 <= start < end <= len(self.stages):
            raise OverlayError(f"an edge from stage {edge.source} to {edge.target} can't be")
        if edge.target is None:
            name, wanted = "the output port", (self.output.elements, self.output.encoding)
            lanes_out = self.output.lanes if edge.link else self.output.elements
        else:
            stage = self.stages[edge.target]
            value = stage.inputs[edge.operand]
            name, wanted, lanes_out = stage.name, (value.size, value.encoding), stage.lanes_in
        if edge.source is None:
            given = self.input.elements, self.input.encoding
            lanes_in = self.input.lanes if edge.link else self.input.elements
        else:
            stage = self.stages[edge.source]
            given, lanes_in = (stage.output.size, stage.output.encoding), stage.lanes_out
        if given != wanted:
            raise OverlayError(
                f"{name}: takes {wanted[0]} of {wanted[1]}, but is given {given[0]} of {given[1]}"
            )
        link = edge.link
        if link is None:
            fits = lanes_in == lanes_out
        else:
            if edge.source is None:
                whole = Link.from_port(self.input, lanes_out)
            elif edge.target is None:
                whole = Link.to_port(self.output, lanes_in)
            else:
                whole = Link.between(given[1].bits, given[0], lanes_in, lanes_out)
            fits = link.depth > 0 and replace(whole, depth=link.depth) == link
        if not fits:
            raise OverlayError(
                f"{name}: takes {lanes_out} lanes from {lanes_in}, but the edge carries other "
                "frames"
            )

    def into(self, target: int | None) -> tuple[Edge, ...]:
        """The edges into a stage, in the order of its inputs, or into the output port."""
        found = (edge for edge in self.edges if edge.target == target)
        return tuple(sorted(found, key=lambda edge: edge.operand))

    def out_of(self, source: int | None) -> tuple[Edge, ...]:
        """The edges out of a stage, or out of the input port."""
        return tuple(edge for edge in self.edges if edge.source == source)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Integers (frames, elements) in, the exact integers (frames, outputs) int64 out."""
        made: dict[int | None, np.ndarray] = {None: x}
        last: dict[int | None, int] = {}  # who reads a value last
        for edge in self.edges:
            reader = len(self.stages) if edge.target is None else edge.target
            last[edge.source] = max(reader, last.get(edge.source, 0))
        for i, values in enumerate(self._each(made)):
            made[i] = values
            for source in {edge.source for edge in self.into(i)}:
                if last[source] == i:
                    del made[source]
        return made[self.into(None)[0].source]

    def trace(self, x: np.ndarray) -> list[np.ndarray]:
        """Like calling the design, but gives the integers of every stage, and the output last."""
        made: dict[int | None, np.ndarray] = {None: x}
        for i, values in enumerate(self._each(made)):
            made[i] = values
        return [*(made[i] for i in range(len(self.stages))), made[self.into(None)[0].source]]

    def _each(self, made: Mapping[int | None, np.ndarray]) -> Iterator[np.ndarray]:
        """What each stage makes of what those before it `made`."""
        for i, (stage, constants) in enumerate(zip(self.stages, self.constants)):
            yield stage.evaluate([made[edge.source] for edge in self.into(i)], constants)

    @property
    def chain(self) -> list[tuple[Op, list[np.ndarray]]] | None:
        """Its ops one after the other, each with its constants; None where it branches."""
        for i, stage in enumerate(self.stages):
            if len(stage.inputs) > 1 or self.into(i)[0].source != (i - 1 if i else None):
                return None
        pairs = zip(self.stages, self.constants)
        return [applied for stage, constants in pairs for applied in stage.applied(constants)]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that have counters, in order."""
        return tuple(dict.fromkeys(stage.layer for stage in self.stages))

    def layer_ends(self, i: int) -> tuple[bool, bool]:
        """Whether the layer of stage `i` begins, and whether it ends with it."""
        of_layer = [j for j, other in enumerate(self.stages) if other.layer == self.stages[i].layer]
        return i == of_layer[0], i == of_layer[-1]

    @property
    def folding(self) -> dict[str, Fold]:
        """The folds that were chosen, by layer."""
        return {s.name: s.fold for s in self.stages if s.name == s.layer and s.foldable}

    @cached_property
    def schedule(self) -> Schedule:
        """When every beat moves."""
        return Schedule(self, self.initiation_interval)

    @property
    def latency_cycles(self) -> int:
        """From the first frame's first accepted input beat to its last output beat, unstalled."""
        return self.schedule.out(0)

    @property
    def initiation_interval(self) -> int:
        """Cycles between successive frames: what the slowest stage or port takes for one."""
        return max(self._port_cycles, self.output.beats, *(s.cycles for s in self.stages))

    @property
    def _port_cycles(self) -> int:
        """Of the input port, a frame."""
        return self.input.beats * self.pace

    @property
    def bottleneck(self) -> str:
        """The name of what decides the initiation interval."""
        slowest = max(self.stages, key=lambda stage: stage.cycles)
        if slowest.cycles == self.initiation_interval:
            return slowest.name
        return "input port" if self._port_cycles == self.initiation_interval else "output port"

    def luts(self, dsps: bool = True) -> int:
        """LUTs of the core, estimated, without the shell; with multipliers in DSPs where Yosys puts
        them there, or, without `dsps`, all in LUTs."""
        return sum(self.luts_by_stage(dsps).values())

    def luts_by_stage(self, dsps: bool = True) -> Mapping[str, int]:
        """LUTs of each stage with the links in front of it; that in front of the port is its
        own."""
        taken = {
            stage.name: stage.estimated_luts(dsps) + self._link_luts(i)
            for i, stage in enumerate(self.stages)
        }
        return {**taken, "output port": self._link_luts(None)}

    @property
    def dsps(self) -> int:
        """DSPs of the core, where they are allowed."""
        return sum(stage.dsps for stage in self.stages)

    @cached_property
    def clock(self) -> Clock:
        """The clock that core and shell reach, estimated, and what limits it."""
        paths = {stage.name: stage.path for stage in self.stages}
        return clock_of(paths, self.luts(), self.dsps)

    def resources(self, chip: Chip) -> Resources:
        """What core and shell take of `chip`, estimated: LUTs, block RAMs and DSPs."""
        shell = luts(("shell", {"one": 1, "layers": len(self.layers)}))
        return self.core_resources(chip) + Resources(luts=shell)

    def core_resources(self, chip: Chip) -> Resources:
        """What the core takes of `chip`, estimated. Multipliers are logic where the chip has too
        few DSPs for them."""
        dsps = self.dsps <= chip.has.dsps
        return Resources(
            luts=self.luts(dsps),
            ramb18=sum(stage.ramb18 for stage in self.stages),
            dsps=self.dsps if dsps else 0,
        )

    def _link_luts(self, target: int | None) -> int:
        return sum(luts(edge.link.features()) for edge in self.into(target) if edge.link)

    def call_cycles(self, frames: int, memory_latency_cycles: int) -> int:
        """Cycles of a call through the shell, as its counter counts, on a memory that answers after
        `memory_latency_cycles` and moves a beat a cycle."""
        if not frames:
            return 0
        # The shell multiplies frames by beats, one bit of the larger number of beats a cycle.
        multiply = max(self.input.beats, self.output.beats).bit_length()
        core = self.schedule.out(frames - 1)
        return SHELL_CYCLES + multiply + 2 * memory_latency_cycles + core
