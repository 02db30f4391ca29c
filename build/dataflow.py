"""Lays a network out as a dataflow overlay: a stage for each layer, and the links between them."""

from __future__ import annotations

from math import lcm

from bitfold.build.unrolled.layer import unrolled_layer
from bitfold.models.errors import FoldingError, OverlayError
from bitfold.models.network import ArgMax, Dense, Network, Softmax, Threshold
from bitfold.overlays.dataflow import (
    ArgMaxStage,
    DataflowOverlay,
    Fold,
    Folding,
    Link,
    MatrixStage,
    SoftmaxStage,
    Stage,
    ThresholdStage,
    UnrolledStage,
)
from bitfold.overlays.packing import FrameLayout

MAX_WEIGHT_BITS = 8
MAX_LEVEL_BITS = 8
MAX_UNROLLED_WEIGHTS = 1 << 16
LARGEST_COMPARED = 2**31 - 1
"""A layer of as many bipolar weights is more than a xc7z020 holds as logic."""
MAX_UNROLLED_CYCLES = 256
"""No layer has as many LUTs one behind the other, and more registers than those are of no use."""


def plan(network: Network, folding: Folding) -> DataflowOverlay:
    """The overlay that computes `network` with `folding`.

    Raises OverlayError for a network that no dataflow overlay can hold, FoldingError for a fold
    that is missing, unknown or does not divide its layer.
    """
    stages: list[Stage] = []
    links: list[Link | None] = []
    unused = set(folding)
    first = network.tensors[network.input]
    layout = FrameLayout(first.size, first.encoding)
    nodes = list(network.nodes)
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, Dense) or not stages:
            if node.name not in folding:
                raise FoldingError(f"{node.name}: no PE and SIMD given; give one for every layer")
            fold = folding[node.name]
            unused.discard(node.name)
            if fold.unrolled:
                behind = nodes.pop(0) if nodes and isinstance(nodes[0], Threshold) else None
                stage = _unrolled(network, node, behind, fold)
            else:
                stage = _stage(network, node, fold)
            links.append(_link(stages[-1], stage) if stages else _link_from_port(layout, stage))
        elif isinstance(node, Softmax):
            stage = _softmax(network, node)
            links.append(_link(stages[-1], stage))
        else:
            stage = _stage(network, node, Fold(stages[-1].lanes_out))
            links.append(None)
        stages.append(stage)
    if unused:
        raise FoldingError(
            f"{', '.join(sorted(unused))}: not a layer that can be folded; "
            f"these can: {', '.join(foldable(network))}"
        )
    last = network.tensors[network.output]
    output = FrameLayout(last.size, last.encoding)
    links.append(_link_to_port(stages[-1], output))
    return DataflowOverlay(layout, output, tuple(stages), tuple(links))


def foldable(network: Network) -> dict[str, tuple[int, int]]:
    """The layers that have a fold to choose, with the (rows, columns) that PE and SIMD divide."""
    layers = {}
    for i, node in enumerate(network.nodes):
        rows = network.tensors[node.output].size
        if isinstance(node, Dense):
            layers[node.name] = (rows, network.tensors[node.input].size)
        elif i == 0:
            layers[node.name] = (network.tensors[node.input].size, 1)
    return layers


def _stage(network: Network, node, fold: Fold) -> Stage:
    source, target = network.tensors[node.input], network.tensors[node.output]
    is_dense = isinstance(node, Dense)
    _check_fold(node.name, "PE", fold.pe, "rows", target.size if is_dense else source.size)
    _check_fold(node.name, "SIMD", fold.simd, "columns", source.size if is_dense else 1)
    if is_dense:
        weight = network.parameters[node.weight].encoding
        if weight.bits > MAX_WEIGHT_BITS:
            raise OverlayError(
                f"{node.name}: weights of {weight.bits} bits; the overlay takes at most "
                f"{MAX_WEIGHT_BITS}: quantize them further"
            )
        return MatrixStage(
            node.name,
            target.size,
            source.size,
            fold,
            source.encoding,
            weight,
            target.encoding,
            node.weight,
        )
    if isinstance(node, Threshold):
        thresholds = network.parameters[node.thresholds].values
        levels = thresholds.shape[1]
        if levels.bit_length() > MAX_LEVEL_BITS:
            raise OverlayError(
                f"{node.name}: {levels} thresholds a channel; the overlay takes at most "
                f"{2**MAX_LEVEL_BITS - 1}: quantize the activation to {MAX_LEVEL_BITS} bits"
            )
        if source.encoding.maximum >= LARGEST_COMPARED:
            raise OverlayError(
                f"{node.name}: it compares {source.encoding}, but a dataflow overlay only what is "
                f"below {LARGEST_COMPARED}, so that 32 bits hold a threshold above all; declare "
                "the narrowest encoding, or use fewer inputs, or fewer bits for weights or "
                "activations"
            )
        return ThresholdStage(
            node.name,
            source.size,
            fold,
            source.encoding,
            target.encoding,
            node.thresholds,
            len(thresholds) == 1,
            node.base,
            levels,
        )
    assert isinstance(node, ArgMax)
    return ArgMaxStage(node.name, source.size, fold, source.encoding, target.encoding)


def _softmax(network: Network, node: Softmax) -> SoftmaxStage:
    source, target = network.tensors[node.input], network.tensors[node.output]
    return SoftmaxStage(
        node.name,
        source.size,
        source.encoding,
        target.encoding,
        node.multiplier,
        node.shift,
        node.form == "plain",
    )


def _unrolled(
    network: Network, dense: Dense, threshold: Threshold | None, fold: Fold
) -> UnrolledStage:
    if not isinstance(dense, Dense):
        raise FoldingError(f"{dense.name}: thresholds alone can't be unrolled; give PE")
    rows, columns = network.parameters[dense.weight].values.shape
    if (fold.pe, fold.simd) != (rows, columns):
        raise FoldingError(
            f"{dense.name}: PE={fold.pe} and SIMD={fold.simd}, but a layer is unrolled whole; "
            f"give PE={rows} and SIMD={columns}, or fold it"
        )
    if rows * columns > MAX_UNROLLED_WEIGHTS:
        raise FoldingError(
            f"{dense.name}: {rows} x {columns} weights are too many to unroll (at most "
            f"{MAX_UNROLLED_WEIGHTS}); fold it"
        )
    if not 1 <= fold.unrolled <= MAX_UNROLLED_CYCLES:
        raise FoldingError(
            f"{dense.name}: unrolled={fold.unrolled} cycles; from 1 to {MAX_UNROLLED_CYCLES} can be"
        )
    return UnrolledStage(
        dense.name,
        rows,
        columns,
        fold,
        network.tensors[dense.input].encoding,
        network.tensors[(threshold or dense).output].encoding,
        unrolled_layer(network, dense.name).luts,
    )


def _check_fold(layer: str, factor: str, value: int, unit: str, size: int) -> None:
    if value < 1 or size % value:
        legal = [d for d in range(1, size + 1) if size % d == 0]
        nearest = sorted(sorted(legal, key=lambda d: abs(d - value))[:3])
        raise FoldingError(
            f"{layer}: {factor}={value} does not divide {size} {unit}; "
            f"try {', '.join(map(str, nearest[:-1]))} or {nearest[-1]}"
            if len(nearest) > 1
            else f"{layer}: {factor}={value} does not divide {size} {unit}; only 1 does"
        )


def _link(producer: Stage, consumer: Stage) -> Link | None:
    """Both lane counts divide the frame, so their least common multiple does."""
    if producer.lanes_out == consumer.lanes_in and isinstance(consumer, UnrolledStage):
        return None
    wide = lcm(producer.lanes_out, consumer.lanes_in)
    return Link(
        producer.output.bits,
        producer.elements_out,
        producer.lanes_out,
        wide,
        wide,
        wide,
        consumer.lanes_in,
    )


def _link_from_port(layout: FrameLayout, consumer: Stage) -> Link | None:
    if layout.beats == 1 and isinstance(consumer, UnrolledStage):
        return None
    padding = layout.beats * layout.lanes - layout.elements
    wide = layout.beats * layout.lanes if padding else lcm(layout.lanes, consumer.lanes_in)
    kept = layout.elements if padding else wide
    return Link(
        layout.encoding.bits, layout.elements, layout.lanes, wide, kept, kept, consumer.lanes_in
    )


def _link_to_port(producer: Stage, layout: FrameLayout) -> Link | None:
    if layout.beats == 1 and producer.lanes_out == layout.elements:
        return None
    padding = layout.beats * layout.lanes - layout.elements
    kept = layout.elements if padding else lcm(layout.lanes, producer.lanes_out)
    padded = layout.beats * layout.lanes if padding else kept
    return Link(
        layout.encoding.bits, layout.elements, producer.lanes_out, kept, kept, padded, layout.lanes
    )
