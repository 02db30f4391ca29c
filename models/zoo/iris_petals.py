"""The smallest iris network: 4-8-3; with a thermometer, of 8 levels on the petals' measurements."""

from dataclasses import replace

from torch import nn

from bitfold.models.datasets import IRIS_INPUT
from bitfold.models.layers import MLP
from bitfold.models.quantization import Quantization

PETAL_LENGTH, PETAL_WIDTH = 2, 3


LEVELS = 8


def build(quantization: Quantization) -> nn.Module:
    if quantization.thermometer_levels:
        quantization = replace(quantization, thermometer_levels=LEVELS)
    return MLP(
        quantization,
        IRIS_INPUT,
        hidden=(8,),
        classes=3,
        thermometer_features=(PETAL_LENGTH, PETAL_WIDTH),
    )
