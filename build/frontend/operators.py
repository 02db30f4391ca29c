"""What the ONNX and QONNX operators mean to integer layers: affine, monotone, or a quantizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx

from bitfold.build.frontend.problems import UnlowerableError
from bitfold.build.frontend.reals import Reals
from bitfold.models.encoding import Encoding

if TYPE_CHECKING:  # source.py imports this module
    from bitfold.build.frontend.source import Operation

# They change the shape of a sample, or nothing at all.
SHAPE = {
    *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"),
    *("Identity", "Dropout", "Cast"),
}
# y = factor * x + term, for each feature.
AFFINE = {"Add", "Sub", "Mul", "Div", "Neg", "BatchNormalization", "DequantizeLinear"}
# Never falling, for each feature: together with a quantizer they become thresholds.
MONOTONE = {
    *("Relu", "LeakyRelu", "PRelu", "Clip", "Tanh", "Sigmoid", "HardSigmoid"),
    *("Elu", "Selu", "Softplus", "Softsign"),
}
QONNX_DOMAIN = "qonnx.custom_op.general"
QONNX_OPERATORS = {"Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Trunc"}
QUANTIZER = {*QONNX_OPERATORS, "QuantizeLinear"}
DENSE = {"MatMul", "Gemm"}
CONVOLUTION = {"Conv"}
MAX_POOL = {"MaxPool", "GlobalMaxPool"}
AVERAGE = {"AveragePool", "GlobalAveragePool", "ReduceMean"}
# What stands around a feature map for the window behind it.
PAD = {"Pad"}
# What slides over feature maps: where one of them is, a tensor of four axes is a map.
WINDOW = CONVOLUTION | MAX_POOL | AVERAGE
# Where branches meet. An Add of a constant is affine.
JOIN = {"Add", "Concat"}
CHOICE = {"ArgMax", "TopK"}
# What only the host can do, behind the last layer.
HOST = {"Softmax"}
KNOWN = SHAPE | AFFINE | MONOTONE | QUANTIZER | DENSE | PAD | WINDOW | JOIN | CHOICE | HOST

# Operators that may make a constant of constants, or that an error can look past. All of them
# compute outputs of their inputs and do nothing else: no chance, no control flow, no files.
_SAFE = {
    *KNOWN,
    *("Constant", "ConstantOfShape", "EyeLike", "Range", "Shape", "Size"),
    *("Concat", "Split", "Slice", "Gather", "GatherElements", "GatherND", "ScatterElements"),
    *("ScatterND", "Expand", "Tile", "Pad", "Where", "DepthToSpace", "SpaceToDepth"),
    *("Abs", "Sign", "Ceil", "Floor", "Round", "Sqrt", "Exp", "Log", "Reciprocal", "Pow", "Mod"),
    *("Sin", "Cos", "Erf", "Gelu", "HardSwish", "Mish", "ThresholdedRelu", "LogSoftmax"),
    *("Min", "Max", "Sum", "Mean", "And", "Or", "Xor", "Not", "Equal", "Greater", "Less"),
    *("GreaterOrEqual", "LessOrEqual", "IsNaN", "IsInf", "BitShift", "CumSum", "Einsum"),
    *("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"),
    *("ConvTranspose", "LayerNormalization", "InstanceNormalization", "GroupNormalization", "LRN"),
    *("LSTM", "GRU", "RNN", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"),
    *("QLinearMatMul", "QLinearConv"),
}
_SUBGRAPHS = {
    *(onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS),
    *(onnx.AttributeProto.SPARSE_TENSOR, onnx.AttributeProto.SPARSE_TENSORS),
    *(onnx.AttributeProto.TYPE_PROTO, onnx.AttributeProto.TYPE_PROTOS),
}


def is_known(node: onnx.NodeProto) -> bool:
    """Whether the front end has a meaning for a node that depends on the input."""
    return node.op_type in KNOWN and is_safe(node)


def is_safe(node: onnx.NodeProto) -> bool:
    """Whether a node may be executed: qonnx would import a module that its domain names."""
    domain, operators = (
        ("", _SAFE) if node.op_type not in QONNX_OPERATORS else (QONNX_DOMAIN, KNOWN)
    )
    return node.domain == domain and node.op_type in operators and not has_subgraph(node)


def kind_of(node: onnx.NodeProto) -> str:
    """What errors call its operator: with the domain where that is another than we know."""
    known = node.domain in ("", QONNX_DOMAIN)
    return node.op_type if known else f"{node.domain}.{node.op_type}"


def has_subgraph(node: onnx.NodeProto) -> bool:
    """Whether a node has an attribute that is more than numbers, strings and dense tensors."""
    return any(attribute.type in _SUBGRAPHS for attribute in node.attribute)


LEAST_SCALE, LARGEST_SCALE = 1e-30, 1e28
"""What an integer may be worth, of a tensor and of sums: what 32 bits of them are worth is far from
the ends of float32, 1e-38 and 3e38."""
LARGEST_BIAS = 1e37

_LAYER_BITS = 8
# Of float32 beside the scale, for what 8 bits stand for: 2^-15 is what rounding needs.
_LARGEST_ERROR = 2**-12


@dataclass(frozen=True)
class Quantizer:
    """The integers that a quantizing operation gives, and the reals that they stand for.

    They run from `minimum` to `maximum` in steps of `step`.
    """

    encoding: Encoding
    minimum: int
    maximum: int
    reals: Reals

    @property
    def step(self) -> int:
        return self.encoding.step


def check_shape(operation: Operation) -> None:
    """Raises UnlowerableError unless an operation of SHAPE keeps samples apart."""
    before, after = operation.sample, operation.result
    if operation.kind == "Dropout" and np.any(operation.operand(2)):
        raise UnlowerableError("it drops values at random", "export in evaluation mode")
    if operation.kind == "Cast":
        if after.dtype != np.float32:
            raise UnlowerableError(f"it casts to {after.dtype}", "keep activations in float32")
        return
    if after.shape[:1] != before.shape[:1] or after.size != before.size:
        raise UnlowerableError(
            f"it makes {after.shape} of {before.shape}, which mixes samples",
            "keep the batch as the first axis",
        )


def reorders(operation: Operation) -> bool:
    """Whether an operation of SHAPE gives a sample's features in another order."""
    if operation.kind != "Transpose":
        return False
    before = operation.sample
    order = operation.attributes.get("perm", range(before.ndim)[::-1])
    moved = [axis for axis in order if axis and before.shape[axis] > 1]
    return moved != sorted(moved)


def check_choice(operation: Operation) -> None:
    """Raises UnlowerableError unless it is the index of the largest score, the first of equals."""
    if operation.kind == "ArgMax":
        axis = operation.attributes.get("axis", 0)
        plain = not operation.attributes.get("select_last_index", 0)
    else:
        axis = operation.attributes.get("axis", -1)
        wanted = operation.operand(1)
        count = operation.attributes.get("k", 0) if wanted is None else int(wanted.reshape(-1)[0])
        indices = operation.runner.node.output[1]
        plain = (
            count == 1 and operation.attributes.get("largest", 1) and operation.output == indices
        )
    if operation.sample.shape[axis] != operation.sample[0].size or not plain:
        raise UnlowerableError(
            "it is not the index of the largest score",
            "leave it out: the scores are there, and so is the class",
        )


def per_feature(operation: Operation, constant: np.ndarray) -> np.ndarray:
    """`constant` as ONNX broadcasts it over a sample: a float64 scalar, or (features,); over a
    feature map (channels,)."""
    constant = np.asarray(constant, np.float64)
    if constant.size == 1:
        return constant.reshape(())
    try:
        return np.broadcast_to(constant, (1, *operation.shape)).reshape(-1)
    except ValueError:
        raise UnlowerableError(
            f"its constant of shape {constant.shape} does not fit samples of {operation.shape}",
            f"use a scalar or one value a {'channel' if operation.is_map else 'feature'}",
        ) from None


def per_channel(operation: Operation, constant: np.ndarray, axis: int = 1) -> np.ndarray:
    """`constant` with one value for each index along `axis`, as per_feature gives it."""
    shape = [1] * operation.sample.ndim
    if constant.size > 1:
        shape[axis] = constant.size
    return per_feature(operation, constant.reshape(shape))


def factor_and_term(operation: Operation) -> tuple[np.ndarray, np.ndarray]:
    """y = factor * x + term for an operation of AFFINE; float64, scalars or (features,)."""
    with np.errstate(all="ignore"):
        factor, term = _factor_and_term(operation)
    if not (np.isfinite(factor).all() and np.isfinite(term).all()):
        raise UnlowerableError(
            "its constants make it infinite or not a number", "correct them, or train again"
        )
    return factor, term


def _factor_and_term(operation: Operation) -> tuple[np.ndarray, np.ndarray]:
    kind = operation.kind
    zero, one = np.float64(0), np.float64(1)
    if kind == "BatchNormalization":
        if operation.attributes.get("training_mode", 0):
            raise UnlowerableError("it depends on the whole batch", "export in evaluation mode")
        gamma, beta, mean, variance = (
            per_channel(operation, operation.operand(index)) for index in range(1, 5)
        )
        factor = gamma / np.sqrt(variance + operation.attributes.get("epsilon", 1e-5))
        return factor, beta - mean * factor
    if kind == "Neg":
        return -one, zero
    if kind == "DequantizeLinear":
        scale, zero_point = _scale_and_zero_point(operation)
        return scale, -zero_point * scale
    left, right = operation.operand(0), operation.operand(1)
    constant = per_feature(operation, right if left is None else left)
    if operation.result.shape != operation.sample.shape:
        raise UnlowerableError(
            "its constant is larger than a sample", "use a scalar or one value a feature"
        )
    if kind == "Add":
        return one, constant
    if kind == "Mul":
        return constant, zero
    if kind == "Sub":
        return (one, -constant) if left is None else (-one, constant)
    if left is not None:
        raise UnlowerableError("it divides by activations", "divide by constants only")
    return 1 / constant, zero


def quantizer(operation: Operation) -> Quantizer:
    """What an operation of QUANTIZER gives. Raises UnlowerableError for integers beyond 32 bits."""
    if operation.kind == "BipolarQuant":
        scale = operation.operand(1)
        if scale is None:
            raise UnlowerableError("its scale is not constant", "export in evaluation mode")
        scale = per_feature(operation, scale)
        result = Quantizer(Encoding.of("BIPOLAR"), -1, 1, Reals(scale))
    elif operation.kind == "MultiThreshold":
        result = _multi_threshold(operation)
    elif operation.kind == "QuantizeLinear":
        result = _quantize_linear(operation)
    elif operation.kind == "Trunc":
        result = _trunc(operation)
    else:
        result = _quant(operation)
    _check_reals(result)
    return result


def _check_reals(quantizer: Quantizer) -> None:
    """Raises UnlowerableError unless float32 holds what the integers stand for as well as any
    number: what it rounds by much, the file and the integer network would see differently."""
    reals = quantizer.reals
    if not (reals.scale > 0).all():
        raise UnlowerableError("its scale is not positive", "export with positive scales")
    if quantizer.encoding.bits > _LAYER_BITS:
        return  # no layer takes it, and the host computes as the file does
    with np.errstate(all="ignore"):
        integers = np.array([quantizer.minimum, quantizer.maximum])[:, None]
        extent = np.abs(reals.exactly(integers)).max() + np.abs(reals.zero * reals.scale).max()
        coarse = ~(np.spacing(np.float32(extent)) <= reals.scale.min() * _LARGEST_ERROR)
    check_scale(reals.scale)
    if coarse:
        raise UnlowerableError(
            "its zero point or bias is so large beside its scale that float32 can't tell its "
            "integers apart",
            "use a zero point among the integers, and a bias of that size",
        )


def check_scale(scale: np.ndarray) -> None:
    """Raises UnlowerableError for a scale so small or large that products with it leave float32."""
    outside = ~((scale >= LEAST_SCALE) & (scale <= LARGEST_SCALE))
    if outside.any():
        raise UnlowerableError(
            f"an integer is worth {np.asarray(scale)[outside].flat[0]:g} there, beyond "
            f"{LEAST_SCALE:g} to {LARGEST_SCALE:g}, where float32 holds sums of products",
            "scale the model",
        )


def encoding_of_range(minimum: int, maximum: int) -> Encoding:
    """The narrowest encoding of these consecutive integers."""
    if (minimum, maximum) == (-1, 1):
        return Encoding.of("TERNARY")
    return Encoding.for_range(minimum, maximum)


def _integers(minimum: float, maximum: float, reals: Reals) -> Quantizer:
    finite = np.isfinite(minimum) and np.isfinite(maximum)
    whole = finite and minimum == int(minimum) and maximum == int(maximum)
    if not (whole and minimum < maximum):
        raise UnlowerableError(
            f"its integers would run from {minimum:g} to {maximum:g}",
            "use a whole number of bits, at least 1",
        )
    if max(-minimum, maximum) >= 2**31:
        raise UnlowerableError("it has more than 32 bits", "quantize to at most 8 bits")
    return Quantizer(
        encoding_of_range(int(minimum), int(maximum)), int(minimum), int(maximum), reals
    )


def _quant(operation: Operation) -> Quantizer:
    operands = [operation.operand(index) for index in (1, 2, 3)]
    if any(operand is None for operand in operands):
        raise UnlowerableError(
            "its scale, zero point or bit width is not constant",
            "export in evaluation mode, so that they are",
        )
    scale, zero_point, bits = (per_feature(operation, operand) for operand in operands)
    if bits.ndim:
        if (bits != bits[0]).any():
            raise UnlowerableError("its bit width differs by feature", "use one bit width")
        bits = bits[0]
    signed = bool(operation.attributes.get("signed", 1))
    narrow = bool(operation.attributes.get("narrow", 1))
    reals = Reals(scale, zero_point)
    if bits == 1 and signed:  # which QONNX takes to be bipolar
        return Quantizer(Encoding.of("BIPOLAR"), -1, 1, reals)
    return _of_bits(bits, signed, narrow, reals)


def _of_bits(bits: np.float64, signed: bool, narrow: bool, reals: Reals) -> Quantizer:
    if not abs(bits) <= 64:
        raise UnlowerableError(f"its bit width is {bits:g}", "quantize to at most 8 bits")
    if signed:
        minimum, maximum = -(2.0 ** (bits - 1)) + narrow, 2.0 ** (bits - 1) - 1
    else:
        minimum, maximum = 0.0, 2.0**bits - 1 - narrow
    return _integers(minimum, maximum, reals)


def _trunc(operation: Operation) -> Quantizer:
    operands = [operation.operand(index) for index in (2, 4, 5)]
    if any(operand is None or operand.size != 1 for operand in operands):
        raise UnlowerableError(
            "its zero point, scale or bit width is no constant scalar, or it is of version 1",
            "export it with QONNX's operators of version 2",
        )
    zero_point, scale, bits = (operand.astype(np.float64).reshape(()) for operand in operands)
    if zero_point:
        raise UnlowerableError("it has a zero point", "truncate symmetric integers")
    signed = bool(operation.attributes.get("signed", 1))
    return _of_bits(bits, signed, bool(operation.attributes.get("narrow", 0)), Reals(scale))


def _multi_threshold(operation: Operation) -> Quantizer:
    thresholds = operation.operand(1)
    if thresholds is None or thresholds.ndim != 2:
        raise UnlowerableError("its thresholds are no constant matrix", "export it again")
    levels = thresholds.shape[1]
    scale = np.float64(operation.attributes.get("out_scale", 1.0))
    bias = np.float64(operation.attributes.get("out_bias", 0.0))
    if (scale, bias, levels) == (2, -1, 1):
        return Quantizer(Encoding.of("BIPOLAR"), -1, 1, Reals(np.float64(1)))
    if not (np.isfinite(scale) and np.isfinite(bias)):
        raise UnlowerableError("its out_scale or out_bias is not finite", "export it again")
    if scale == 1 and bias == int(bias):
        return _integers(bias, bias + levels, Reals(scale))
    return _integers(0, levels, Reals(scale, offset=bias))


def _quantize_linear(operation: Operation) -> Quantizer:
    if not operation.then or operation.then[-1].kind != "DequantizeLinear":
        raise UnlowerableError(
            "no DequantizeLinear follows it", "export QuantizeLinear and DequantizeLinear in pairs"
        )
    *clip, dequantize = operation.then
    scale, zero_point = _scale_and_zero_point(operation)
    if any(
        (mine != its).any()
        for mine, its in zip((scale, zero_point), _scale_and_zero_point(dequantize), strict=True)
    ):
        raise UnlowerableError(
            "its scale or zero point differs from that of its DequantizeLinear",
            "use the same for both",
        )
    limits = np.iinfo(dequantize.sample.dtype)
    minimum, maximum = float(limits.min), float(limits.max)
    if clip:
        low, high = clip[0].operand(1), clip[0].operand(2)
        minimum = minimum if low is None else max(minimum, float(low))
        maximum = maximum if high is None else min(maximum, float(high))
    return _integers(minimum, maximum, Reals(scale, zero_point))


def _scale_and_zero_point(operation: Operation) -> tuple[np.ndarray, np.ndarray]:
    scale, zero_point = operation.operand(1), operation.operand(2)
    if scale is None:
        raise UnlowerableError("its scale is not constant", "quantize statically")
    if zero_point is None:
        zero_point = np.zeros(1)
    axis = operation.attributes.get("axis", 1)
    return per_channel(operation, scale, axis), per_channel(operation, zero_point, axis)
