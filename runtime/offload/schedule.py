"""Predicts, block by block, when the offload engine loads, computes and drains a program.

The engine's own rules (rtl/offload), on a memory that answers after a fixed number of cycles and
then moves a beat a cycle: the loader streams blocks into two buffers, the array computes a block
frame by frame once it is loaded and the block before is computed, the drain follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from bitfold.overlays.dataflow.stages.softmax import SOFTMAX_CYCLES
from bitfold.overlays.offload import Engine
from bitfold.overlays.program import DESCRIPTOR_BEATS, Head
from bitfold.runtime.offload.assembler import Layer, Program
from bitfold.runtime.offload.steps import EngineStep, Step

# Cycles from a command to its first beat, beside the memory's latency.
READ_CYCLES = 3
# From a command to the first beat that the writer takes.
WRITE_CYCLES = 3
# From the last answer to the end of a call.
END_CYCLES = 2
# From a step's issue to its sum at the drain.
ARRAY_CYCLES = 4
# The serial multiplier behind frames times beats, its start and its command.
MULTIPLY_CYCLES = 18


@dataclass(frozen=True)
class BlockSchedule:
    """When a block of rows is loaded, computed for all frames and drained: the first cycle of each,
    and the one behind its last."""

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
    buffer = 0
    layers = []
    for i, layer in enumerate(program.layers):
        fetched = loader + read + DESCRIPTOR_BEATS
        if i == 0:
            beats = frames * program.input.beats
            offer = fetched + 1 + MULTIPLY_CYCLES + 1 + read + beats
        else:
            offer = fetched + 1
        begins = max(array, offer + 1)
        steps = _steps(engine, layer)
        drain = _drain_cycles(layer, engine)
        beat = offer + read  # when the next beat of the load can come
        # The array moves a slot a cycle, unless a result waits for the drain. `results` has the
        # last ones: the slot in which each is there, and how late, in cycles, the array is from
        # then on.
        slot, results = begins + 2, []
        computed, blocks = begins + 2, []
        for first_row in range(0, layer.rows, engine.rows):
            rows = min(engine.rows, layer.rows - first_row)
            load = max(beat, released[buffer])
            loaded = load + _block_beats(layer, rows)
            beat = loaded
            slot = _slot_from(loaded, slot, results)
            valid, late = slot + steps - 1 + ARRAY_CYCLES, 0
            if results:
                late = max(results[-1][1], sum(results[-1]) + drain - valid)
            slower = max(0, drain - steps)
            last_frames = range(max(0, frames - ARRAY_CYCLES - 1), frames)
            results += [(valid + f * steps, late + f * slower) for f in last_frames]
            results = results[-ARRAY_CYCLES - 1 :]
            slot += frames * steps
            result = sum(results[-1])
            released[buffer] = result + drain + 1
            compute = max(loaded, computed)
            computed = result - ARRAY_CYCLES + 1
            blocks.append(
                BlockSchedule(
                    rows, (load, loaded), (compute, computed), (valid + late, result + drain)
                )
            )
            buffer = 1 - buffer
        # The layer before must be taken before the loader fetches another.
        loader = max(beat, begins + 1) + 1
        ends = result + drain + 1
        array = ends + 1
        if i == len(program.layers) - 1:
            ends += MULTIPLY_CYCLES + WRITE_CYCLES + frames * program.output.beats
        layers.append(
            LayerSchedule(
                layer.name,
                begins,
                ends,
                len(blocks) * frames * steps,
                program.loads[i],
                len(blocks) * frames * drain,
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


def _slot_from(cycle: int, slot: int, results: list[tuple[int, int]]) -> int:
    """The first slot of the array, from `slot` on, that is not before `cycle`."""
    found = max(slot, cycle)
    for valid, late in results:
        if found < valid:
            break
        found = max(slot, valid, cycle - late)
    return found


def _steps(engine: Engine, layer: Layer) -> int:
    """Cycles of the array for a frame and a block of rows."""
    return layer.weight_encoding.bits * layer.input.bits * engine.words(layer.columns)


def _drain_cycles(layer: Layer, engine: Engine) -> int:
    """Cycles from a result to the next that the drain takes."""
    if layer.head is Head.THRESHOLD:
        return layer.output.bits
    if layer.head is Head.RAW:
        return 1 + layer.output.bits
    if layer.head is Head.ARGMAX:
        return 1 + layer.rows + layer.output.bits
    # In, two passes, out.
    return 4 * layer.rows + SOFTMAX_CYCLES + layer.output.bits


def _block_beats(layer: Layer, rows: int) -> int:
    constants = 1 if layer.thresholds is None else (1 << layer.output.bits) - 1
    plane_beats = -(-layer.columns // 64)
    return constants * -(-rows // 2) + rows * layer.weight_encoding.bits * plane_beats
