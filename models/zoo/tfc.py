"""TFC, the smallest MNIST network of BNN-PYNQ and Brevitas: 784-64-64-64-10."""

from torch import nn

from bitfold.models.datasets import MNIST_INPUT
from bitfold.models.layers import MLP
from bitfold.models.quantization import Quantization


def build(quantization: Quantization) -> nn.Module:
    return MLP(quantization, MNIST_INPUT, hidden=(64, 64, 64), classes=10)
