"""The networks that the benchmarks compare tools on: random integers, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Conv2d, Dense, Flatten, MaxPool, Op, Threshold
from bitfold.models.ops.dense import accumulator_range
from bitfold.models.value import Parameter, Value

BINARY_WIDTHS = (64, 64, 64, 10)
SIX_BIT_WIDTHS = (4, 64, 32, 32, 3)
TFC_WIDTHS = (784, 64, 64, 64, 10)

Draw = Callable[[int, int], np.ndarray]
"""Rows and columns to weights."""
Requantize = Callable[[np.ndarray], np.ndarray]
"""Weights to the thresholds after them, (rows, levels)."""


def binary(widths: Sequence[int] = BINARY_WIDTHS, seed: int = 0) -> Network:
    """W1A1: bipolar inputs, weights and activations, one threshold a row, integer scores."""
    random = np.random.default_rng(seed)
    bipolar = Encoding.of("BIPOLAR")
    return _network("W1A1", widths, bipolar, bipolar, bipolar, *_spread(random, bipolar, bipolar))


def six_bit(pruned: float = 0.0, widths: Sequence[int] = SIX_BIT_WIDTHS, seed: int = 0) -> Network:
    """W6A6: weights -31..31, of which the share `pruned` is zero; activations and inputs 0..63.

    Activations are requantized by a bias a row, a shift and a clip: thresholds 2**shift apart, the
    shift such that most of the range is used.
    """
    random = np.random.default_rng(seed)
    largest = 63

    def weights(rows: int, columns: int) -> np.ndarray:
        drawn = random.integers(1, 32, rows * columns) * random.choice((-1, 1), rows * columns)
        drawn[random.permutation(rows * columns)[: round(pruned * rows * columns)]] = 0
        return drawn.reshape(rows, columns)

    def thresholds(weight: np.ndarray) -> np.ndarray:
        spread = np.sqrt((weight**2).sum(axis=1).mean()) * largest / 3
        shift = round(np.log2(4 * spread / largest))
        bias = np.rint(random.normal(spread, spread, (len(weight), 1)))
        return np.arange(1, largest + 1) * 2**shift - bias

    name = f"W6A6, {pruned:.0%} pruned" if pruned else "W6A6"
    codes = Encoding.of("UINT6")
    return _network(name, widths, codes, codes, Encoding.of("INT6"), weights, thresholds)


def tfc(weights: str = "BIPOLAR", activations: str = "BIPOLAR", seed: int = 0) -> Network:
    """The shape of TFC on 784 pixels 0..255, which thresholds turn into activations first."""
    random = np.random.default_rng(seed)
    activation, weight = Encoding.of(activations), Encoding.of(weights)
    name = f"TFC W{weight.bits}A{activation.bits}"
    parts = _spread(random, weight, activation)
    return _network(name, TFC_WIDTHS, Encoding.of("UINT8"), activation, weight, *parts)


def any_bits(
    widths: Sequence[int], inputs: str, weights: str, activations: str, seed: int = 0
) -> Network:
    """Layers of `widths`, the encodings by their QONNX names."""
    random = np.random.default_rng(seed)
    activation, weight = Encoding.of(activations), Encoding.of(weights)
    name = f"{'-'.join(map(str, widths))} {inputs} {weights} {activations}"
    parts = _spread(random, weight, activation)
    return _network(name, widths, Encoding.of(inputs), activation, weight, *parts)


def cnv(seed: int = 0) -> Network:
    """The shape of BNN-PYNQ's CNV W1A1: images 32x32x3 of 8 bits, bipolar weights, 10 scores."""
    random = np.random.default_rng(seed)
    bipolar = Encoding.of("BIPOLAR")
    values = {"x": Value((32, 32, 3), Encoding.of("INT8"))}
    parameters: dict[str, Parameter] = {}
    nodes: list[Node] = []
    here = "x"

    def add(name: str, op: Op, *given: Parameter) -> None:
        nonlocal here
        names = tuple(f"{name}.{role}" for role in op.roles)
        parameters.update(zip(names, given))
        values[f"{name}.out"] = op.infer([values[here]], given)[0]
        nodes.append(Node(name, op, (here,), (f"{name}.out",), names))
        here = f"{name}.out"

    def product(name: str, op: Op, shape: tuple[int, ...], last: bool = False) -> None:
        add(name, op, Parameter((2 * random.integers(0, 2, shape) - 1).astype(np.int32), bipolar))
        if not last:
            spread = np.sqrt(np.prod(shape[1:])) * (70 if name == "conv0" else 1)
            levels = np.rint(random.normal(0, spread / 4, (shape[0], 1))).astype(np.int32)
            low, high = min(int(levels.min()), -1), max(int(levels.max()), 1)
            add(
                f"act_{name}",
                Threshold.to(bipolar),
                Parameter(levels, Encoding.for_range(low, high)),
            )

    channels = 3
    for i, rows in enumerate((64, 64, 128, 128, 256, 256)):
        if i in (2, 4):
            add(f"pool{i}", MaxPool((2, 2), (2, 2)))
        product(f"conv{i}", Conv2d(), (rows, 3, 3, channels))
        channels = rows
    add("flatten", Flatten((0, 1, 2)))
    for i, rows in enumerate((512, 512, 10)):
        product(f"dense{i}", Dense(), (rows, channels), last=rows == 10)
        channels = rows
    return Network("CNV W1A1", (32, 32, 3), (), "x", here, values, parameters, tuple(nodes), ())


def random_inputs(network: Network, frames: int, seed: int) -> np.ndarray:
    """Uniform over the network's input encoding, (frames, features) int64."""
    value = network.input_value
    drawn = np.random.default_rng(seed).integers(
        0, 2**value.encoding.bits, (frames, value.size), dtype=np.uint64
    )
    return value.encoding.from_bits(drawn)


def _spread(
    random: np.random.Generator, weight: Encoding, activation: Encoding
) -> tuple[Draw, Requantize]:
    """Weights uniform over their encoding, thresholds where the sums are."""
    levels = (activation.maximum - activation.minimum) // activation.step

    def weights(rows: int, columns: int) -> np.ndarray:
        choices = (weight.maximum - weight.minimum) // weight.step + 1
        return weight.minimum + weight.step * random.integers(0, choices, (rows, columns))

    def thresholds(matrix: np.ndarray) -> np.ndarray:
        middle = matrix.sum(axis=1, keepdims=True) * (activation.maximum + activation.minimum) / 2
        spread = np.sqrt((matrix**2).sum(axis=1).mean()) * activation.maximum / 2
        at = (np.arange(1, levels + 1) - (levels + 1) / 2) / max(levels, 2)
        return np.rint(middle + random.normal(0, spread / 4, (len(matrix), 1)) + 4 * spread * at)

    return weights, thresholds


def _network(
    name: str,
    widths: Sequence[int],
    source: Encoding,
    activation: Encoding,
    weight: Encoding,
    weights: Draw,
    thresholds: Requantize,
) -> Network:
    made = {"x": Value((widths[0],), source)}
    parameters: dict[str, Parameter] = {}
    nodes: list[Node] = []

    def threshold(layer: str, before: str, values: np.ndarray) -> str:
        low, high = min(int(values.min()), -1), max(int(values.max()), 1)
        parameters[f"{layer}.t"] = Parameter(values.astype(np.int32), Encoding.for_range(low, high))
        made[layer] = Value((made[before].size,), activation)
        nodes.append(Node(layer, Threshold.to(activation), (before,), (layer,), (f"{layer}.t",)))
        return layer

    here = "x"
    if source != activation:
        levels = (activation.maximum - activation.minimum) // activation.step
        even = np.arange(1, levels + 1) * (source.maximum + 1) // (levels + 1)
        here = threshold("quantize", here, even[None, :])
    for i, rows in enumerate(widths[1:]):
        before = made[here]
        matrix = weights(rows, before.size)
        parameters[f"fc{i}.w"] = Parameter(matrix.astype(np.int32), weight)
        sums = Encoding.for_range(*accumulator_range(matrix, before.encoding))
        made[f"fc{i}"] = Value((rows,), sums)
        nodes.append(Node(f"fc{i}", Dense(), (here,), (f"fc{i}",), (f"fc{i}.w",)))
        here = f"fc{i}"
        if i + 2 < len(widths):
            here = threshold(f"act{i}", here, thresholds(matrix.astype(np.int64)))
    return Network(
        name=f"{name} {'-'.join(str(width) for width in widths)}",
        sample_shape=(widths[0],),
        quantizer=(),
        input="x",
        output=here,
        values=made,
        parameters=parameters,
        nodes=tuple(nodes),
        head=(),
    )
