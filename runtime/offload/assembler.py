"""Turns layers into a program for an offload engine: descriptors, weights and constants."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.ops.softmax import Softmax
from bitfold.overlays.offload import Engine, PlaneLayout, pack_planes
from bitfold.overlays.packing import BEAT_BYTES
from bitfold.overlays.program import (
    DESCRIPTOR_BEATS,
    MAX_OUTPUT_PLANES,
    MAX_PLANES,
    MAX_SIZE,
    OPCODE_LAYER,
    Head,
    Origin,
    encode,
)
from bitfold.runtime.offload.machine import run_program

NEVER = np.int64(2**31 - 1)
"""A threshold that no accumulator reaches."""
_ONE_BLOCK = {Head.ARGMAX: "an argmax", Head.SOFTMAX: "a softmax"}
"""Heads that need all rows at once."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A Dense layer with what follows it, as the engine runs it in one descriptor.

    Between layers the engine keeps levels: the network's integers are `base` more (bipolar ones are
    stored as they are). `weight` is (rows, columns), `thresholds` (rows or 1, levels) or None;
    `softmax` is what follows with head SOFTMAX.
    """

    name: str
    weight: np.ndarray
    weight_encoding: Encoding
    input: Encoding
    base: int
    thresholds: np.ndarray | None
    head: Head
    output: Encoding
    output_base: int
    softmax: Softmax | None = None

    @property
    def rows(self) -> int:
        return self.weight.shape[0]

    @property
    def columns(self) -> int:
        return self.weight.shape[1]

    @property
    def outputs(self) -> int:
        """Integers that a frame leaves: a value a row, or the index of the largest."""
        return 1 if self.head is Head.ARGMAX else self.rows

    def input_words(self, engine: Engine) -> int:
        """Words on chip of an input frame."""
        return self.input.bits * engine.words(self.columns)

    def output_words(self, engine: Engine) -> int:
        """Words on chip of an output frame."""
        return self.output.bits * engine.words(self.outputs)

    def misfits(self, engine: Engine) -> list[str]:
        """Why the layer can't run on `engine`; nothing if it can."""
        weight_words = self.weight_encoding.bits * engine.words(self.columns)
        frame_words = self.input_words(engine) + self.output_words(engine)
        # A bipolar factor doubles the engine's sum on its way.
        largest = self.columns << self.weight_encoding.bits + self.input.bits + 1
        return [
            f"{self.name}: {what} {value}, the engine's limit is {limit}"
            for what, value, limit in (
                ("weight bits", self.weight_encoding.bits, MAX_PLANES),
                ("input bits", self.input.bits, MAX_PLANES),
                (
                    "output bits",
                    self.output.bits,
                    MAX_PLANES if self.head is Head.THRESHOLD else MAX_OUTPUT_PLANES,
                ),
                ("rows", self.rows, MAX_SIZE),
                ("columns", self.columns, MAX_SIZE),
                ("weight words a row", weight_words, engine.weight_words),
                ("words on chip of one frame", frame_words, engine.input_words),
                ("largest sum", largest, 2**31 - 1),
                *(
                    [
                        (
                            f"rows of {_ONE_BLOCK[self.head]}",
                            self.rows,
                            engine.rows_at_once(self.head),
                        )
                    ]
                    if self.head in _ONE_BLOCK
                    else []
                ),
            )
            if value > limit
        ]


@dataclass(frozen=True)
class Program:
    """Descriptors and what their layers load, for up to `frames` frames a call.

    `image` (beats,) uint64 goes to PROGRAM_ADDRESS; `loads` are the beats that each layer loads.
    Layers that load the same share it in the image.
    """

    layers: tuple[Layer, ...]
    image: np.ndarray
    loads: tuple[int, ...]
    frames: int
    input: PlaneLayout
    output: PlaneLayout

    @cached_property
    def id(self) -> bytes:
        """128 bits of what its image holds."""
        return hashlib.sha256(self.image.tobytes()).digest()[:16]

    def __call__(self, engine: Engine, x: np.ndarray) -> np.ndarray:
        """What a call on the integers `x` (frames, elements) leaves, (frames, outputs) int64: the
        image executed by machine.py."""
        source = self.input.pack(x)
        beats = run_program(engine, self.image, len(self.layers), source, self.output.beats)
        return self.values(beats)

    def values(self, beats: np.ndarray) -> np.ndarray:
        """Beats at DESTINATION to the network's integers (frames, outputs) int64."""
        return self.output.unpack(beats) + self.layers[-1].output_base


def assemble(engine: Engine, layers: tuple[Layer, ...]) -> Program:
    """The program that runs `layers`, each of which fits `engine`, from memory to memory."""
    frames = min(
        engine.input_words // (layer.input_words(engine) + layer.output_words(engine))
        for layer in layers
    )
    loads = [_load(engine, layer) for layer in layers]
    offset = len(layers) * DESCRIPTOR_BEATS
    offsets: dict[bytes, int] = {}
    descriptors, parts = [], []
    for i, (layer, load) in enumerate(zip(layers, loads)):
        content = load.tobytes()
        if content not in offsets:
            offsets[content] = offset
            parts.append(load)
            offset += len(load)
        descriptors.append(
            encode(
                {
                    **_sizes(engine, layer),
                    "origin": Origin.CHIP if i else Origin.SOURCE,
                    "to_memory": i == len(layers) - 1,
                    # Inputs and outputs take turns at both ends of the memory.
                    "input_base": _high(engine, frames * layer.input_words(engine), i % 2),
                    "output_base": _high(engine, frames * layer.output_words(engine), i % 2 == 0),
                    "load_offset": BEAT_BYTES * offsets[content],
                    "load_beats": len(load),
                }
            )
        )
    return Program(
        layers=layers,
        image=np.concatenate([*descriptors, *parts]),
        loads=tuple(len(load) for load in loads),
        frames=frames,
        input=PlaneLayout(layers[0].columns, layers[0].input),
        output=PlaneLayout(layers[-1].outputs, layers[-1].output),
    )


def _high(engine: Engine, words: int, high: bool) -> int:
    return engine.input_words - words if high else 0


def _sizes(engine: Engine, layer: Layer) -> dict[str, int]:
    """The fields of a layer's descriptor that follow from the layer itself."""
    return {
        "opcode": OPCODE_LAYER,
        "head": layer.head,
        "weight_bipolar": layer.weight_encoding.is_bipolar,
        "weight_signed": layer.weight_encoding.signed,
        "input_bipolar": layer.input.is_bipolar,
        "input_signed": layer.input.signed,
        "columns": layer.columns,
        "rows": layer.rows,
        "weight_planes": layer.weight_encoding.bits,
        "input_planes": layer.input.bits,
        "output_planes": layer.output.bits,
        "weight_top": (layer.weight_encoding.bits - 1) * engine.words(layer.columns),
        "input_top": (layer.input.bits - 1) * engine.words(layer.columns),
        "output_top": (layer.output.bits - 1) * engine.words(layer.rows),
        "input_beats": PlaneLayout(layer.columns, layer.input).beats,
        "output_beats": PlaneLayout(layer.outputs, layer.output).beats,
        "softmax_multiplier": layer.softmax.multiplier if layer.softmax else 0,
        "softmax_shift": layer.softmax.shift if layer.softmax else 0,
    }


def _load(engine: Engine, layer: Layer) -> np.ndarray:
    """What the layer loads, (beats,) uint64, in the order that overlays/program.py states."""
    weights = pack_planes(layer.weight_encoding.to_bits(layer.weight), layer.weight_encoding.bits)
    weights = weights.reshape(layer.rows, -1)
    constants = _constants(layer)
    if layer.rows % 2:
        constants = np.concatenate([constants, np.zeros((1, constants.shape[1]), np.int64)])
    pairs = constants.astype(np.uint32).astype(np.uint64).reshape(-1, 2, constants.shape[1])
    beats = pairs[:, 0] | pairs[:, 1] << np.uint64(32)
    parts = []
    for row in range(0, layer.rows, engine.rows):
        parts.append(beats[row // 2 : (row + engine.rows) // 2].T.ravel())
        parts.append(weights[row : row + engine.rows].ravel())
    return np.concatenate(parts)


def _constants(layer: Layer) -> np.ndarray:
    """(rows, constants) int64: what the engine compares its sums with, or subtracts from them.

    The engine's sum leaves out what does not depend on the input: that a bipolar one counts from
    minus the weights' sum, and levels from `base`.
    """
    row_sums = layer.weight.astype(np.int64).sum(axis=1, keepdims=True)
    missing = (layer.base - layer.input.is_bipolar) * row_sums
    if layer.thresholds is None:
        return np.broadcast_to(-missing, (layer.rows, 1))
    levels = (1 << layer.output.bits) - 1
    constants = np.full((layer.rows, levels), NEVER, np.int64)
    given = layer.thresholds.astype(np.int64) - missing
    constants[:, : given.shape[1]] = np.clip(given, -(2**31), NEVER)
    return constants
