"""Random networks that branch: dense layers, thresholds, forks, Add and Concatenate."""

from __future__ import annotations

import numpy as np
from support.random_networks import ACTIVATIONS, WEIGHTS, random_values

from bitfold.models.encoding import Encoding
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Add, Concatenate, Dense, Op, Threshold
from bitfold.models.value import Parameter, Value

MAX_FEATURES = 24
MAX_INPUT_BITS = 8
"""Of what a layer takes: values of more bits are thresholded first."""


class Drawing:
    """A network while it is drawn: the values that there are, and who reads them."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.values: dict[str, Value] = {}
        self.parameters: dict[str, Parameter] = {}
        self.nodes: list[Node] = []
        self.unread: list[str] = []

    def value(self, name: str, value: Value) -> str:
        self.values[name] = value
        self.unread.append(name)
        return name

    def add(self, op: Op, inputs: list[str], *parameters: Parameter) -> str:
        name = f"n{len(self.nodes)}"
        names = tuple(f"{name}.{role}" for role in op.roles)
        self.parameters.update(zip(names, parameters))
        made = op.infer([self.values[i] for i in inputs], parameters)
        self.nodes.append(Node(name, op, tuple(inputs), (f"{name}.out",), names))
        self.unread = [value for value in self.unread if value not in inputs]
        return self.value(f"{name}.out", made[0])

    def dense(self, source: str, rows: int | None = None) -> str:
        columns = self.values[source].size
        encoding = Encoding.of(str(self.random.choice(WEIGHTS)))
        rows = rows or int(self.random.integers(1, MAX_FEATURES + 1))
        weights = random_values(encoding, (rows, columns), self.random).astype(np.int32)
        return self.add(Dense(), [source], Parameter(weights, encoding))

    def threshold(self, source: str, among: tuple[str, ...] = ACTIVATIONS) -> str:
        value, target = self.values[source], Encoding.of(str(self.random.choice(among)))
        levels = (target.maximum - target.minimum) // target.step
        rows = 1 if self.random.random() < 0.3 else value.shape[-1]
        low, high = value.encoding.minimum, value.encoding.maximum + 1
        spread = max(1.0, min(high - low, 300) / 4)
        drawn = np.rint(self.random.normal(0, spread, (rows, levels))).astype(np.int64)
        steps = np.sort(np.clip(drawn, low, high), axis=1).astype(np.int32)
        parameter = Parameter(steps, Encoding.for_range(min(low, -1), high))
        return self.add(Threshold.to(target), [source], parameter)

    def narrow(self, source: str) -> str:
        """`source`, or its levels where it has too many bits for a layer."""
        wide = self.values[source].encoding.bits > MAX_INPUT_BITS
        return self.threshold(source) if wide else source

    def join(self, left: str, right: str) -> str:
        left, right = (self.narrow(name) for name in (left, right))
        if self.random.random() < 0.5:
            return self.add(Concatenate(), [left, right])
        sizes = [self.values[name].size for name in (left, right)]
        if sizes[0] != sizes[1]:  # a branch gets a layer of the other's size
            right = self.narrow(self.dense(right, sizes[0]))
        return self.add(Add(), [left, right])

    def network(self, name: str, sample: tuple[int, ...], output: str) -> Network:
        """What was drawn, with the integers of a sample as its input."""
        return Network(
            name=name,
            sample_shape=sample,
            quantizer=(),
            input="x",
            output=output,
            values=self.values,
            parameters=self.parameters,
            nodes=tuple(self.nodes),
            head=(),
        )


def random_graph(seed: int) -> Network:
    """A network of 2 to 12 nodes or so, in which values are read once or several times."""
    drawing = Drawing(seed)
    random = drawing.random
    features = int(random.integers(1, MAX_FEATURES + 1))
    here = drawing.value("x", Value((features,), Encoding.of(str(random.choice(ACTIVATIONS)))))
    here = drawing.narrow(drawing.dense(here)) if random.random() < 0.7 else here
    for _ in range(int(random.integers(1, 4))):
        ways = [here, here]
        for way in (0, 1):
            for _ in range(int(random.integers(0, 3))):
                made = drawing.dense(drawing.narrow(ways[way]))
                ways[way] = drawing.threshold(made) if random.random() < 0.8 else made
        here = drawing.join(*ways) if ways[0] != ways[1] else drawing.narrow(drawing.dense(here))
        if random.random() < 0.5:
            here = drawing.threshold(here)
    if not any(isinstance(node.op, Dense) for node in drawing.nodes) or random.random() < 0.5:
        here = drawing.dense(drawing.narrow(here))
    return drawing.network("random graph", (features,), here)
