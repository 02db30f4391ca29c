"""A small convolutional network for Fashion-MNIST."""

from torch import nn

from bitfold.models.convolutions import Convolution, ConvolutionalNetwork
from bitfold.models.datasets import MNIST_INPUT
from bitfold.models.layers import Dense
from bitfold.models.quantization import Quantization


def build(quantization: Quantization) -> nn.Module:
    maps = nn.Sequential(
        Convolution(quantization, 1, 16),
        nn.MaxPool2d(2),
        Convolution(quantization, 16, 32),
        Convolution(quantization, 32, 32),
        nn.MaxPool2d(2),
    )
    dense = Dense(quantization, 512, 64)
    return ConvolutionalNetwork(quantization, MNIST_INPUT, maps, 64, 10, dense)
