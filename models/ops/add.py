"""Add: where branches meet, element by element."""

from __future__ import annotations

from dataclasses import dataclass

from bitfold.models.errors import NetworkError
from bitfold.models.ops.op import Op
from bitfold.models.value import Range


@dataclass(frozen=True)
class Add(Op):
    """y = the sum of all inputs, which have one shape."""

    inputs = None

    def shapes(self, inputs, parameters):
        shapes = {value.shape for value in inputs}
        if len(shapes) > 1:
            raise NetworkError(
                f"it adds values of shapes {' and '.join(map(str, sorted(shapes)))}; give all one "
                "shape"
            )
        return (inputs[0].shape,)

    def bounds(self, inputs, parameters):
        return (Range(sum(x.low for x in inputs), sum(x.high for x in inputs)),)

    def evaluate(self, inputs, parameters):
        return (sum(inputs[1:], start=inputs[0]),)
