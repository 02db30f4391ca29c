"""Threshold: counts how many thresholds a sum reaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.errors import NetworkError
from bitfold.models.ops.op import Op
from bitfold.models.value import Range


@dataclass(frozen=True)
class Threshold(Op):
    """y[c] = base + step * (how many of the channel's thresholds t have x[c] >= t).

    `thresholds`: (channels, levels) or, shared by all channels, (1, levels), ascending. Channels
    are the last axis. `step` is 2 where the output is bipolar, else 1.
    """

    base: int = 0
    step: int = 1

    roles = ("thresholds",)

    @staticmethod
    def to(encoding: Encoding) -> Threshold:
        """The threshold whose level 0 is the least value of `encoding`."""
        return Threshold(encoding.minimum, encoding.step)

    def shapes(self, inputs, parameters):
        thresholds, channels = parameters[0].values, inputs[0].shape[-1]
        if len(thresholds) not in (1, channels):
            raise NetworkError(
                f"{len(thresholds)} rows of thresholds for {channels} channels; "
                "give one row a channel, or one for all"
            )
        if (np.diff(thresholds.astype(np.int64), axis=1) < 0).any():
            raise NetworkError("its thresholds do not ascend")
        if (self.step, self.base, thresholds.shape[1]) != (2, -1, 1) and self.step != 1:
            raise NetworkError(
                f"step {self.step} from {self.base} with {thresholds.shape[1]} thresholds; "
                "the step is 1, or 2 from -1 with one threshold (bipolar)"
            )
        return (inputs[0].shape,)

    def bounds(self, inputs, parameters):
        # It never gives less for more.
        x, thresholds = inputs[0], parameters[0].values
        (ends,) = self.evaluate([np.stack([x.low, x.high])], [thresholds])
        return (Range(*ends),)

    def encodings(self, inputs, bounds):
        return (Encoding.of("BIPOLAR"),) if self.step == 2 else super().encodings(inputs, bounds)

    def evaluate(self, inputs, parameters):
        (x,), (thresholds,) = inputs, parameters
        if thresholds.shape[1] < 8:  # comparing all channels at once beats a search of each
            level = np.zeros(x.shape, np.int64)
            for threshold in thresholds.T:
                level += x >= threshold
            return (self.base + self.step * level,)
        level = np.empty(x.shape, np.int64)
        for channel in range(x.shape[-1]):
            row = thresholds[channel if len(thresholds) > 1 else 0]
            level[..., channel] = np.searchsorted(row, x[..., channel], side="right")
        return (self.base + self.step * level,)
