"""IrisNet: 4-30-30-30-3 for iris, where the two 30x30 layers are one, applied twice."""

import torch
from torch import nn

from bitfold.models.datasets import IRIS_INPUT
from bitfold.models.layers import Dense, Input, Repeated, Scores
from bitfold.models.quantization import Quantization


class IrisNet(nn.Module):
    def __init__(self, quantization: Quantization):
        super().__init__()
        self.input = Input(quantization, IRIS_INPUT)
        self.first = Dense(quantization, self.input.out_features, 30)
        self.shared = Repeated(Dense(quantization, 30, 30), times=2)
        self.scores = Scores(quantization, 30, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(self.shared(self.first(self.input(x))))


def build(quantization: Quantization) -> nn.Module:
    return IrisNet(quantization)
