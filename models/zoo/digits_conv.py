"""A small convolutional network for the digits of 8x8 pixels."""

from torch import nn

from bitfold.models.convolutions import Convolution, ConvolutionalNetwork
from bitfold.models.datasets import DIGITS_INPUT
from bitfold.models.quantization import Quantization


def build(quantization: Quantization) -> nn.Module:
    maps = nn.Sequential(
        Convolution(quantization, 1, 16),
        Convolution(quantization, 16, 32),
        nn.MaxPool2d(2),
    )
    return ConvolutionalNetwork(quantization, DIGITS_INPUT, maps, features=128, classes=10)
