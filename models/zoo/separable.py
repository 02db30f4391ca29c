"""A network of depthwise separable convolutions for CIFAR-10, a small MobileNet."""

from torch import nn

from bitfold.models.convolutions import (
    Convolution,
    ConvolutionalNetwork,
    Separable,
    average,
    check_padding,
)
from bitfold.models.datasets import CIFAR10_INPUT
from bitfold.models.quantization import Quantization


def build(quantization: Quantization) -> nn.Module:
    check_padding("separable", quantization)
    maps = nn.Sequential(
        Convolution(quantization, 3, 16, stride=2, padding=1),
        Separable(quantization, 16, 32, stride=1),
        Separable(quantization, 32, 64, stride=2),
        Separable(quantization, 64, 64, stride=1),
        Separable(quantization, 64, 128, stride=2),
        average(quantization, 4),
    )
    return ConvolutionalNetwork(quantization, CIFAR10_INPUT, maps, features=128, classes=10)
