"""A residual network for CIFAR-10, of the shape of MLPerf Tiny's ResNet-8."""

from torch import nn

from bitfold.models.convolutions import (
    Convolution,
    ConvolutionalNetwork,
    Residual,
    average,
    check_padding,
)
from bitfold.models.datasets import CIFAR10_INPUT
from bitfold.models.quantization import Quantization


def build(quantization: Quantization) -> nn.Module:
    check_padding("resnet8", quantization)
    maps = nn.Sequential(
        Convolution(quantization, 3, 16, padding=1),
        Residual(quantization, 16, 16, stride=1),
        Residual(quantization, 16, 32, stride=2),
        Residual(quantization, 32, 64, stride=2),
        average(quantization, 8),
    )
    return ConvolutionalNetwork(quantization, CIFAR10_INPUT, maps, features=64, classes=10)
