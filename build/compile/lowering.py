"""Lowers a network to a dataflow overlay: a stage for each part of a kernel, edges between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from math import gcd, prod
from typing import NamedTuple

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
from bitfold.models.ops.windows import NONE
from bitfold.models.value import Value
from bitfold.overlays.dataflow.clock import DEFAULT_CLOCK_MHZ
from bitfold.overlays.dataflow.design import Design, Edge
from bitfold.overlays.dataflow.fold import Fold, Folding
from bitfold.overlays.dataflow.link import Link
from bitfold.overlays.dataflow.pipelining import dot_product_registers, multiplies, read_cycles
from bitfold.overlays.dataflow.stages import (
    AddStage,
    ArgMaxStage,
    ConcatenateStage,
    ConvolutionStage,
    MatrixStage,
    PoolingStage,
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


def lower(network: Network, folding: Folding, clock_mhz: float = DEFAULT_CLOCK_MHZ) -> Design:
    """The overlay that computes `network` with `folding`, its dot products with as many registers
    as `clock_mhz` asks for.

    Raises OverlayError for a network that no dataflow overlay can hold, FoldingError for a fold
    that is missing, unknown or does not divide its layer.
    """
    return with_depths(wire(network, folding, clock_mhz))


def wire(network: Network, folding: Folding, clock_mhz: float = DEFAULT_CLOCK_MHZ) -> Design:
    """The same before its memories have their depths: its stages, and so how often it takes a
    frame."""
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
        _check_fold(kernel.name, fold, sizes.get(kernel.name, Foldable(1, 1)))
        for stage, nodes in _stages(network, kernel, fold, clock_mhz):
            reads.append(_reads(kernel, nodes))
            stages.append(stage)
            constants.append(
                tuple(_constants(network, kernel, node) for node in nodes if node.op.roles)
            )
    value_in, value_out = network.input_value, network.output_value
    return Design(
        input=FrameLayout(value_in.size, value_in.encoding),
        output=FrameLayout(value_out.size, value_out.encoding),
        stages=tuple(stages),
        edges=_edges(network, stages, reads),
        constants=tuple(constants),
    )


class Foldable(NamedTuple):
    """A layer that has a fold to choose: PE divides `rows` and SIMD `columns`.

    With all of them at once it takes `times` cycles a frame, or `arrivals` where it takes its input
    no faster.
    """

    rows: int
    columns: int
    times: int = 1
    arrivals: int = 1
    depthwise: bool = False

    @property
    def whole(self) -> Fold:
        """All rows and columns at once."""
        return Fold(self.rows, self.columns)

    def cycles(self, fold: Fold) -> int:
        """Cycles a frame."""
        return max(self.times * (self.rows // fold.pe), self.arrivals) * (self.columns // fold.simd)


def foldable(network: Network) -> dict[str, Foldable]:
    """The layers that have a fold to choose."""
    sizes = {}
    for kernel in fuse(network):
        inputs = [network.values[name] for name in kernel.inputs]
        op = (kernel.product or kernel.nodes[0]).op
        if isinstance(op, Dense):
            sizes[kernel.name] = Foldable(
                network.values[kernel.product.output].size, inputs[0].size
            )
        elif isinstance(op, (Conv2d, MaxPool, SumPool)):
            sizes[kernel.name] = _windowed(network, kernel, inputs[0])
        elif not isinstance(op, Softmax):
            channels = reduce(gcd, [value.shape[-1] for value in inputs])
            sizes[kernel.name] = Foldable(channels, 1, inputs[0].size // inputs[0].shape[-1])
    return sizes


def _windowed(network: Network, kernel: Kernel, value: Value) -> Foldable:
    """Of a layer whose windows slide over a feature map."""
    node = kernel.product or kernel.nodes[0]
    height, width, rows = network.values[node.output].shape
    pixels, channels = prod(value.shape[:2]), value.shape[-1]
    if not kernel.product:
        return Foldable(rows, 1, max(height * width * prod(node.op.kernel), pixels))
    taps, groups = prod(network.parameter(node, "weights").values.shape[1:3]), node.op.groups
    if groups == channels == rows > 1:
        return Foldable(rows, 1, max(height * width * taps, pixels), depthwise=True)
    columns = channels // groups
    return Foldable(rows // groups, columns, height * width * taps * groups, pixels * groups)


def layer_stages(network: Network, layer: str, fold: Fold, clock_mhz: float) -> list[Stage]:
    """The stages of one layer alone, as `lower` makes them."""
    kernel = next(kernel for kernel in fuse(network) if kernel.name == layer)
    return [stage for stage, _ in _stages(network, kernel, fold, clock_mhz)]


def with_depths(design: Design) -> Design:
    """`design` with memories that are just deep enough: nothing ever waits for a place in them."""
    schedule = design.schedule
    edges = tuple(
        replace(edge, link=edge.link and replace(edge.link, depth=schedule.needed_depth(edge)))
        for edge in design.edges
    )
    stages = tuple(stage.with_room(schedule.given(i)) for i, stage in enumerate(design.stages))
    return replace(design, stages=stages, edges=edges)


def _stages(
    network: Network, kernel: Kernel, fold: Fold, clock_mhz: float
) -> list[tuple[Stage, list[Node]]]:
    """The stages of a kernel, each with the nodes that it computes."""
    left = list(kernel.nodes)
    if kernel.part(Dense) and isinstance(left[0].op, Flatten):
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
            raise OverlayError(
                f"{node.name}: a dataflow overlay has no stage for a {node.kind} of its own; put "
                "it in front of a dense layer that alone reads it"
            )
        stage = _MAKERS[type(node.op)](network, kernel, node, fold)
        made.append((stage.for_clock(clock_mhz), [node]))
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


def _convolution(network: Network, kernel: Kernel, node: Node, fold: Fold) -> MatrixStage:
    op, window = node.op, network.parameter(node, "weights").values.shape[1:3]
    if (window, op.stride, op.padding, op.groups) == ((1, 1), (1, 1), NONE, 1):
        return _matrix(network, kernel, node, fold)
    source = network.values[node.input].encoding
    if any(op.padding):
        _check_fill(node, op.fill, source)
    stage = _product(ConvolutionStage, network, kernel, node, fold, window=window)
    if stage.depthwise and fold.simd != 1:
        raise FoldingError(
            f"{node.name}: SIMD={fold.simd}, but each output channel sees one input channel; give 1"
        )
    return stage


def _check_fill(node: Node, fill: int, source: Encoding) -> None:
    """Raises OverlayError where what stands beyond the edges is no integer of the input's."""
    stands = source.minimum <= fill <= source.maximum and (fill - source.minimum) % source.step == 0
    if not stands:
        raise OverlayError(
            f"{node.name}: beyond the edges it sees {fill}, which {source} has not; pad with one "
            "of its values"
        )


def _matrix(network: Network, kernel: Kernel, node: Node, fold: Fold) -> MatrixStage:
    return _product(MatrixStage, network, kernel, node, fold)


def _product(
    kind: type[MatrixStage], network: Network, kernel: Kernel, node: Node, fold: Fold, **more
) -> MatrixStage:
    """A stage that multiplies by weights."""
    weight = network.parameter(node, "weights").encoding
    if weight.bits > MAX_WEIGHT_BITS:
        raise OverlayError(
            f"{node.name}: weights of {weight.bits} bits; the overlay takes at most "
            f"{MAX_WEIGHT_BITS}: quantize them further"
        )
    common = _common(network, kernel, [node], fold)
    if isinstance(node.op, Dense):
        (value,) = common["inputs"]
        common["inputs"] = (Value((value.size,), value.encoding),)
    source = common["inputs"][0].encoding
    multipliers = multiplies(source, weight)
    stage = kind(
        **common,
        **more,
        weight=weight,
        multipliers=multipliers,
        read_cycles=1,
        registers=dot_product_registers(fold.simd, source, weight, multipliers),
    )
    return replace(stage, read_cycles=read_cycles(stage.images["weights"].words))


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


def _pooling(network: Network, kernel: Kernel, node: Node, fold: Fold) -> PoolingStage:
    source = network.values[node.input].encoding
    if isinstance(node.op, SumPool) and any(node.op.padding):
        _check_fill(node, 0, source)
    return PoolingStage(**_common(network, kernel, [node], fold))


def _add(network: Network, kernel: Kernel, node: Node, fold: Fold) -> AddStage:
    return AddStage(**_common(network, kernel, [node], fold))


def _concatenate(network: Network, kernel: Kernel, node: Node, fold: Fold) -> ConcatenateStage:
    return ConcatenateStage(**_common(network, kernel, [node], fold))


_MAKERS: dict[type[Op], Callable[[Network, Kernel, Node, Fold], Stage]] = {
    Add: _add,
    ArgMax: _argmax,
    Concatenate: _concatenate,
    Conv2d: _convolution,
    Dense: _matrix,
    MaxPool: _pooling,
    Softmax: _softmax,
    SumPool: _pooling,
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
    logic = unrolled_layer(network, kernel)
    return UnrolledStage(
        **_common(network, kernel, nodes, fold),
        weight=weight.encoding,
        thresholds=thresholds.values.shape if thresholds else (0, 0),
        threshold_encoding=thresholds.encoding if thresholds else Encoding.of("BINARY"),
        luts=logic.luts,
        depth=-(-logic.depth // fold.unrolled),
    )


def _check_fold(layer: str, fold: Fold, size: Foldable) -> None:
    for factor, value, unit, of in (
        ("PE", fold.pe, "rows", size.rows),
        ("SIMD", fold.simd, "columns", size.columns),
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
