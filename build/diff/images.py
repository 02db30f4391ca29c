"""Reads weights and thresholds back from the memory images of a dataflow bundle.

The images are written in build/emit.py, in the order that mvau.sv and threshold.sv state.
"""

from __future__ import annotations

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.network import Dense, Network, Threshold
from bitfold.overlays.bundle import DataflowBundle


def read_image(bundle: DataflowBundle, node: Dense | Threshold) -> np.ndarray | None:
    """What the overlay's memories hold for `node`: weights (rows, columns), or thresholds (rows or
    1, levels), int64. None where an unrolled layer has them in its logic."""
    network, nodes = bundle.network, bundle.network.nodes
    if isinstance(node, Dense):
        fold = bundle.folding[node.name]
        return None if fold.unrolled else _weights(bundle, network, node, fold.pe, fold.simd)
    # A threshold takes its rows as the layer before it gives them.
    before = reversed(nodes[: nodes.index(node) + 1])
    fold = next(bundle.folding[n.name] for n in before if n.name in bundle.folding)
    return None if fold.unrolled else _thresholds(bundle, network, node, fold.pe)


def _weights(
    bundle: DataflowBundle, network: Network, node: Dense, pe: int, simd: int
) -> np.ndarray:
    parameter = network.parameters[node.weight]
    rows, columns = parameter.values.shape
    fields = _fields(bundle, f"{node.name}.weights.hex", parameter.encoding, pe * simd)
    ordered = fields.reshape(rows // pe, columns // simd, pe, simd).transpose(0, 2, 1, 3)
    return ordered.reshape(rows, columns)


def _thresholds(bundle: DataflowBundle, network: Network, node: Threshold, pe: int) -> np.ndarray:
    source = network.tensors[node.input]
    rows, levels = network.parameters[node.thresholds].values.shape
    nodes = 1 << levels.bit_length()
    encoding = Encoding.for_range(min(source.encoding.minimum, -1), source.encoding.maximum + 1)
    folds = 1 if rows == 1 else rows // pe
    fold_space = 1 << (folds - 1).bit_length()
    words = _fields(bundle, f"{node.name}.thresholds.hex", encoding, 1)
    tree = words.reshape(-1, fold_space, nodes)[: 1 if rows == 1 else pe, :folds]
    tree = tree.swapaxes(0, 1).reshape(rows, nodes)
    # In the order of the search: the middle level first, then that of each half.
    order = np.arange(1, nodes)
    depth = np.array([int(n).bit_length() - 1 for n in order])
    level = (2 * (order - (1 << depth)) + 1) * (nodes >> (depth + 1))
    by_level = np.empty((rows, nodes), np.int64)
    by_level[:, level] = tree[:, order]
    return by_level[:, 1 : levels + 1]


def _fields(bundle: DataflowBundle, image: str, encoding: Encoding, fields: int) -> np.ndarray:
    """The words of an image, (words, fields) int64 of `encoding`, the lowest bits first."""
    words = [int(line, 16) for line in (bundle.images / image).read_text().split()]
    mask = (1 << encoding.bits) - 1
    stored = [[word >> field * encoding.bits & mask for field in range(fields)] for word in words]
    return encoding.from_bits(np.array(stored, np.uint64))
