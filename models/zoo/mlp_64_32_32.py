"""For tables of any kind: features-64-32-32-classes, its columns standardized."""

from torch import nn

from bitfold.models.datasets import standardized_input
from bitfold.models.layers import MLP
from bitfold.models.quantization import Quantization


def build(quantization: Quantization, features: int, classes: int) -> nn.Module:
    columns = standardized_input(features)
    return MLP(quantization, columns, (64, 32, 32), classes, standardized=True)
