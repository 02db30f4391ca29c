"""A wider and shallower iris network: 4-64-64-3."""

from torch import nn

from bitfold.models.datasets import IRIS_INPUT
from bitfold.models.layers import MLP
from bitfold.models.quantization import Quantization


def build(quantization: Quantization) -> nn.Module:
    return MLP(quantization, IRIS_INPUT, hidden=(64, 64), classes=3)
