"""What the host does in float32 before and after the integer layers: scaling, rounding, softmax,
and layers that nobody quantized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bitfold.models.errors import NetworkError

MATMUL, TAKE = "MatMul", "Take"
"""Of the steps, those that make another number of features."""
PERMUTE = "Permute"
"""The step that only moves features: its operand says which comes to each place."""


@dataclass(frozen=True)
class HostOp:
    """One step on a (batch, features) float32 array, with the arithmetic of the ONNX operator.

    `kind` is a key of HOST_OPS; `operands` are its constants: scalars or one value a feature, of a
    MatMul the matrix (features, columns). Steps are kept apart, and never merged, because float32
    rounds after each of them. A MatMul rounds each of its sums once, so that every machine gives
    the same; a source that rounds after each addition may give another last bit.
    """

    kind: str
    operands: tuple[np.ndarray, ...] = ()

    @staticmethod
    def of(kind: str, *operands: float | np.ndarray) -> HostOp:
        """The step with these operands, in float32."""
        return HostOp(kind, tuple(np.asarray(operand, np.float32) for operand in operands))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if self.kind not in HOST_OPS:
            raise NetworkError(f"host step {self.kind!r} is unknown; known: {', '.join(HOST_OPS)}")
        return HOST_OPS[self.kind](x, *self.operands).astype(np.float32)

    def __str__(self) -> str:
        size = " x ".join(map(str, self.operands[0].shape)) if self.kind == MATMUL else ""
        return f"{self.kind} {size}".strip()


def _quant(x, scale, zero_point, minimum, maximum):
    """QONNX Quant, to integers: round half to even, then clip."""
    return np.clip(np.round(x / scale + zero_point), minimum, maximum)


def _softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


HOST_OPS: dict[str, Callable[..., np.ndarray]] = {
    MATMUL: lambda x, matrix: x.astype(np.float64) @ matrix.astype(np.float64),
    "Mul": lambda x, operand: x * operand,
    "Div": lambda x, operand: x / operand,
    "Add": lambda x, operand: x + operand,
    "Sub": lambda x, operand: x - operand,
    "Quant": _quant,
    "BipolarQuant": lambda x: np.where(x >= 0, 1, -1),
    "Relu": lambda x: np.maximum(x, 0),
    "Softmax": _softmax,
    TAKE: lambda x, count: x[:, : int(count)],
    PERMUTE: lambda x, order: x[:, order.astype(np.intp)],
}


def apply(steps: tuple[HostOp, ...], x: np.ndarray) -> np.ndarray:
    """All `steps` in turn on `x` (batch, features), in float32."""
    x = np.asarray(x, np.float32)
    for step in steps:
        x = step(x)
    return x


def features_behind(steps: tuple[HostOp, ...], features: int) -> int:
    """How many features `steps` make of so many. Raises NetworkError where they do not fit."""
    for step in steps:
        shapes = [np.shape(operand) for operand in step.operands]
        fits = all(shape in ((), (1,), (features,)) for shape in shapes)
        if step.kind == MATMUL:
            fits = [len(shape) for shape in shapes] == [2] and shapes[0][0] == features
        elif step.kind == PERMUTE:
            fits = np.array_equal(np.sort(step.operands[0]), np.arange(features))
        if not fits:
            raise NetworkError(
                f"host step {step} has operands of {', '.join(map(str, shapes))}, which do not fit "
                f"{features} features"
            )
        if step.kind == MATMUL:
            features = shapes[0][1]
        elif step.kind == TAKE:
            features = min(features, int(step.operands[0]))
    return features
