"""Runs a trained network and keeps what each of its layers gives."""

from __future__ import annotations

from dataclasses import dataclass

import brevitas.nn as qnn
import numpy as np

from bitfold.models.training import TrainedModel


@dataclass(frozen=True)
class LayerOutput:
    """What one application of a layer gave, (rows, features) float32.

    `module` is its path in the network; `sums` says whether these are sums of products, and not
    the output of a quantizer.
    """

    module: str
    sums: bool
    values: np.ndarray


def trace(model: TrainedModel, rows: np.ndarray) -> tuple[list[LayerOutput], np.ndarray]:
    """Every sum and every quantized activation of `rows`, in the order in which they are computed,
    and the scores.

    The first is the input as it is quantized. A layer that is applied twice is there twice.
    """
    outputs: list[LayerOutput] = []

    def keep(path: str, sums: bool):
        return lambda _, __, y: outputs.append(LayerOutput(path, sums, y.detach().numpy()))

    hooks = [
        module.register_forward_hook(keep(path, isinstance(module, qnn.QuantLinear)))
        for path, module in model.module.named_modules()
        if isinstance(module, (qnn.QuantLinear, qnn.QuantIdentity))
    ]
    try:
        scores = model.scores(rows)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs, scores
