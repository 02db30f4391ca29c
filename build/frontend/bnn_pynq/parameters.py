"""The weights and thresholds of a layer, from one file for each PE.

A weight file has 64-bit words, least significant byte first: word nf * SF + sf holds columns sf *
SIMD + j of row nf * PE + pe, lowest bits first; what it lacks at its end is zero. A threshold file
has signed 64-bit integers, (rows / PE, thresholds).
"""

from __future__ import annotations

import numpy as np

from bitfold.build.frontend.bnn_pynq.config import Layer
from bitfold.build.frontend.bnn_pynq.files import Files
from bitfold.models.errors import FrontendError

_REMEDY = "take all files of the network from bnn/params of BNN-PYNQ, with its own config.h"


def read_weights(files: Files, number: int, layer: Layer) -> np.ndarray:
    """(rows, columns) int32: -1 and +1 of one bit, two's complement of more."""
    neuron_fold, synapse_fold = layer.rows // layer.pe, layer.columns // layer.simd
    words = np.zeros((layer.pe, neuron_fold * synapse_fold), np.uint64)
    for pe in range(layer.pe):
        found = _words(files, f"{number}-{pe}-weights.bin", words.shape[1], "<u8")
        words[pe, : len(found)] = found
    lanes = np.arange(layer.simd, dtype=np.uint64) * np.uint64(layer.weight_bits)
    stored = (words[..., None] >> lanes) & np.uint64((1 << layer.weight_bits) - 1)
    stored = stored.astype(np.int32).reshape(layer.pe, neuron_fold, layer.columns)
    if layer.weight_bits == 1:
        values = 2 * stored - 1
    else:
        values = stored - ((stored >> (layer.weight_bits - 1)) << layer.weight_bits)
    return values.transpose(1, 0, 2).reshape(layer.rows, layer.columns)


def read_thresholds(files: Files, number: int, layer: Layer) -> np.ndarray | None:
    """(rows, thresholds) int64, of which a level counts those that are less than the accumulator;
    None where the layer has none."""
    names = [f"{number}-{pe}-thres.bin" for pe in range(layer.pe)]
    if not files.names.intersection(names):
        return None
    count, levels = layer.rows // layer.pe, layer.levels
    values = np.empty((count, layer.pe, levels), np.int64)
    for pe, name in enumerate(names):
        found = _words(files, name, count * levels, "<i8")
        if len(found) != count * levels:
            raise FrontendError(
                f"{files.path / name}: holds {len(found)} thresholds, not {count} x {levels}; "
                f"{_REMEDY}"
            )
        values[:, pe] = found.reshape(count, levels)
    values = values.reshape(layer.rows, levels)
    if np.abs(values.astype(float)).max() >= 2**30 or (np.diff(values, axis=1) < 0).any():
        raise FrontendError(
            f"{files.path}: thresholds of layer {number} do not ascend, or are beyond 2^30; "
            f"{_REMEDY}"
        )
    return values


def _words(files: Files, name: str, most: int, kind: str) -> np.ndarray:
    content = files.read(name, 8 * most, "no parameters of this layer", _REMEDY)
    if len(content) % 8:
        raise FrontendError(
            f"{files.path / name}: has {len(content)} bytes, not words of 8; {_REMEDY}"
        )
    return np.frombuffer(content, kind)
