"""Turns what stands before the first and behind the last integer layer into steps of the host,
layers that nobody quantized among them."""

from __future__ import annotations

import numpy as np

from bitfold.build.frontend.operators import (
    DENSE,
    QUANTIZER,
    Quantizer,
    factor_and_term,
    per_channel,
    per_feature,
    quantizer,
)
from bitfold.build.frontend.problems import UnlowerableError
from bitfold.build.frontend.reals import Reals
from bitfold.build.frontend.source import Operation
from bitfold.build.frontend.weights import matrix_and_term
from bitfold.models.host import HOST_OPS, MATMUL, PERMUTE, HostOp

_ROUNDING = ("ROUND", "HALF_EVEN")


def host_steps(operation: Operation) -> tuple[HostOp, ...]:
    """The same float32 arithmetic as the operation's. Raises UnlowerableError if there is none."""
    kind = operation.kind
    if kind == "Transpose":
        return (reordering(operation),)
    if kind == "BatchNormalization":
        return _batch_normalization(operation)
    if kind in ("Add", "Sub", "Mul", "Div"):
        return _with_constant(operation)
    if kind == "Neg":
        return (HostOp.of("Mul", -1),)
    if kind in DENSE:
        matrix, term = matrix_and_term(operation)
        bias = (HostOp.of("Add", term),) if term.any() else ()
        return (HostOp.of(MATMUL, matrix.T), *bias)
    if kind == "Softmax":
        axis = operation.attributes.get("axis", -1)
        if operation.sample.shape[axis] != operation.sample[0].size:
            raise UnlowerableError(f"it runs along axis {axis}", "run it along all the scores")
        return (HostOp("Softmax"),)
    if kind in QUANTIZER:
        integers = quantizer(operation)
        reals = _of_features(operation, integers.reals)
        return (*quantizing_steps(operation, integers), *reals.host_steps())
    if kind in HOST_OPS and len(operation.runner.node.input) == 1:
        return (HostOp(kind),)
    raise UnlowerableError(
        "the host can't do it in front of the first or behind the last layer",
        "leave it out, or apply it to the scores yourself",
    )


def quantizing_steps(operation: Operation, integers: Quantizer) -> tuple[HostOp, ...]:
    """From reals to the integers of a quantizing operation."""
    reals = _of_features(operation, integers.reals)
    if operation.kind == "MultiThreshold":
        raise UnlowerableError(
            "the host has no thresholds",
            "give input_encoding and input_scale, so that this becomes an integer layer",
        )
    # Where a constant is float64, the file computes in it: the same only where nothing is rounded.
    double = any(constant.dtype == np.float64 for constant in operation.constants.values())
    if double and (reals.zero.any() or (np.frexp(reals.scale)[0] != 0.5).any()):
        raise UnlowerableError("its scale or zero point is float64", "use float32")
    if operation.kind == "QuantizeLinear":
        # It rounds before it adds the zero point: a tie goes to the even integer of those.
        limits = (integers.minimum - reals.zero, integers.maximum - reals.zero)
        shift = (HostOp.of("Add", reals.zero),) if reals.zero.any() else ()
        return (HostOp.of("Quant", reals.scale, 0, *limits), *shift)
    if integers.encoding.is_bipolar:
        shift = (
            (HostOp.of("Div", reals.scale), HostOp.of("Add", reals.zero))
            if reals.zero.any()
            else ()
        )
        return (*shift, HostOp("BipolarQuant"))
    rounding = operation.attributes.get("rounding_mode", b"ROUND").decode().upper()
    if rounding not in _ROUNDING:
        raise UnlowerableError(
            f"the host does not round as {rounding} says",
            "export with rounding_mode ROUND, or give input_encoding and input_scale",
        )
    return (HostOp.of("Quant", reals.scale, reals.zero, integers.minimum, integers.maximum),)


def reordering(operation: Operation) -> HostOp:
    """The step of a Transpose."""
    sample = operation.sample[0]
    order = operation.attributes.get("perm", range(sample.ndim + 1)[::-1])
    places = np.arange(sample.size).reshape(1, *sample.shape).transpose(order)
    return HostOp.of(PERMUTE, places.ravel())


def _of_features(operation: Operation, reals: Reals) -> Reals:
    """What a quantizer's integers stand for, by feature where it is by channel."""
    if not operation.is_map:
        return reals
    channels, height, width = operation.sample.shape[1:]
    return reals.flattened((height, width, channels), (2, 0, 1))


def _everywhere(operation: Operation, constant: np.ndarray) -> np.ndarray:
    """A constant by feature: where it is one by channel, for all of its pixels."""
    if not (operation.is_map and constant.ndim):
        return constant
    return np.repeat(constant, operation.sample[0].size // len(constant))


def _with_constant(operation: Operation) -> tuple[HostOp, ...]:
    factor_and_term(operation)  # which checks that the constant fits
    left, right = operation.operand(0), operation.operand(1)
    constant = _everywhere(operation, per_feature(operation, right if left is None else left))
    if operation.kind == "Sub" and left is not None:
        return (HostOp.of("Mul", -1), HostOp.of("Add", constant))
    return (HostOp.of(operation.kind, constant),)


def _batch_normalization(operation: Operation) -> tuple[HostOp, ...]:
    """Scale and bias as onnxruntime rounds them: each step in float32."""
    gamma, beta, mean, variance = (
        _everywhere(operation, per_channel(operation, operation.operand(index))).astype(np.float32)
        for index in range(1, 5)
    )
    epsilon = np.float32(operation.attributes.get("epsilon", 1e-5))
    factor = (1 / np.sqrt(variance + epsilon)) * gamma
    return (HostOp.of("Mul", factor), HostOp.of("Add", beta - mean * factor))
