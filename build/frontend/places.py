"""Where each feature of a sample stands among the integers of a network's input."""

from __future__ import annotations

import numpy as np

from bitfold.build.frontend.source import Operation, value_shape
from bitfold.models.host import PERMUTE, HostOp


class Places:
    """Which feature of a sample is where in a tensor like `sample`, while operations of SHAPE move
    them."""

    def __init__(self, sample: np.ndarray):
        self.features = np.arange(sample[0].size).reshape(1, *sample.shape[1:])

    def fit(self, operation: Operation) -> bool:
        """Whether the operation takes that tensor."""
        return operation.sample.shape[1:] == self.features.shape[1:]

    def move(self, operation: Operation) -> None:
        if operation.kind == "Transpose":
            order = operation.attributes.get("perm", range(self.features.ndim)[::-1])
            self.features = self.features.transpose(order)
        else:
            self.features = self.features.reshape(1, *operation.result.shape[1:])

    def value(self, has_maps: bool) -> tuple[tuple[int, ...], tuple[HostOp, ...]]:
        """The shape of the network's input, and the step of the host that brings features there
        from their order in a sample."""
        shape = value_shape(self.features, has_maps)
        features = self.features.transpose(0, 2, 3, 1) if len(shape) == 3 else self.features
        order = features.ravel()
        moved = not np.array_equal(order, np.arange(order.size))
        return shape, (HostOp.of(PERMUTE, order),) if moved else ()
