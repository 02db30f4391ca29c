"""What integers stand for: the affine map from a tensor's integers to the reals of the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bitfold.models.host import HostOp

_ZERO = np.float64(0)


@dataclass(frozen=True)
class Reals:
    """real = (integer - zero) * scale + offset, each float64, a scalar or one value a feature."""

    scale: np.ndarray
    zero: np.ndarray = _ZERO
    offset: np.ndarray = _ZERO

    def of(self, integers: np.ndarray) -> np.ndarray:
        """(rows, features) integers to float32: the exact value, rounded once."""
        return self.exactly(integers).astype(np.float32)

    def exactly(self, integers: np.ndarray) -> np.ndarray:
        """(rows, features) integers to float64."""
        return (integers - self.zero) * self.scale + self.offset

    def integers(self, reals: np.ndarray) -> np.ndarray:
        """(rows, features) reals to the int64 that they stand for."""
        reals = reals.astype(np.float64)
        return np.rint((reals - self.offset) / self.scale + self.zero).astype(np.int64)

    def then(self, factor: np.ndarray, term: np.ndarray) -> Reals:
        """The map followed by real * factor + term."""
        return Reals(self.scale * factor, self.zero, self.offset * factor + term)

    def flattened(self, shape: tuple[int, ...], order: tuple[int, ...]) -> Reals:
        """The map of the features that become of a feature map of `shape`, its axes in `order`."""

        def spread(values: np.ndarray) -> np.ndarray:
            if not values.ndim:
                return values
            return np.broadcast_to(values, shape).transpose(order).ravel()

        return Reals(spread(self.scale), spread(self.zero), spread(self.offset))

    @staticmethod
    def added(parts: Sequence[Reals]) -> Reals:
        """What the sum of integers stands for that stand for `parts`, all of one scale."""
        zero = sum(part.zero for part in parts)
        return Reals(parts[0].scale, zero, sum(part.offset for part in parts))

    @staticmethod
    def side_by_side(parts: Sequence[Reals], features: Sequence[int]) -> Reals:
        """What integers stand for that stand for `parts`, each of so many features."""

        def joined(values: Sequence[np.ndarray]) -> np.ndarray:
            return scalar_if_equal(np.concatenate(list(map(np.broadcast_to, values, features))))

        return Reals(
            joined([part.scale for part in parts]),
            joined([part.zero for part in parts]),
            joined([part.offset for part in parts]),
        )

    def host_steps(self) -> tuple[HostOp, ...]:
        """The same map as float32 steps of the host, in the order in which exporters write it."""
        steps = (("Sub", self.zero, 0), ("Mul", self.scale, 1), ("Add", self.offset, 0))
        return tuple(
            HostOp(kind, (np.asarray(operand, np.float32),))
            for kind, operand, neutral in steps
            if (operand != neutral).any()
        )


def scalar_if_equal(values: np.ndarray) -> np.ndarray:
    """`values` as one float64 where all are the same."""
    return values.flat[0] if (values == values.flat[0]).all() else values
