"""Softmax in integers: 8-bit shares of 255, small enough to stand behind the last layer on chip."""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp, log2

import numpy as np

from bitfold.models.errors import NetworkError
from bitfold.models.ops.op import Op, features_of
from bitfold.models.value import Range

MAX_CLASSES = 64
MAX_SHIFT = 63
WHOLE = 255
"""What the shares of a sample add up to."""
_STEPS = {"reduced": 256 * log2(np.e), "plain": 16}
"""Of the integer that e is looked up by, for a score of one: 256ths of an octave, 16ths."""
FORMS = tuple(_STEPS)
_POINTS = 12
"""Fractional bits of a score before it is shifted."""
_LARGEST = (1 << 13) - 1
"""Of a shifted score: all above ends at no share, or at the ends of Q4.4."""
_ONE = 256
"""e^0."""

# 2^-(i/256), of which the shift by whole octaves is left out; e^(z/16) for z from -128 to 127.
_U = (np.arange(256, dtype=np.int64) * 177) >> 8
OCTAVE = _ONE - _U + ((_U * _U) >> 9)
_Z = np.arange(-128, 128, dtype=np.int64)
PARABOLA = _ONE + 16 * _Z + ((_Z * _Z + 1) >> 1)
RECIPROCAL = (WHOLE << 16) * 64 // (_ONE * (65 + np.arange(64, dtype=np.int64)))
"""255 / (1 + i/64), rounded down to a smaller one: no product is ever too large."""


@dataclass(frozen=True)
class Softmax(Op):
    """Scores (batch, 2 to 64 classes) to shares 0 to 255 that add up to 255 in each sample.

    A score s stands for the real number s * scale; `multiplier`, 256 to 511, and `shift`, 0 to 63,
    say the scale (`scaled` finds them). All arithmetic is of integers, `>>` rounds down:

    form "reduced", e^-d = 2^-k * T2(r) with T2 the Taylor series up to the second order:

        d = the largest score - s
        y = (min((d << 12) >> shift, 8191) * multiplier) >> 9       256ths of an octave
        u = ((y & 255) * 177) >> 8
        e = (256 - u + (u * u >> 9)) >> (y >> 8)                    256 stands for 1

    With multiplier 369 and shift 7 (scale 1/16) scores are in Q4.4. Differences are taken before
    anything is rounded, so that close scores keep their order.

    form "plain", e^z = 1 + z + z^2/2, as published: right in order only for |z| <= 1, because the
    parabola turns at -1, and only of scores that are not the same in 16ths.

        z = (clip((s << 12) >> shift, -8192, 8191) * multiplier) >> 9, clipped to -128..127 (Q4.4)
        e = 256 + 16 * z + (z * z + 1 >> 1)

    Both then divide by a look-up: S is the sum of all e, p its highest bit, i the 6 bits below:

        share = (e * floor(255 * 2^16 / (256 * (1 + (i + 1)/64)))) >> (p + 8)

    and the first of the largest (of the scores if reduced, of e if plain) gets what the others
    leave of 255. A share is always less than 255 e/S, so that this one is strictly the largest:
    the reduced form's argmax is exactly that of the scores, and a higher score never has a smaller
    share. Equal scores have equal shares, but for the one that takes the rest.
    """

    multiplier: int
    shift: int
    form: str = "reduced"

    ends_network = True
    may_widen = False

    def shapes(self, inputs, parameters):
        classes = features_of(inputs[0], "a softmax")
        if not 2 <= classes <= MAX_CLASSES:
            raise NetworkError(
                f"softmax of {classes} classes; it takes 2 to {MAX_CLASSES}: leave the scores to "
                "the host"
            )
        if self.form not in FORMS:
            raise NetworkError(f"form {self.form!r} is unknown; known: {', '.join(FORMS)}")
        if not (256 <= self.multiplier <= 511 and 0 <= self.shift <= MAX_SHIFT):
            raise NetworkError(
                f"multiplier {self.multiplier} and shift {self.shift} are outside 256..511 and "
                f"0..{MAX_SHIFT}"
            )
        return (inputs[0].shape,)

    def bounds(self, inputs, parameters):
        least = np.zeros(inputs[0].low.shape, np.int64)
        return (Range(least, least + WHOLE),)

    def evaluate(self, inputs, parameters):
        return (self.shares(inputs[0]),)

    def shares(self, x: np.ndarray) -> np.ndarray:
        """Scores (batch, classes) to shares (batch, classes) int64."""
        x = np.asarray(x, np.int64)
        if self.form == "plain":
            e = PARABOLA[np.clip(self._scale(x), -128, 127) + 128]
            winner = e.argmax(axis=1)
        else:
            y = self._scale(x.max(axis=1, keepdims=True) - x)
            e = OCTAVE[y & 255] >> (y >> 8)
            winner = x.argmax(axis=1)
        total = e.sum(axis=1, keepdims=True, dtype=np.int64)
        highest = np.frexp(total)[1].astype(np.int64) - 1
        share = (e * RECIPROCAL[(total >> (highest - 6)) & 63]) >> (highest + 8)
        rows = np.arange(len(x), dtype=np.int64)
        share[rows, winner] = 0
        share[rows, winner] = WHOLE - share.sum(axis=1, dtype=np.int64)
        return share

    @property
    def scale(self) -> float:
        """What a score of one stands for."""
        return self.multiplier * 2.0 ** (3 - self.shift) / _STEPS[self.form]

    def outside(self, x: np.ndarray) -> np.ndarray:
        """The samples of scores `x` that the form is not made for: indices (samples,) int64.

        Of the plain one, those with a score beyond -1..1.
        """
        far = np.abs(x).max(axis=1, initial=0) * self.scale > 1
        return np.flatnonzero(far & (self.form == "plain"))

    def changed(self, x: np.ndarray) -> np.ndarray:
        """The samples of scores `x` whose largest share is not that of a largest score: indices
        (samples,) int64. Of the reduced form there are none."""
        chosen = self.shares(x).argmax(axis=1)[:, None]
        return np.flatnonzero(np.take_along_axis(x, chosen, 1)[:, 0] < x.max(axis=1))

    def _scale(self, x: np.ndarray) -> np.ndarray:
        shifted = np.clip((x << _POINTS) >> self.shift, -_LARGEST - 1, _LARGEST)
        return (shifted * self.multiplier) >> 9


def scaled(scale: float, form: str = "reduced") -> tuple[int, int]:
    """The `multiplier` and `shift` of a Softmax whose scores are worth `scale` > 0 each.

    To 9 bits. Where a difference of one leaves no share to the smaller score, from some 6 on, the
    scale does not matter any more.
    """
    mantissa, exponent = frexp(scale * _STEPS[form])
    multiplier = round(mantissa * 512)
    if multiplier == 512:
        multiplier, exponent = 256, exponent + 1
    if exponent > _POINTS:
        return 511, 0
    return multiplier, min(_POINTS - exponent, MAX_SHIFT)
