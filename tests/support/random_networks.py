"""Random networks and foldings for tests. A shape fixes all that the RTL depends on; weights,
thresholds, inputs and stalls are drawn apart from it, so that one build serves many networks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bitfold.build.compile.lowering import foldable
from bitfold.models.encoding import Encoding
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import ArgMax, Dense, Softmax, Threshold
from bitfold.models.ops.softmax import scaled
from bitfold.models.value import Parameter, Value
from bitfold.overlays.dataflow.fold import Fold

WEIGHTS = ("BIPOLAR", "BINARY", "TERNARY", "INT2", "INT3", "UINT3", "INT4", "UINT4", "INT6", "INT8")
ACTIVATIONS = (
    *("BIPOLAR", "BINARY", "TERNARY", "UINT2", "INT2", "UINT3", "INT3", "UINT4", "INT4"),
    *("UINT5", "INT6", "UINT8", "INT8"),
)
MAX_PRODUCTS = 512
"""The most products a cycle: what is wider takes the C++ compiler too long."""


@dataclass(frozen=True)
class Shape:
    """Sizes and encodings of a network: `widths` and `activations` from the input on, `weights`
    a layer; `softmax` is the form of the one at its end."""

    widths: tuple[int, ...]
    activations: tuple[str, ...]
    weights: tuple[str, ...]
    input_threshold: str | None
    shared_thresholds: bool
    argmax: bool
    softmax: str | None = None


def random_shape(seed: int) -> Shape:
    """1 to 5 layers, widths 1 to 96, every encoding pair."""
    random = np.random.default_rng(seed)
    layers = int(random.integers(1, 6))
    widths = tuple(int(w) for w in random.integers(1, 97, layers + 1))
    return Shape(
        widths=widths,
        activations=tuple(str(a) for a in random.choice(ACTIVATIONS, layers)),
        weights=tuple(str(w) for w in random.choice(WEIGHTS, layers)),
        input_threshold=str(random.choice(ACTIVATIONS)) if random.random() < 0.3 else None,
        shared_thresholds=bool(random.random() < 0.3),
        argmax=bool(widths[-1] > 1 and random.random() < 0.5),
    )


def with_softmax(shape: Shape, form: str = "reduced", classes: int | None = None) -> Shape:
    """`shape` with a softmax of that form at its end, over 2 to 64 classes."""
    classes = classes or min(max(shape.widths[-1], 2), 64)
    return replace(shape, widths=(*shape.widths[:-1], classes), argmax=False, softmax=form)


def random_network(shape: Shape, seed: int) -> Network:
    """A network of `shape` with random parameters.

    Accumulators are declared for the widest weights of their encoding, so that networks of one
    shape make the same RTL.
    """
    random = np.random.default_rng(seed)
    made: dict[str, Value] = {}
    parameters: dict[str, Parameter] = {}
    nodes: list = []

    def threshold(name: str, source: str, encoding: str) -> str:
        value, target = made[source], Encoding.of(encoding)
        levels = (target.maximum - target.minimum) // target.step
        rows = 1 if shape.shared_thresholds else value.size
        low, high = value.encoding.minimum, value.encoding.maximum + 1
        # Crowded around zero, where accumulators are; now and then out of reach.
        spread = max(1.0, min(high - low, 300) / 4)
        drawn = np.rint(random.normal(0, spread, (rows, levels))).astype(np.int64)
        drawn[random.random(drawn.shape) < 0.05] = high
        values = np.sort(np.clip(drawn, low, high), axis=1).astype(np.int32)
        parameters[f"{name}.t"] = Parameter(values, Encoding.for_range(min(low, -1), high))
        made[name] = Value((value.size,), target)
        nodes.append(Node(name, Threshold.to(target), (source,), (name,), (f"{name}.t",)))
        return name

    here = "input"
    made[here] = Value((shape.widths[0],), Encoding.of(shape.activations[0]))
    if shape.input_threshold:
        here = threshold("quantize", here, shape.input_threshold)
    for i, (rows, weight) in enumerate(zip(shape.widths[1:], shape.weights)):
        encoding, source = Encoding.of(weight), made[here]
        name = f"fc{i}"
        values = random_values(encoding, (rows, source.size), random).astype(np.int32)
        parameters[f"{name}.w"] = Parameter(values, encoding)
        corners = [
            w * x
            for w in (encoding.minimum, encoding.maximum)
            for x in (source.encoding.minimum, source.encoding.maximum)
        ]
        low, high = min(*corners, 0) * source.size, max(*corners, 0) * source.size
        made[name] = Value((rows,), Encoding.for_range(min(low, -1), high))
        nodes.append(Node(name, Dense(), (here,), (name,), (f"{name}.w",)))
        here = name
        if i + 1 < len(shape.weights):
            here = threshold(f"act{i}", here, shape.activations[i + 1])
    if shape.argmax:
        made["class"] = Value((1,), Encoding.for_range(0, shape.widths[-1] - 1))
        nodes.append(Node("argmax", ArgMax(), (here,), ("class",)))
        here = "class"
    if shape.softmax:
        # The range of the sums is -32..32, more than the 6 beyond which a share is none.
        multiplier, shift = scaled(32 / made[here].encoding.maximum, shape.softmax)
        made["shares"] = Value((made[here].size,), Encoding.of("UINT8"))
        nodes.append(
            Node("softmax", Softmax(multiplier, shift, shape.softmax), (here,), ("shares",))
        )
        here = "shares"
    return Network(
        name="random",
        sample_shape=(shape.widths[0],),
        quantizer=(),
        input="input",
        output=here,
        values=made,
        parameters=parameters,
        nodes=tuple(nodes),
        head=(),
    )


def random_values(encoding: Encoding, shape: tuple[int, ...], random) -> np.ndarray:
    """Uniform over the encoding, with its extremes more often than chance would."""
    levels = (encoding.maximum - encoding.minimum) // encoding.step
    drawn = random.integers(0, levels + 1, shape)
    extreme = random.random(shape) < 0.1
    drawn[extreme] = random.choice([0, levels], shape)[extreme]
    return encoding.minimum + encoding.step * drawn


def random_inputs(network: Network, frames: int, seed: int) -> np.ndarray:
    value = network.input_value
    return random_values(value.encoding, (frames, value.size), np.random.default_rng(seed))


def random_folding(network: Network, seed: int) -> dict[str, Fold]:
    """Any legal folding of at most MAX_PRODUCTS products a cycle and layer."""
    random = np.random.default_rng(seed)
    folding = {}
    for name, size in foldable(network).items():
        legal = [
            Fold(pe, simd)
            for pe in range(1, size.rows + 1)
            for simd in range(1, size.columns + 1)
            if size.rows % pe == 0 and size.columns % simd == 0 and pe * simd <= MAX_PRODUCTS
        ]
        folding[name] = legal[random.integers(len(legal))]
    return folding


def random_unrolling(network: Network, seed: int) -> dict[str, Fold]:
    """Any legal folding in which some layers, or all, are unrolled, 1 to 3 cycles deep."""
    random = np.random.default_rng(seed)
    folding = random_folding(network, seed)
    share = random.choice([0.5, 1.0])
    for node in network.nodes:
        if isinstance(node.op, Dense) and random.random() < share:
            whole = foldable(network)[node.name].whole
            folding[node.name] = replace(whole, unrolled=int(random.integers(1, 4)))
    return folding
