"""Random convolutional networks of Brevitas, small, and what Brevitas exports of a network."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.export import export_qonnx
from brevitas.inject.enum import RestrictValueType
from brevitas.quant import (
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    Uint8ActPerTensorFixedPoint,
)
from torch import nn


def exact(norm: nn.Module) -> nn.Module:
    """The BatchNorm with random powers of two, so that no float32 rounds; half of it falls."""
    channels = norm.weight.shape
    sign = torch.randint(0, 2, channels) * 2 - 1
    norm.weight.data = sign * 2.0 ** torch.randint(-2, 2, channels)
    norm.bias.data = torch.randint(-8, 9, channels) / 8
    norm.running_mean.data = torch.randint(-8, 9, channels) / 8
    norm.running_var.data = torch.ones(channels)
    norm.eps = 0.0
    return norm.eval()


def export(module: nn.Module, path: Path, shape: Sequence[int]) -> Path:
    """What Brevitas writes for the module, which is then ready to be compared with."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    inputs = torch.zeros(1, *shape)
    export_qonnx(module.eval(), inputs, str(path), dynamo=False)
    return path


class RandomConvolutions(nn.Module):
    """Up to three convolutions, each with what may stand around one, and a dense layer.

    `shape` is that of an image: (channels, height, width).
    """

    def __init__(self, random: np.random.Generator):
        super().__init__()
        torch.manual_seed(int(random.integers(2**31)))
        self.random = random
        self.shape = (int(random.integers(1, 4)), *(int(n) for n in random.integers(5, 9, 2)))
        self.layers = nn.Sequential()
        self.x = torch.rand(32, *self.shape) * 4
        bits = int(random.integers(2, 9))
        self._add(qnn.QuantIdentity(act_quant=Uint8ActPerTensorFixedPoint, bit_width=bits))
        bipolar = False
        for _ in range(random.integers(1, 4)):
            bipolar = self._add_convolution(padded=not bipolar)
        if self._is_large and random.integers(2):
            self._add(nn.AvgPool2d(2))
        self._add(nn.Flatten())
        self._add(qnn.QuantLinear(self.x.shape[1], 3, bias=False, **self._weights()))
        del self.x, self.random

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)

    def _add(self, layer: nn.Module) -> None:
        """Also runs it on what is there, from which Brevitas takes its scales."""
        self.layers.append(layer)
        self.x = layer(self.x).detach()

    @property
    def _is_large(self) -> bool:
        return min(self.x.shape[2:]) > 1

    def _add_convolution(self, padded: bool) -> bool:
        """Gives whether its activations are bipolar."""
        random, channels = self.random, self.x.shape[1]
        groups = int(random.choice([1, 1, channels]))
        outputs = groups * int(random.integers(1, 4))
        kernel = [int(random.integers(1, 1 + min(4, size))) for size in self.x.shape[2:]]
        conv = qnn.QuantConv2d(
            channels,
            outputs,
            kernel,
            stride=int(random.integers(1, 3)),
            padding=[int(random.integers(0, k)) * padded for k in kernel],
            groups=groups,
            bias=bool(random.integers(2)),
            **self._weights(),
        )
        if conv.bias is not None:
            conv.bias.data = torch.randint(-8, 9, conv.bias.shape) / 8
        self._add(conv)
        # Where the pooling stands: behind the convolution, the BatchNorm, the activation; nowhere.
        pooled = int(random.integers(4))
        for place in range(3):
            if place == 1 and random.integers(3):
                self._add(exact(nn.BatchNorm2d(outputs)))
            if place == 2:
                bits = int(random.integers(1, 5))
                self._add(_activation(bits))
            if place == pooled and self._is_large:
                stride, padding = int(random.integers(1, 3)), int(random.integers(2))
                self._add(nn.MaxPool2d(2, stride, padding))
        return bits == 1

    def _weights(self) -> dict:
        bits = int(self.random.integers(1, 5))
        if bits == 1:
            return {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_const": 0.125}
        kind = [Int8WeightPerTensorFixedPoint, _PerChannel][self.random.integers(2)]
        return {"weight_quant": kind, "weight_bit_width": bits}


class _PerChannel(Int8WeightPerChannelFloat):
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO


def _activation(bits: int) -> nn.Module:
    if bits == 1:
        return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, min_val=-1.0, max_val=1.0)
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=bits)
