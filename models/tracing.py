"""Runs a trained network and keeps what each of its layers gives."""

from __future__ import annotations

from dataclasses import dataclass

import brevitas.nn as qnn
import numpy as np
import torch
from torch import nn

from bitfold.models.training import TrainedModel

_SUMS = (qnn.QuantLinear, qnn.QuantConv2d)


@dataclass(frozen=True)
class LayerOutput:
    """What one application of a layer gave, (rows, features) float32, or of a feature map (rows,
    channels, height, width).

    `module` is its path in the network; `sums` says whether these are sums of products, and not
    the output of a quantizer.
    """

    module: str
    sums: bool
    values: np.ndarray


def trace(model: TrainedModel, rows: np.ndarray) -> tuple[list[LayerOutput], np.ndarray]:
    """As `layer_outputs`, of a trained network."""
    return layer_outputs(model.module, rows)


def layer_outputs(module: nn.Module, rows: np.ndarray) -> tuple[list[LayerOutput], np.ndarray]:
    """Every sum and every quantized activation of `rows`, in the order in which they are computed,
    and the scores.

    The first is the input as it is quantized. A layer that is applied twice is there twice.
    """
    outputs: list[LayerOutput] = []

    def keep(path: str, sums: bool):
        return lambda _, __, y: outputs.append(LayerOutput(path, sums, y.detach().numpy()))

    hooks = [
        layer.register_forward_hook(keep(path, isinstance(layer, _SUMS)))
        for path, layer in module.named_modules()
        if isinstance(layer, (*_SUMS, qnn.QuantIdentity, qnn.QuantReLU))
    ]
    try:
        with torch.no_grad():
            scores = module(torch.from_numpy(rows.astype(np.float32))).numpy()
    finally:
        for hook in hooks:
            hook.remove()
    return outputs, scores
