"""Random convolutional networks that branch: windows of every kind, pooling, skips, a dense end."""

from __future__ import annotations

import numpy as np
from support.random_graphs import Drawing
from support.random_networks import random_values

from bitfold.models.encoding import Encoding
from bitfold.models.network import Network
from bitfold.models.ops import Add, Concatenate, Conv2d, Dense, Flatten, MaxPool, SumPool
from bitfold.models.value import Parameter, Value

BITS = ("BIPOLAR", "BINARY", "TERNARY", "UINT2", "INT2", "UINT3", "INT3", "UINT4", "INT4")
WEIGHTS = ("BIPOLAR", "TERNARY", "INT2", "INT3", "INT4")
MAX_CHANNELS = 8
MAX_SIDE = 9
MAX_BITS = 4
"""Of what a layer takes."""


class Maps(Drawing):
    """A network of feature maps while it is drawn."""

    def convolution(self, source: str, channels: int | None = None, keep: bool = False) -> str:
        """Of any kind; `keep`: with the pixels of its input."""
        random, (height, width, given) = self.random, self.values[source].shape
        kernel = (
            int(random.integers(1, min(5, height) + 1)),
            int(random.integers(1, min(5, width) + 1)),
        )
        stride = (1, 1) if keep else tuple(int(n) for n in random.integers(1, 4, 2))
        ways = random.random()
        groups = 1
        if ways < 0.25 and channels in (None, given):
            groups, channels = given, given
        elif ways < 0.4:
            divisors = [g for g in range(1, given + 1) if given % g == 0]
            groups = int(random.choice(divisors))
        channels = channels or groups * int(random.integers(1, max(2, MAX_CHANNELS // groups + 1)))
        if channels % groups:
            groups = 1
        if keep:
            low = [(k - 1) // 2 for k in kernel]
            padding = (low[0], kernel[0] - 1 - low[0], low[1], kernel[1] - 1 - low[1])
        elif random.random() < 0.5:
            padding = tuple(int(random.integers(0, kernel[i // 2])) for i in range(4))
        else:
            padding = (0, 0, 0, 0)
        encoding = self.values[source].encoding
        fill = int(random.choice([encoding.minimum, encoding.maximum])) if any(padding) else 0
        weight = Encoding.of(str(random.choice(WEIGHTS)))
        shape = (channels, *kernel, given // groups)
        values = random_values(weight, shape, random).astype(np.int32)
        op = Conv2d(stride, padding, fill, groups)
        return self.add(op, [source], Parameter(values, weight))

    def pooling(self, source: str) -> str:
        random, (height, width, _) = self.random, self.values[source].shape
        kernel = (
            int(random.integers(1, min(3, height) + 1)),
            int(random.integers(1, min(3, width) + 1)),
        )
        stride = tuple(int(n) for n in random.integers(1, 4, 2))
        padding = (0, 0, 0, 0)
        if random.random() < 0.4 and self.values[source].encoding.minimum <= 0:
            padding = tuple(int(random.integers(0, kernel[i // 2])) for i in range(4))
        largest = random.random() < 0.6 or self.values[source].encoding.is_bipolar
        return self.add((MaxPool if largest else SumPool)(kernel, stride, padding), [source])

    def narrow(self, source: str) -> str:
        wide = self.values[source].encoding.bits > MAX_BITS
        return self.threshold(source, BITS) if wide else source


def random_convolutions(seed: int) -> Network:
    """A network of 1 to 4 convolutions or poolings, with a skip or two, and perhaps a dense end."""
    drawing = Maps(seed)
    random = drawing.random
    sample = (*(int(n) for n in random.integers(2, MAX_SIDE + 1, 2)), int(random.integers(1, 5)))
    first = "UINT8" if random.random() < 0.2 else str(random.choice(BITS))
    here = drawing.value("x", Value(sample, Encoding.of(first)))
    here = drawing.narrow(drawing.convolution(here))
    for _ in range(int(random.integers(0, 3))):
        way = random.random()
        if way < 0.35:
            here = drawing.narrow(drawing.pooling(here))
        elif way < 0.7:
            here = drawing.narrow(drawing.convolution(here))
        else:
            channels = drawing.values[here].shape[-1]
            branch = drawing.narrow(drawing.convolution(here, channels, keep=True))
            if random.random() < 0.4:
                branch = drawing.narrow(drawing.convolution(branch, channels, keep=True))
            here = (
                drawing.add(Add(), [branch, here])
                if random.random() < 0.7
                else drawing.add(Concatenate(), [branch, here])
            )
            here = drawing.narrow(here)
    if random.random() < 0.5:
        order = (2, 0, 1) if random.random() < 0.7 else (0, 1, 2)
        flat = drawing.add(Flatten(order), [here])
        weight = Encoding.of(str(random.choice(WEIGHTS)))
        shape = (int(random.integers(1, 11)), drawing.values[flat].size)
        values = random_values(weight, shape, random).astype(np.int32)
        here = drawing.add(Dense(), [flat], Parameter(values, weight))
    return drawing.network("random convolutions", sample, here)
