"""Lowers a network to a dataflow overlay: a stage for each part of a kernel, edges between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from math import gcd

import numpy as np

from bitfold.build.unrolled.layer import unrolled_layer
from bitfold.models.encoding import Encoding
from bitfold.models.errors import FoldingError, OverlayError
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import (
    Add,
    ArgMax,
    Concatenate,
    Conv2d,
    Dense,
    Flatten,
    MaxPool,
    Op,
    Softmax,
    SumPool,
    Threshold,
)
from bitfold.overlays.dataflow.design import Design, Edge
from bitfold.overlays.dataflow.fold import Fold, Folding
from bitfold.overlays.dataflow.link import Link
from bitfold.overlays.dataflow.pipelining import dot_product_registers, multiplies, read_cycles
from bitfold.overlays.dataflow.stages import (
    AddStage,
    ArgMaxStage,
    ConcatenateStage,
    MatrixStage,
    SoftmaxStage,
    Stage,
    ThresholdStage,
    UnrolledStage,
)
from bitfold.overlays.kernels import Kernel, fuse, weights_of
from bitfold.overlays.packing import FrameLayout

MAX_WEIGHT_BITS = 8
MAX_LEVEL_BITS = 8
MAX_UNROLLED_WEIGHTS = 1 << 16
LARGEST_COMPARED = 2**31 - 1
"""A layer of as many bipolar weights is more than a xc7z020 holds as logic."""
MAX_UNROLLED_CYCLES = 256
"""No layer has as many LUTs one behind the other, and more registers than those are of no use."""


def lower(network: Network, folding: Folding) -> Design:
    """The overlay that computes `network` with `folding`.

    Raises OverlayError for a network that no dataflow overlay can hold, FoldingError for a fold
    that is missing, unknown or does not divide its layer.
    """
    sizes = foldable(network)
    unknown = sorted(set(folding) - set(sizes))
    if unknown:
        raise FoldingError(
            f"{', '.join(unknown)}: not a layer that can be folded; these can: {', '.join(sizes)}"
        )
    stages: list[Stage] = []
    reads: list[tuple[str, ...]] = []  # the values that each stage takes
    constants: list[tuple[np.ndarray, ...]] = []
    for kernel in fuse(network):
        if kernel.name in sizes and kernel.name not in folding:
            raise FoldingError(f"{kernel.name}: no PE and SIMD given; give one for every layer")
        fold = folding.get(kernel.name, Fold(1))
        _check_fold(kernel.name, fold, sizes.get(kernel.name, (1, 1)))
        for stage, nodes in _stages(network, kernel, fold):
            reads.append(_reads(kernel, nodes))
            stages.append(stage)
            constants.append(
                tuple(_constants(network, kernel, node) for node in nodes if node.op.roles)
            )
    value_in, value_out = network.input_value, network.output_value
    design = Design(
        input=FrameLayout(value_in.size, value_in.encoding),
        output=FrameLayout(value_out.size, value_out.encoding),
        stages=tuple(stages),
        edges=_edges(network, stages, reads),
        constants=tuple(constants),
    )
    return with_depths(design)


def foldable(network: Network) -> dict[str, tuple[int, int]]:
    """The layers that have a fold to choose, with the (rows, columns) that PE and SIMD divide."""
    sizes = {}
    for kernel in fuse(network):
        inputs = [network.values[name].size for name in kernel.inputs]
        if dense := kernel.product:
            sizes[kernel.name] = (network.values[dense.output].size, inputs[0])
        elif not isinstance(kernel.nodes[0].op, Softmax):
            sizes[kernel.name] = (reduce(gcd, inputs), 1)
    return sizes


def with_depths(design: Design) -> Design:
    """`design` with buffers where branches meet that are just deep enough for both to keep their
    pace: what comes first waits there, and nobody waits for a place."""
    edges = []
    for edge in design.edges:
        joins = edge.target is not None and len(design.into(edge.target)) > 1
        edges.append(replace(edge, link=_deepened(design, edge)) if joins else edge)
    return replace(design, edges=tuple(edges))


def _deepened(design: Design, edge: Edge) -> Link:
    flow = design.steady_frame
    taken = flow.taken[edge.target][edge.operand]
    depth = edge.link.needed_depth(flow.left(edge), taken, design.initiation_interval)
    return replace(edge.link, depth=depth)


def _stages(network: Network, kernel: Kernel, fold: Fold) -> list[tuple[Stage, list[Node]]]:
    """The stages of a kernel, each with the nodes that it computes."""
    left = list(kernel.nodes)
    if kernel.product and isinstance(left[0].op, Flatten):
        left.pop(0)  # the columns of the weights are moved instead
    made = []
    if fold.unrolled:
        fused = [left.pop(0)]
        if left and isinstance(left[0].op, Threshold):
            fused.append(left.pop(0))
        made.append((_unrolled(network, kernel, fused, fold), fused))
    for node in left:
        if made:  # it takes what the stage before gives, as it comes
            fold = Fold(made[-1][0].lanes_out)
        if type(node.op) not in _MAKERS:
            raise OverlayError(f"{node.name}: {_NO_STAGE[type(node.op)]}")
        made.append((_MAKERS[type(node.op)](network, kernel, node, fold), [node]))
    return made


def _constants(network: Network, kernel: Kernel, node: Node) -> np.ndarray:
    """The constants of a node, as its stage takes them."""
    if isinstance(node.op, Dense):
        return weights_of(network, kernel)
    return network.parameters[node.parameters[0]].values


def _reads(kernel: Kernel, nodes: list[Node]) -> tuple[str, ...]:
    """The values that a stage of `nodes` takes: the first of a kernel takes the kernel's."""
    return kernel.inputs if nodes[0].name == kernel.name else nodes[0].inputs


def _common(network: Network, kernel: Kernel, nodes: list[Node], fold: Fold) -> dict:
    """What every stage is made of."""
    return {
        "name": nodes[0].name,
        "layer": kernel.name,
        "value": nodes[-1].output,
        "ops": tuple(node.op for node in nodes),
        "inputs": tuple(network.values[name] for name in _reads(kernel, nodes)),
        "output": network.values[nodes[-1].output],
        "fold": fold,
    }


def _matrix(network: Network, kernel: Kernel, node: Node, fold: Fold) -> MatrixStage:
    weight = network.parameter(node, "weights").encoding
    if weight.bits > MAX_WEIGHT_BITS:
        raise OverlayError(
            f"{node.name}: weights of {weight.bits} bits; the overlay takes at most "
            f"{MAX_WEIGHT_BITS}: quantize them further"
        )
    common = _common(network, kernel, [node], fold)
    source = common["inputs"][0]
    words = (common["output"].size // fold.pe) * (source.size // fold.simd)
    multipliers = multiplies(source.encoding, weight)
    return MatrixStage(
        **common,
        weight=weight,
        multipliers=multipliers,
        read_cycles=read_cycles(words),
        registers=dot_product_registers(fold.simd, source.encoding, weight, multipliers),
    )


def _threshold(network: Network, kernel: Kernel, node: Node, fold: Fold) -> ThresholdStage:
    rows, levels = network.parameter(node, "thresholds").values.shape
    if levels.bit_length() > MAX_LEVEL_BITS:
        raise OverlayError(
            f"{node.name}: {levels} thresholds a channel; the overlay takes at most "
            f"{2**MAX_LEVEL_BITS - 1}: quantize the activation to {MAX_LEVEL_BITS} bits"
        )
    common = _common(network, kernel, [node], fold)
    source = common["inputs"][0].encoding
    if source.maximum >= LARGEST_COMPARED:
        raise OverlayError(
            f"{node.name}: it compares {source}, but a dataflow overlay only what is below "
            f"{LARGEST_COMPARED}, so that 32 bits hold a threshold above all; declare the "
            "narrowest encoding, or use fewer inputs, or fewer bits for weights or activations"
        )
    return ThresholdStage(**common, levels=levels, shared=rows == 1)


def _softmax(network: Network, kernel: Kernel, node: Node, fold: Fold) -> SoftmaxStage:
    # A layer of its own: it takes a score a cycle, whatever comes before.
    return SoftmaxStage(**_common(network, kernel, [node], Fold(1)) | {"layer": node.name})


def _argmax(network: Network, kernel: Kernel, node: Node, fold: Fold) -> ArgMaxStage:
    return ArgMaxStage(**_common(network, kernel, [node], fold))


def _add(network: Network, kernel: Kernel, node: Node, fold: Fold) -> AddStage:
    return AddStage(**_common(network, kernel, [node], fold))


def _concatenate(network: Network, kernel: Kernel, node: Node, fold: Fold) -> ConcatenateStage:
    return ConcatenateStage(**_common(network, kernel, [node], fold))


_NO_STAGE: dict[type[Op], str] = {
    Conv2d: "a dataflow overlay has no convolutions yet; run it on an offload overlay",
    Flatten: "there is no stage for a Flatten of its own; put it in front of a dense layer that "
    "alone reads it",
    MaxPool: "a dataflow overlay has no pooling yet; run it on an offload overlay",
    SumPool: "a dataflow overlay has no pooling yet; run it on an offload overlay",
}
_MAKERS: dict[type[Op], Callable[[Network, Kernel, Node, Fold], Stage]] = {
    Add: _add,
    ArgMax: _argmax,
    Concatenate: _concatenate,
    Dense: _matrix,
    Softmax: _softmax,
    Threshold: _threshold,
}


def _unrolled(network: Network, kernel: Kernel, nodes: list[Node], fold: Fold) -> UnrolledStage:
    dense = nodes[0]
    if not isinstance(dense.op, Dense):
        raise FoldingError(f"{dense.name}: only a dense layer can be unrolled; give PE")
    weight = network.parameter(dense, "weights")
    rows, columns = weight.values.shape
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
    thresholds = network.parameter(nodes[1], "thresholds") if len(nodes) > 1 else None
    return UnrolledStage(
        **_common(network, kernel, nodes, fold),
        weight=weight.encoding,
        thresholds=thresholds.values.shape if thresholds else (0, 0),
        threshold_encoding=thresholds.encoding if thresholds else Encoding.of("BINARY"),
        luts=unrolled_layer(network, kernel).luts,
    )


def _check_fold(layer: str, fold: Fold, size: tuple[int, int]) -> None:
    for factor, value, unit, of in (
        ("PE", fold.pe, "rows", size[0]),
        ("SIMD", fold.simd, "columns", size[1]),
    ):
        if value < 1 or of % value:
            legal = [d for d in range(1, of + 1) if of % d == 0]
            nearest = sorted(sorted(legal, key=lambda d: abs(d - value))[:3])
            raise FoldingError(
                f"{layer}: {factor}={value} does not divide {of} {unit}; "
                f"try {', '.join(map(str, nearest[:-1]))} or {nearest[-1]}"
                if len(nearest) > 1
                else f"{layer}: {factor}={value} does not divide {of} {unit}; only 1 does"
            )


def _edges(network: Network, stages: list[Stage], reads: list[tuple[str, ...]]) -> tuple[Edge, ...]:
    """From the stage that makes a value to those that read it."""
    makers = {stage.value: i for i, stage in enumerate(stages)}
    edges = []
    for target, stage in enumerate(stages):
        for operand, value in enumerate(reads[target]):
            source = makers.get(value)
            link = (
                _link_from_port(network, stage)
                if source is None
                else _link(stages[source], stage, len(network.readers(value)) > 1)
            )
            edges.append(Edge(source=source, target=target, operand=operand, link=link))
    last = makers[network.output]
    value = network.output_value
    layout = FrameLayout(value.size, value.encoding)
    # A frame that is a beat needs no link.
    direct = layout.beats == 1 and stages[last].lanes_out == layout.elements
    link = None if direct else Link.to_port(layout, stages[last].lanes_out)
    return (*edges, Edge(source=last, target=None, link=link))


def _link(producer: Stage, consumer: Stage, forked: bool) -> Link | None:
    """A stage that takes a beat every cycle at its producer's width is wired to it directly, but
    where branches part or meet."""
    alone = not forked and len(consumer.inputs) == 1
    if alone and consumer.direct and producer.lanes_out == consumer.lanes_in:
        return None
    value = producer.output
    return Link.between(value.encoding.bits, value.size, producer.lanes_out, consumer.lanes_in)


def _link_from_port(network: Network, consumer: Stage) -> Link | None:
    value = network.input_value
    layout = FrameLayout(value.size, value.encoding)
    alone = len(network.readers(network.input)) == 1
    if alone and layout.beats == 1 and consumer.whole_frames:
        return None
    return Link.from_port(layout, consumer.lanes_in)
