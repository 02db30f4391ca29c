"""The torch layers of convolutional topologies, beside those of layers.py."""

import brevitas.nn as qnn
import torch
from torch import nn

from bitfold.models.datasets import InputFormat
from bitfold.models.errors import TrainingError
from bitfold.models.layers import Input, Scores, activation
from bitfold.models.quantization import Quantization
from bitfold.models.quantizers import weight_quantizer

_MOST_BITS = 8  # of what a layer takes


class Image(Input):
    """The input's integers as feature maps (rows, channels, height, width)."""

    def __init__(self, quantization: Quantization, input_format: InputFormat):
        super().__init__(quantization, input_format)
        if quantization.thermometer_levels:
            raise TrainingError(
                f"{quantization.name}: images have no thermometer; choose W1A1, or one with more "
                "bits"
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.reshape(-1, *self.format.image))


class Convolution(nn.Module):
    """Convolution without bias, BatchNorm, quantized activation (ReLU in the float reference).

    `padding` is of zeros on all sides; that of activations of one bit has none, which is for
    `check_padding`.
    """

    def __init__(
        self,
        quantization: Quantization,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ):
        super().__init__()
        bits = quantization.weight_bits
        sizes = {"stride": stride, "padding": padding, "groups": groups, "bias": False}
        if bits is None:
            self.conv = nn.Conv2d(in_channels, out_channels, kernel, **sizes)
        else:
            self.conv = qnn.QuantConv2d(
                in_channels, out_channels, kernel, weight_quant=weight_quantizer(bits), **sizes
            )
            # The quantizers' ranges do not follow the weights, so these start all over the range.
            nn.init.uniform_(self.conv.weight, -1, 1)
        self.norm = nn.BatchNorm2d(out_channels)
        self.activation = activation(quantization)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.norm(self.conv(x)))


class Residual(nn.Module):
    """Two convolutions, to which their input is added, behind a 1x1 one where the shape changes.

    Both branches have one scale, so that their integers add up.
    """

    def __init__(self, quantization: Quantization, channels: int, out_channels: int, stride: int):
        super().__init__()
        self.first = Convolution(quantization, channels, out_channels, 3, stride, 1)
        self.second = Convolution(quantization, out_channels, out_channels, 3, 1, 1)
        self.skip = nn.Identity()
        if stride > 1 or channels != out_channels:
            self.skip = Convolution(quantization, channels, out_channels, 1, stride)
        self.activation = activation(quantization)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.second(self.first(x)) + self.skip(x))


class Separable(nn.Module):
    """A depthwise 3x3 convolution and a 1x1 one behind it."""

    def __init__(self, quantization: Quantization, channels: int, out_channels: int, stride: int):
        super().__init__()
        self.depthwise = Convolution(quantization, channels, channels, 3, stride, 1, channels)
        self.pointwise = Convolution(quantization, channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(x))


class ConvolutionalNetwork(nn.Module):
    """Layers on images, flattened for dense ones where there are any, and the scores."""

    def __init__(
        self,
        quantization: Quantization,
        input_format: InputFormat,
        maps: nn.Module,
        features: int,
        classes: int,
        dense: nn.Module | None = None,
    ):
        """`features`: how many the scores are made of."""
        super().__init__()
        self.input = Image(quantization, input_format)
        self.maps = maps
        self.flatten = nn.Flatten()
        self.dense = dense or nn.Identity()
        self.scores = Scores(quantization, features, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(self.dense(self.flatten(self.maps(self.input(x)))))


def average(quantization: Quantization, size: int) -> nn.Module:
    """The average of all of `size` x `size` pixels, with all its bits where a layer takes these."""
    pool = nn.AvgPool2d(size)
    bits = quantization.activation_bits
    if bits is None or ((2**bits - 1) * size * size).bit_length() <= _MOST_BITS:
        return pool
    return nn.Sequential(pool, activation(quantization))


def check_padding(topology: str, quantization: Quantization) -> None:
    """Raises TrainingError for activations without a zero, in a topology that pads with it."""
    if quantization.activation_bits == 1:
        raise TrainingError(
            f"{topology}: pads with 0, which activations of 1 bit do not have; choose a "
            "quantization with 2 bits or more"
        )
