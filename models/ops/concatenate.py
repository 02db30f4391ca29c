"""Concatenate: where branches meet, one behind the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.errors import NetworkError
from bitfold.models.ops.op import Op
from bitfold.models.value import Range


@dataclass(frozen=True)
class Concatenate(Op):
    """y = the inputs one behind the other along the last axis (features or channels)."""

    inputs = None

    def shapes(self, inputs, parameters):
        leading = {value.shape[:-1] for value in inputs}
        if len(leading) > 1:
            raise NetworkError(
                f"it joins shapes {' and '.join(str(value.shape) for value in inputs)}, which "
                "differ in more than the last axis"
            )
        return ((*inputs[0].shape[:-1], sum(value.shape[-1] for value in inputs)),)

    def bounds(self, inputs, parameters):
        low = np.concatenate([x.low for x in inputs], axis=-1)
        return (Range(low, np.concatenate([x.high for x in inputs], axis=-1)),)

    def encodings(self, inputs, bounds):
        if all(value.encoding.is_bipolar for value in inputs):
            return (Encoding.of("BIPOLAR"),)
        return super().encodings(inputs, bounds)

    def evaluate(self, inputs, parameters):
        return (np.concatenate(inputs, axis=-1),)
