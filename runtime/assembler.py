"""Turns the layers of a network into a program for an offload engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.network import ArgMax, Dense, Network, Threshold
from bitfold.overlays.offload import Engine, PlaneLayout, pack_planes
from bitfold.overlays.packing import BEAT_BITS
from bitfold.overlays.program import (
    DESCRIPTOR_BEATS,
    OPCODE_LAYER,
    Head,
    Origin,
    encode,
)

NEVER = np.int64(2**31 - 1)
"""A threshold that no accumulator reaches."""


@dataclass(frozen=True)
class Layer:
    """A Dense layer with what follows it, as the engine runs it in one descriptor.

    The engine takes levels: where `origin` is CHIP, its input is what `base` and the encoding's
    step turn into the network's integers.
    """

    name: str
    weight: np.ndarray
    weight_encoding: Encoding
    input: Encoding
    base: int
    thresholds: np.ndarray | None
    output_planes: int
    head: Head

    @property
    def rows(self) -> int:
        return self.weight.shape[0]

    @property
    def columns(self) -> int:
        return self.weight.shape[1]

    @property
    def outputs(self) -> int:
        return 1 if self.head is Head.ARGMAX else self.rows


@dataclass(frozen=True)
class Program:
    """Descriptors and what their layers load, for up to `frames` frames a call.

    `image` (beats,) uint64 goes to PROGRAM_ADDRESS; `loads` are the beats of each layer in it.
    """

    layers: tuple[Layer, ...]
    image: np.ndarray
    loads: tuple[int, ...]
    frames: int
    input: PlaneLayout
    output: PlaneLayout
    base: int


def assemble(engine: Engine, layers: tuple[Layer, ...], output: Encoding, base: int) -> Program:
    """The program that runs `layers` on `engine`, input and output in memory.

    `output` is the encoding of what the last layer leaves, `base` what its level 0 stands for.
    """
    loads = [_load(engine, layer) for layer in layers]
    frames = min(
        engine.input_words // (_stride_in(engine, l) + _stride_out(engine, l)) for l in layers
    )
    offset = len(layers) * DESCRIPTOR_BEATS
    descriptors = []
    for i, (layer, load) in enumerate(zip(layers, loads)):
        # Inputs and outputs take turns at both ends of the memory.
        high_in = engine.input_words - frames * _stride_in(engine, layer)
        high_out = engine.input_words - frames * _stride_out(engine, layer)
        source = PlaneLayout(layer.columns, layer.input)
        descriptors.append(
            encode(
                {
                    "opcode": OPCODE_LAYER,
                    "origin": Origin.CHIP if i else Origin.SOURCE,
                    "to_memory": i == len(layers) - 1,
                    "head": layer.head,
                    "weight_bipolar": layer.weight_encoding.is_bipolar,
                    "weight_signed": layer.weight_encoding.signed,
                    "input_bipolar": layer.input.is_bipolar,
                    "input_signed": layer.input.signed,
                    "columns": layer.columns,
                    "rows": layer.rows,
                    "weight_planes": layer.weight_encoding.bits,
                    "input_planes": layer.input.bits,
                    "output_planes": layer.output_planes,
                    "weight_top": (layer.weight_encoding.bits - 1) * engine.words(layer.columns),
                    "input_top": (layer.input.bits - 1) * engine.words(layer.columns),
                    "output_top": (layer.output_planes - 1) * engine.words(layer.rows),
                    "input_base": high_in if i % 2 else 0,
                    "output_base": 0 if i % 2 else high_out,
                    "load_offset": 8 * offset,
                    "load_beats": len(load),
                    "input_beats": source.beats,
                    "output_beats": layer.output_planes * -(-layer.outputs // BEAT_BITS),
                }
            )
        )
        offset += len(load)
    return Program(
        layers=layers,
        image=np.concatenate([*descriptors, *loads]),
        loads=tuple(len(load) for load in loads),
        frames=frames,
        input=PlaneLayout(layers[0].columns, layers[0].input),
        output=PlaneLayout(layers[-1].outputs, output),
        base=base,
    )


def engine_layers(network: Network) -> tuple[tuple[Layer, ...], Encoding, int]:
    """The layers of a network of Dense layers, the encoding and base of what the last one leaves."""
    layers = []
    here, base = network.tensors[network.input].encoding, 0
    nodes = list(network.nodes)
    while nodes:
        dense = nodes.pop(0)
        assert isinstance(dense, Dense)
        follower = nodes[0] if nodes else None
        weight = network.parameters[dense.weight]
        common = (dense.name, weight.values, weight.encoding, here, base)
        if isinstance(follower, Threshold):
            nodes.pop(0)
            thresholds = network.parameters[follower.thresholds].values
            planes = thresholds.shape[1].bit_length()
            layers.append(Layer(*common, thresholds, planes, Head.THRESHOLD))
            target = network.tensors[follower.output].encoding
            here = target if target.is_bipolar else Encoding.of(f"UINT{planes}")
            base = 0 if target.is_bipolar else follower.base
        elif isinstance(follower, ArgMax):
            nodes.pop(0)
            here = network.tensors[follower.output].encoding
            layers.append(Layer(*common, None, here.bits, Head.ARGMAX))
            base = 0
        else:
            here = network.tensors[dense.output].encoding
            layers.append(Layer(*common, None, here.bits, Head.RAW))
            base = 0
    return tuple(layers), here, base


def _stride_in(engine: Engine, layer: Layer) -> int:
    return layer.input.bits * engine.words(layer.columns)


def _stride_out(engine: Engine, layer: Layer) -> int:
    return layer.output_planes * engine.words(layer.rows)


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

    The engine's sum leaves out what does not depend on the input: that two bipolar factors count
    from -columns up, a bipolar input from minus the weights' sum, and levels from `base`.
    """
    row_sums = layer.weight.astype(np.int64).sum(axis=1, keepdims=True)
    missing = layer.base * row_sums
    if layer.input.is_bipolar:
        missing = missing - (layer.columns if layer.weight_encoding.is_bipolar else row_sums)
    if layer.thresholds is None:
        return np.broadcast_to(-missing, (layer.rows, 1))
    levels = (1 << layer.output_planes) - 1
    constants = np.full((layer.rows, levels), NEVER, np.int64)
    given = layer.thresholds.astype(np.int64) - missing
    constants[:, : given.shape[1]] = np.clip(given, -(2**31), NEVER)
    return constants
