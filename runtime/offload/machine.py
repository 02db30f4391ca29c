"""The offload engine in NumPy: runs a program image plane by plane, as overlays/program.py says.

It knows the descriptor, the planes and the loads, and nothing of the networks that a program was
made from: it judges the lowering without the RTL.
"""

from __future__ import annotations

import numpy as np

from bitfold.models.errors import DeviceError
from bitfold.models.ops.softmax import Softmax
from bitfold.overlays.offload import Engine
from bitfold.overlays.program import (
    CONSTANTS,
    DESCRIPTOR_BEATS,
    MAX_PLANES,
    OPCODE_LAYER,
    Head,
    Origin,
    decode,
)


def run_program(
    engine: Engine, image: np.ndarray, layers: int, source: np.ndarray, output_beats: int
) -> np.ndarray:
    """What a call on `source` (frames, beats) uint64 leaves at DESTINATION: (frames, output_beats).

    `image` lies at PROGRAM_ADDRESS, `layers` is PROGRAM_LENGTH. Raises DeviceError where the engine
    would refuse.
    """
    _check(1 <= layers <= engine.layers, "more layers than the engine takes, or none")
    chip = np.zeros((engine.input_words, engine.lanes), np.uint8)
    destination = np.zeros(len(source) * output_beats, np.uint64)
    for i in range(layers):
        layer = decode(image[DESCRIPTOR_BEATS * i : DESCRIPTOR_BEATS * (i + 1)])
        _check(layer["opcode"] == OPCODE_LAYER, "no descriptor")
        words = engine.words(layer["columns"])
        _check(layer["weight_top"] == (layer["weight_planes"] - 1) * words, "weights' top plane")
        _check(layer["weight_top"] + words <= engine.weight_words, "weights beyond their memory")
        _check(
            layer["head"] not in (Head.ARGMAX, Head.SOFTMAX) or layer["rows"] <= engine.rows,
            "more rows than a head takes at once",
        )
        if layer["origin"] != Origin.CHIP:
            memory = source.ravel() if layer["origin"] == Origin.SOURCE else destination
            _fetch(engine, layer, chip, memory, len(source))
        planes = _read_planes(engine, layer, chip, len(source), layer["columns"], "input")
        constants, weights = read_load(engine, layer, image)
        stored = _outputs(layer, _sums(layer, planes, weights), constants)
        _write_planes(engine, layer, chip, stored)
        if layer["to_memory"]:
            _store(engine, layer, chip, destination, len(source))
    return destination.reshape(len(source), output_beats)


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise DeviceError(f"the engine refuses the program: {what}")


def _fetch(engine: Engine, layer: dict, chip: np.ndarray, memory: np.ndarray, frames: int) -> None:
    """Input frames from memory to the words of the chip."""
    _check(layer["input_offset"] % 8 == 0, "an address between beats")
    first = layer["input_offset"] // 8
    beats = memory[first : first + frames * layer["input_beats"]]
    _check(len(beats) == frames * layer["input_beats"], "input beyond its memory")
    bits = _bits(beats).reshape(frames, layer["input_planes"], -1)
    words = _words(engine, bits[:, :, : layer["columns"]])
    for frame, content in enumerate(words):
        start = layer["input_base"] + frame * (layer["input_top"] + engine.words(layer["columns"]))
        chip[start : start + len(content)] = content


def _store(
    engine: Engine, layer: dict, chip: np.ndarray, destination: np.ndarray, frames: int
) -> None:
    """Output frames from the chip to memory."""
    _check(layer["output_offset"] % 8 == 0, "an address between beats")
    outputs = 1 if layer["head"] == Head.ARGMAX else layer["rows"]
    planes = _read_planes(engine, layer, chip, frames, outputs, "output")
    octets = np.zeros((*planes.shape[:2], 8 * -(-outputs // 64)), np.uint8)
    packed = np.packbits(planes, axis=2, bitorder="little")
    octets[:, :, : packed.shape[2]] = packed
    beats = octets.reshape(-1).view("<u8")
    _check(len(beats) == frames * layer["output_beats"], "output of another size")
    first = layer["output_offset"] // 8
    destination[first : first + len(beats)] = beats


def _read_planes(
    engine: Engine, layer: dict, chip: np.ndarray, frames: int, elements: int, side: str
) -> np.ndarray:
    """(frames, planes, elements) bits of a layer's input or output on chip."""
    words, planes, top = engine.words(elements), layer[f"{side}_planes"], layer[f"{side}_top"]
    _check(top == (planes - 1) * words, "planes that do not follow one another")
    start, count = layer[f"{side}_base"], frames * (top + words)
    _check(start + count <= engine.input_words, "beyond the chip")
    frame_words = chip[start : start + count].reshape(frames, planes, words * engine.lanes)
    return frame_words[:, :, :elements]


def _write_planes(engine: Engine, layer: dict, chip: np.ndarray, stored: np.ndarray) -> None:
    """Stored bits (frames, outputs) uint64 to the output's words on chip."""
    shifts = np.arange(layer["output_planes"], dtype=np.uint64)[:, None]
    bits = (stored[:, None, :] >> shifts & np.uint64(1)).astype(np.uint8)
    words = _words(engine, bits)
    start = layer["output_base"]
    _check(start + words.shape[0] * words.shape[1] <= engine.input_words, "beyond the chip")
    chip[start : start + words.shape[0] * words.shape[1]] = words.reshape(-1, engine.lanes)


def _words(engine: Engine, bits: np.ndarray) -> np.ndarray:
    """Bits (frames, planes, elements) to words (frames, planes * words, lanes)."""
    frames, planes, elements = bits.shape
    padded = np.zeros((frames, planes, engine.words(elements) * engine.lanes), np.uint8)
    padded[:, :, :elements] = bits
    return padded.reshape(frames, -1, engine.lanes)


def read_load(engine: Engine, layer: dict, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Constants (rows, constants) int64 and weight planes (rows, planes, columns)."""
    _check(layer["load_offset"] % 8 == 0, "an address between beats")
    first = layer["load_offset"] // 8
    beats = image[first : first + layer["load_beats"]]
    _check(len(beats) == layer["load_beats"], "a load beyond the program")
    count = (1 << layer["output_planes"]) - 1 if layer["head"] == Head.THRESHOLD else 1
    _check(count < CONSTANTS, "more constants than there are places")
    plane_beats = -(-layer["columns"] // 64)
    constants, weights, used = [], [], 0
    for row in range(0, layer["rows"], engine.rows):
        rows = min(engine.rows, layer["rows"] - row)
        pairs = -(-rows // 2)
        block = beats[used : used + count * pairs]
        used += count * pairs
        integers = block.astype("<u8").view("<i4").reshape(count, 2 * pairs)
        constants.append(integers.T[:rows].astype(np.int64))
        block = beats[used : used + rows * layer["weight_planes"] * plane_beats]
        used += len(block)
        weights.append(_bits(block).reshape(rows, layer["weight_planes"], 64 * plane_beats))
    _check(used == len(beats), "beats that no block uses")
    return np.concatenate(constants), np.concatenate(weights)[:, :, : layer["columns"]]


def _sums(layer: dict, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(frames, rows) int64: one popcount of AND for each pair of planes, weighed; a bipolar factor
    counts 2 * bit - 1, without what is a constant of the row."""
    _check(1 <= layer["weight_planes"] <= MAX_PLANES, "weights of too many bits")
    _check(1 <= layer["input_planes"] <= MAX_PLANES, "inputs of too many bits")
    sums = np.zeros((inputs.shape[0], weights.shape[0]), np.int64)
    total = np.zeros((inputs.shape[0], 1), np.int64)
    for i in range(layer["input_planes"]):
        x = inputs[:, i].astype(np.float32)
        x_weight = plane_weight(i, layer["input_planes"], layer["input_signed"])
        total += x_weight * x.sum(axis=1, keepdims=True).astype(np.int64)
        for j in range(layer["weight_planes"]):
            w = weights[:, j].astype(np.float32)
            count = x @ w.T
            w_weight = plane_weight(j, layer["weight_planes"], layer["weight_signed"])
            sums += x_weight * w_weight * count.astype(np.int64)
    if layer["weight_bipolar"]:
        sums = 2 * sums - total
    return 2 * sums if layer["input_bipolar"] else sums


def plane_weight(plane: int, planes: int, signed: int) -> int:
    return -(1 << plane) if signed and plane == planes - 1 else 1 << plane


def _outputs(layer: dict, sums: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """What the head makes of sums (frames, rows), as stored bits (frames, outputs) uint64."""
    _check((np.abs(sums) < 1 << 31).all(), "a sum that 32 bits do not hold")
    if layer["head"] == Head.THRESHOLD:
        _check((np.diff(constants, axis=1) >= 0).all(), "thresholds that do not ascend")
        return (sums[:, :, None] >= constants).sum(axis=2).astype(np.uint64)
    values = sums - constants[:, 0]
    if layer["head"] == Head.ARGMAX:
        return values.argmax(axis=1)[:, None].astype(np.uint64)
    if layer["head"] == Head.SOFTMAX:
        _check(layer["output_planes"] == 8, "shares of other than 8 bits")
        scale = layer["softmax_multiplier"], layer["softmax_shift"]
        return Softmax(*scale).shares(values).astype(np.uint64)
    return values.astype(np.uint64) & np.uint64((1 << layer["output_planes"]) - 1)


def _bits(beats: np.ndarray) -> np.ndarray:
    """Beats uint64 to their bits, the lowest first."""
    return np.unpackbits(np.ascontiguousarray(beats, "<u8").view(np.uint8), bitorder="little")
