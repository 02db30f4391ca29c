"""What the host does in float32 before and after the integer layers: scaling, rounding, softmax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bitfold.models.errors import NetworkError


@dataclass(frozen=True)
class HostOp:
    """One step on a (batch, features) float32 array, with the arithmetic of the ONNX operator.

    `kind` is a key of HOST_OPS; `operands` are its constants: scalars or one value a feature.
    Steps are kept apart, and never merged, because float32 rounds after each of them.
    """

    kind: str
    operands: tuple[np.ndarray, ...] = ()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if self.kind not in HOST_OPS:
            raise NetworkError(f"host step {self.kind!r} is unknown; known: {', '.join(HOST_OPS)}")
        return HOST_OPS[self.kind](x, *self.operands).astype(np.float32)


def _quant(x, scale, zero_point, minimum, maximum):
    """QONNX Quant, to integers: round half to even, then clip."""
    return np.clip(np.round(x / scale + zero_point), minimum, maximum)


def _softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


HOST_OPS: dict[str, Callable[..., np.ndarray]] = {
    "Mul": lambda x, operand: x * operand,
    "Div": lambda x, operand: x / operand,
    "Add": lambda x, operand: x + operand,
    "Sub": lambda x, operand: x - operand,
    "Quant": _quant,
    "BipolarQuant": lambda x: np.where(x >= 0, 1, -1),
    "Relu": lambda x: np.maximum(x, 0),
    "Softmax": _softmax,
    "Take": lambda x, count: x[:, : int(count)],
}


def apply(steps: tuple[HostOp, ...], x: np.ndarray) -> np.ndarray:
    """All `steps` in turn on `x` (batch, features), in float32."""
    x = np.asarray(x, np.float32)
    for step in steps:
        x = step(x)
    return x
