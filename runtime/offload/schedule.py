"""Predicts, block by block, when the offload engine loads, computes and drains a program.

The engine's own rules (rtl/offload), on a memory that answers after a fixed number of cycles and
then moves a beat a cycle: the loader streams blocks into two buffers, the array computes a block
frame by frame once it is loaded and the block before is computed, the drain follows. The array
completes a sum only where the drain has room for it, and the drain keeps a pace of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from bitfold.overlays.dataflow.stages.softmax import SOFTMAX_CYCLES
from bitfold.overlays.offload import Engine
from bitfold.overlays.program import DESCRIPTOR_BEATS, MAX_PLANES, Head
from bitfold.runtime.offload.assembler import Layer, Program
from bitfold.runtime.offload.steps import EngineStep, Step

# Cycles from a command to its first beat, beside the memory's latency.
READ_CYCLES = 3
# From the last beat that leaves the engine to the end of a call, beside the memory's latency.
END_CYCLES = 3
# From a layer that is taken to its first step.
START_CYCLES = 4
# From a step's issue to its sum at the drain.
ARRAY_CYCLES = 7
# From a sum at the drain to the first plane of it that is written, where nothing is in between.
DRAIN_CYCLES = 6
# Cycles in which each row of a group has its turn at the comparator.
TURNS = 4
# From a descriptor that is loaded to the command for what follows.
CHECK_CYCLES = 3
# From the last row of a scan at the comparator to the passes of what was found.
FOUND_CYCLES = 6
# From the product behind frames times beats to the first beat that is stored.
STORE_CYCLES = 4
# The serial multiplier behind frames times beats, its start and its command.
MULTIPLY_CYCLES = 18


@dataclass(frozen=True)
class BlockSchedule:
    """When a block of rows is loaded, computed for all frames and drained: the first cycle of each,
    and the one behind its last. Bits leave the drain some cycles behind its last."""

    rows: int
    load: tuple[int, int]
    compute: tuple[int, int]
    drain: tuple[int, int]


@dataclass(frozen=True)
class LayerSchedule:
    """When a layer runs, in cycles of its call, and what of it takes how long.

    `compute_cycles` are steps of the array, `load_cycles` beats of weights and constants,
    `drain_cycles` what the results keep the drain busy. They overlap; `slowest` names what takes
    longest, and `blocks` say when.
    """

    name: str
    begins: int
    ends: int
    compute_cycles: int
    load_cycles: int
    drain_cycles: int
    blocks: tuple[BlockSchedule, ...]

    @property
    def cycles(self) -> int:
        """What the layer's counters add up to."""
        return self.ends - self.begins

    @property
    def slowest(self) -> str:
        costs = {
            "compute": self.compute_cycles,
            "load": self.load_cycles,
            "drain": self.drain_cycles,
        }
        return max(costs, key=costs.get)


@dataclass(frozen=True)
class Schedule:
    """The layers of one call of `frames` frames, and the call's cycles."""

    layers: tuple[LayerSchedule, ...]
    frames: int
    cycles: int


def schedule(engine: Engine, program: Program, frames: int, memory_latency_cycles: int) -> Schedule:
    """What a call of `frames` frames (up to program.frames) costs."""
    read = READ_CYCLES + memory_latency_cycles
    loader = 0  # the cycle in which the loader is ready for the next descriptor
    array = 0  # the cycle from which the next layer can be taken
    released = [0, 0]  # when each of the two buffers is free
    buffer, was_wide = 0, False
    layers = []
    for i, layer in enumerate(program.layers):
        fetched = loader + read + DESCRIPTOR_BEATS
        if i == 0:
            beats = frames * program.input.beats
            offer = fetched + CHECK_CYCLES + MULTIPLY_CYCLES + 1 + read + beats
        else:
            offer = fetched + CHECK_CYCLES
        begins = max(array, offer + 1)
        steps = _steps(engine, layer)
        pace, latency = _pace(layer), _latency(layer)
        beat = offer + read  # when the next beat of the load can come
        free = begins + START_CYCLES  # when the next step can be issued
        result = free - pace  # when the last step of a sum was
        blocks = []
        wide = layer.head is Head.THRESHOLD and layer.output.bits == MAX_PLANES
        for first_row in range(0, layer.rows, engine.rows):
            rows = min(engine.rows, layer.rows - first_row)
            room = max(released) if wide or was_wide else released[buffer]
            load = max(beat, room)
            loaded = load + _block_beats(layer, rows)
            beat = loaded + 1  # a cycle to see whether there is room for a block
            compute = max(loaded, free)
            first = max(compute + steps - 1, result + pace)
            result = first + (frames - 1) * max(steps, pace)
            free = result + 1
            done = result + latency
            released[buffer], was_wide = done + 2, wide
            drain = first + ARRAY_CYCLES, result + ARRAY_CYCLES + pace
            blocks.append(BlockSchedule(rows, (load, loaded), (compute, free), drain))
            buffer = 1 - buffer
        # The layer before must be taken before the loader fetches another.
        loader = max(loaded, begins + 1) + 1
        ends = done + 1
        array = ends + 1
        if i == len(program.layers) - 1:
            ends += MULTIPLY_CYCLES + STORE_CYCLES + frames * program.output.beats
        layers.append(
            LayerSchedule(
                layer.name,
                begins,
                ends,
                len(blocks) * frames * steps,
                program.loads[i],
                len(blocks) * frames * pace,
                tuple(blocks),
            )
        )
    return Schedule(tuple(layers), frames, ends + memory_latency_cycles + END_CYCLES)


def batch_cycles(
    engine: Engine, steps: tuple[Step, ...], frames: int, memory_latency_cycles: int
) -> int:
    """Cycles of all calls that a batch of any size takes, without the host's part."""
    cycles = 0
    for step in steps:
        if isinstance(step, EngineStep):
            whole, rest = divmod(frames, step.program.frames)
            for size, calls in ((step.program.frames, whole), (rest, int(rest > 0))):
                if calls:
                    one = schedule(engine, step.program, size, memory_latency_cycles)
                    cycles += calls * one.cycles
    return cycles


def _steps(engine: Engine, layer: Layer) -> int:
    """Cycles of the array for a frame and a block of rows."""
    return layer.weight_encoding.bits * layer.input.bits * engine.words(layer.columns)


def _pace(layer: Layer) -> int:
    """Cycles from a result to the next that the drain takes."""
    if layer.head is Head.THRESHOLD:
        return TURNS * layer.output.bits
    # Four planes leave in as many turns.
    passes = TURNS * -(-layer.output.bits // TURNS)
    if layer.head is Head.RAW:
        return passes
    # Row by row, and then from the start.
    scan = layer.rows + ARRAY_CYCLES + FOUND_CYCLES + passes
    if layer.head is Head.SOFTMAX:
        scan += 3 * layer.rows + SOFTMAX_CYCLES - 1
    return scan


def _latency(layer: Layer) -> int:
    """Cycles from the last step of a result to its last plane."""
    last = 1 if layer.head is Head.THRESHOLD else (layer.output.bits - 1) % TURNS + 1
    return _pace(layer) + ARRAY_CYCLES + DRAIN_CYCLES + last


def _block_beats(layer: Layer, rows: int) -> int:
    constants = 1 if layer.thresholds is None else (1 << layer.output.bits) - 1
    plane_beats = -(-layer.columns // 64)
    return constants * -(-rows // 2) + rows * layer.weight_encoding.bits * plane_beats
