"""ArgMax: the class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.models.ops.op import Op, features_of
from bitfold.models.value import Range


@dataclass(frozen=True)
class ArgMax(Op):
    """The index of the largest value; the first of equals."""

    ends_network = True

    def shapes(self, inputs, parameters):
        features_of(inputs[0], "an argmax")
        return ((1,),)

    def bounds(self, inputs, parameters):
        return (Range(np.zeros(1, np.int64), np.array([inputs[0].low.size - 1], np.int64)),)

    def evaluate(self, inputs, parameters):
        return (inputs[0].argmax(axis=1).astype(np.int64)[:, None],)
