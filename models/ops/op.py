"""Op: what every operation of a network tells about itself. One operation, one file beside this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from bitfold.models.encoding import MAX_BITS, Encoding
from bitfold.models.errors import NetworkError
from bitfold.models.value import Parameter, Range, Value


class Op:
    """An operation on integers, with its attributes: a frozen dataclass that names no value.

    A node says what it reads, makes and is given (models/network.py). Arrays come with the batch in
    front: (batch, *shape). Whoever adds an operation writes `shapes`, `bounds` and `evaluate`, and
    lists it in models/ops/__init__.py.
    """

    inputs: ClassVar[int | None] = 1
    """How many values it reads; None: two or more."""
    roles: ClassVar[tuple[str, ...]] = ()
    """What its parameters are called, in their order."""
    ends_network: ClassVar[bool] = False
    """Whether nothing may read what it makes."""
    may_widen: ClassVar[bool] = True
    """Whether what it makes may be declared wider than it is."""

    def shapes(
        self, inputs: Sequence[Value], parameters: Sequence[Parameter]
    ) -> tuple[tuple[int, ...], ...]:
        """The shape of each value that it makes.

        Raises NetworkError, without the node's name, for inputs, parameters or attributes that do
        not go together.
        """
        raise NotImplementedError

    def bounds(self, inputs: Sequence[Range], parameters: Sequence[Parameter]) -> tuple[Range, ...]:
        """Which integers each output can hold if the inputs hold those: interval arithmetic."""
        raise NotImplementedError

    def evaluate(
        self, inputs: Sequence[np.ndarray], parameters: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, ...]:
        """The outputs, int64, of inputs (batch, *shape) int64 and the values of its parameters."""
        raise NotImplementedError

    def encodings(self, inputs: Sequence[Value], bounds: Sequence[Range]) -> tuple[Encoding, ...]:
        """The narrowest encoding of each output. Raises NetworkError beyond 32 bits."""
        for low, high in (each.ends for each in bounds):
            if low < -(2 ** (MAX_BITS - 1)) or high >= 2 ** (MAX_BITS - (low < 0)):
                raise NetworkError(
                    f"it reaches {low}..{high}, but an integer has at most {MAX_BITS} bits: use "
                    "fewer inputs, or fewer bits for weights or activations"
                )
        return tuple(Encoding.for_range(*each.ends) for each in bounds)

    def infer(self, inputs: Sequence[Value], parameters: Sequence[Parameter]) -> tuple[Value, ...]:
        """The values that it makes, in the narrowest encodings. Raises NetworkError."""
        shapes = self.shapes(inputs, parameters)
        encodings = self.encodings(inputs, self.reach(inputs, parameters))
        return tuple(Value(shape, encoding) for shape, encoding in zip(shapes, encodings))

    def reach(self, inputs: Sequence[Value], parameters: Sequence[Parameter]) -> tuple[Range, ...]:
        """Which integers each output can hold if the inputs hold all that their encodings can."""
        return self.bounds([Range.of(value) for value in inputs], parameters)


def features_of(value: Value, what: str) -> int:
    """The features of a value that has no other axis. Raises NetworkError for a feature map."""
    if len(value.shape) != 1:
        raise NetworkError(f"{what} takes features in one axis, not {value.shape}; flatten them")
    return value.shape[0]
