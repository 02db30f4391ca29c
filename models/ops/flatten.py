"""Flatten: a feature map as features in one axis."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from bitfold.models.errors import NetworkError
from bitfold.models.ops.op import Op
from bitfold.models.value import Range


@dataclass(frozen=True)
class Flatten(Op):
    """y = the elements of x in one axis, the axes of x first in `order` (as in the source).

    (2, 0, 1) is what a model with channels first makes of our (height, width, channels).
    """

    order: tuple[int, ...]

    def shapes(self, inputs, parameters):
        shape = inputs[0].shape
        if sorted(self.order) != list(range(len(shape))):
            raise NetworkError(f"order {self.order} does not name each axis of {shape} once")
        return ((prod(shape),),)

    def bounds(self, inputs, parameters):
        x = inputs[0]
        return (Range(x.low.transpose(self.order).ravel(), x.high.transpose(self.order).ravel()),)

    def encodings(self, inputs, bounds):
        return (inputs[0].encoding,)

    def evaluate(self, inputs, parameters):
        x = inputs[0]
        axes = (0, *(axis + 1 for axis in self.order))
        return (x.transpose(axes).reshape(len(x), prod(x.shape[1:])),)
