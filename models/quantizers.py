"""Brevitas quantizers with constant scales, for weights and activations."""

import brevitas.nn as qnn
from brevitas.core.function_wrapper import TensorClampSte
from brevitas.core.zero_point import ZeroZeroPoint
from brevitas.inject import ExtendedInjector
from brevitas.inject.enum import (
    BitWidthImplType,
    FloatToIntImplType,
    QuantType,
    RestrictValueType,
    ScalingImplType,
    ScalingPerOutputType,
)
from brevitas.quant.solver import ActQuantSolver, WeightQuantSolver
from torch import nn


class _ConstantScale(ExtendedInjector):
    """What all quantizers here share: one constant scale for the tensor, no zero point."""

    bit_width_impl_type = BitWidthImplType.CONST
    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.FP
    scaling_per_output_type = ScalingPerOutputType.TENSOR
    float_to_int_impl_type = FloatToIntImplType.ROUND
    zero_point_impl = ZeroZeroPoint


class _WeightQuantizer(_ConstantScale, WeightQuantSolver):
    signed = True
    narrow_range = True
    # Weights that the clipping cuts off still feel their gradient.
    tensor_clamp_impl = TensorClampSte


class _ActivationQuantizer(_ConstantScale, ActQuantSolver):
    narrow_range = False


def weight_quantizer(bits: int) -> type[ExtendedInjector]:
    """Bipolar for 1 bit, else signed in a narrow range that fills [-1, +1]."""
    if bits == 1:
        return _WeightQuantizer.let(quant_type=QuantType.BINARY, bit_width=1, scaling_const=1.0)
    # Two bits are {-1, 0, +1}: at a scale of 1/2 all but the smallest weights would be clipped.
    scale = 1.0 if bits == 2 else 2.0 ** (1 - bits)
    largest = 2 ** (bits - 1) - 1
    return _WeightQuantizer.let(
        quant_type=QuantType.INT, bit_width=bits, scaling_const=scale * largest
    )


def bipolar() -> nn.Module:
    """Activations of {-1, +1}: the sign."""
    return qnn.QuantIdentity(
        act_quant=_ActivationQuantizer.let(
            quant_type=QuantType.BINARY, bit_width=1, signed=True, min_val=-1.0, max_val=1.0
        )
    )


def unsigned(bits: int, scale: float) -> nn.Module:
    """Activations of so many bits without a sign, each worth `scale`."""
    return qnn.QuantIdentity(
        act_quant=_ActivationQuantizer.let(
            quant_type=QuantType.INT,
            bit_width=bits,
            signed=False,
            min_val=0.0,
            max_val=scale * (2**bits - 1),
        )
    )
