"""Reads weights and thresholds back from the memory images of a dataflow bundle.

The images are written in build/emit.py, in the order that mvau.sv and threshold.sv state.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.network import Dense, Network, Node, Threshold
from bitfold.overlays.bundle import DataflowBundle
from bitfold.overlays.images import ImageShape, image_name, read_words


def read_image(bundle: DataflowBundle, node: Dense | Threshold) -> np.ndarray | None:
    """What the overlay's memories hold for `node`: weights (rows, columns), or thresholds (rows or
    1, levels), int64. None where an unrolled layer has them in its logic."""
    network, nodes = bundle.network, bundle.network.nodes
    # A threshold takes its rows as the layer before it gives them.
    before = reversed(nodes[: nodes.index(node) + 1])
    fold = next(bundle.folding[n.name] for n in before if n.name in bundle.folding)
    if fold.unrolled:
        return None
    memory = "weights" if isinstance(node, Dense) else "thresholds"
    file = bundle.images / image_name(stage_nodes(bundle).index(node), memory)
    if isinstance(node, Dense):
        return _weights(file, network, node, fold.pe, fold.simd)
    return _thresholds(file, network, node, fold.pe)


def stage_nodes(bundle: DataflowBundle) -> list[Node]:
    """The node whose output each stage of the overlay gives, in order; build/dataflow.py makes one
    of an unrolled layer and the threshold behind it."""
    nodes: list[Node] = []
    for node in bundle.network.nodes:
        fold = bundle.folding.get(nodes[-1].name) if nodes else None
        if isinstance(node, Threshold) and fold and fold.unrolled:
            nodes[-1] = node
        else:
            nodes.append(node)
    return nodes


def _weights(file: Path, network: Network, node: Dense, pe: int, simd: int) -> np.ndarray:
    parameter = network.parameters[node.weight]
    rows, columns = parameter.values.shape
    fields = _fields(file, rows * columns // (pe * simd), parameter.encoding, pe * simd)
    ordered = fields.reshape(rows // pe, columns // simd, pe, simd).transpose(0, 2, 1, 3)
    return ordered.reshape(rows, columns)


def _thresholds(file: Path, network: Network, node: Threshold, pe: int) -> np.ndarray:
    source = network.tensors[node.input]
    rows, levels = network.parameters[node.thresholds].values.shape
    nodes = 1 << levels.bit_length()
    encoding = Encoding.for_range(min(source.encoding.minimum, -1), source.encoding.maximum + 1)
    folds = 1 if rows == 1 else rows // pe
    fold_space = 1 << (folds - 1).bit_length()
    pe_space = 1 << (pe - 1).bit_length()
    words = _fields(file, pe_space * fold_space * nodes, encoding, 1)
    tree = words.reshape(-1, fold_space, nodes)[: 1 if rows == 1 else pe, :folds]
    tree = tree.swapaxes(0, 1).reshape(rows, nodes)
    # In the order of the search: the middle level first, then that of each half.
    order = np.arange(1, nodes)
    depth = np.array([int(n).bit_length() - 1 for n in order])
    level = (2 * (order - (1 << depth)) + 1) * (nodes >> (depth + 1))
    by_level = np.empty((rows, nodes), np.int64)
    by_level[:, level] = tree[:, order]
    return by_level[:, 1 : levels + 1]


def _fields(file: Path, count: int, encoding: Encoding, fields: int) -> np.ndarray:
    """The words of an image, (count, fields) int64 of `encoding`, the lowest bits first."""
    words = read_words(file, ImageShape(count, fields * encoding.bits))
    mask = (1 << encoding.bits) - 1
    stored = [[word >> field * encoding.bits & mask for field in range(fields)] for word in words]
    return encoding.from_bits(np.array(stored, np.uint64))
