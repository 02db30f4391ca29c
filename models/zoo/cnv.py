"""CNV, the convolutional network of BNN-PYNQ and FINN, for CIFAR-10: 3x3 convolutions without
padding, 64, 64, pool, 128, 128, pool, 256, 256, and dense layers 512, 512."""

from torch import nn

from bitfold.models.convolutions import Convolution, ConvolutionalNetwork
from bitfold.models.datasets import CIFAR10_INPUT
from bitfold.models.layers import Dense
from bitfold.models.quantization import Quantization


def build(quantization: Quantization) -> nn.Module:
    maps = nn.Sequential(
        Convolution(quantization, 3, 64),
        Convolution(quantization, 64, 64),
        nn.MaxPool2d(2),
        Convolution(quantization, 64, 128),
        Convolution(quantization, 128, 128),
        nn.MaxPool2d(2),
        Convolution(quantization, 128, 256),
        Convolution(quantization, 256, 256),
    )
    dense = nn.Sequential(Dense(quantization, 256, 512), Dense(quantization, 512, 512))
    return ConvolutionalNetwork(quantization, CIFAR10_INPUT, maps, 512, 10, dense)
