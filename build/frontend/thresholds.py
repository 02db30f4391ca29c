"""Moves every threshold to the integer at which the source's own float32 arithmetic switches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitfold.build.frontend.plan import Activation
from bitfold.build.frontend.problems import UnlowerableError
from bitfold.models.ops import Threshold

# Integers that the finished thresholds are tried on, over all features.
_TRIALS = 2**18
_LEAST_TRIALS = 512


def switching_points(activation: Activation, low: int, high: int, guess: np.ndarray) -> np.ndarray:
    """The least integer in `low` to `high` at which each level is reached, or `high` + 1: never.

    (features, levels) int64, ascending. The incoming integers run from `low` to `high`; `guess`,
    (features or 1, levels), is where to look first. Raises UnlowerableError for an activation
    that falls somewhere: no thresholds give what it does.
    """
    output = activation.levels
    levels = np.arange(output.minimum, output.maximum, output.step) + output.step
    shape = (len(levels), activation.features)

    def reached(points: np.ndarray) -> np.ndarray:
        return activation(np.clip(points, low, high)) >= levels[:, None]

    # For each level and feature: not reached at `under`, reached at `over`.
    under = np.full(shape, low - 1, np.int64)
    over = np.full(shape, high + 1, np.int64)

    def narrow(points: np.ndarray) -> None:
        nonlocal under, over
        points = np.clip(points, under + 1, np.maximum(over - 1, under + 1))
        open_ = over - under > 1
        is_reached = reached(points)
        over = np.where(open_ & is_reached, points, over)
        under = np.where(open_ & ~is_reached, points, under)

    guess = np.ceil(np.nan_to_num(guess.astype(np.float64), nan=low))
    first = np.broadcast_to(np.clip(guess, low, high + 1).astype(np.int64).T, shape)
    # A tie that the source rounds down moves a threshold by one.
    for distance in (0, -1, 1):
        narrow(first + distance)
    while (over - under > 1).any():
        narrow((under + over) // 2)
    points = over.T
    _try(activation, low, high, points)
    return points


def _try(activation: Activation, low: int, high: int, points: np.ndarray) -> None:
    """Raises UnlowerableError unless counting thresholds is what the activation does.

    On all integers, or where there are many on a sample of them; an activation that is monotone
    passes, so what is found here is one that is not.
    """
    count = max(_TRIALS // activation.features, _LEAST_TRIALS)
    if high - low < count:
        trials = np.arange(low, high + 1)
    else:
        trials = np.random.default_rng(0).integers(low, high + 1, count)
    trials = np.repeat(trials[:, None], activation.features, axis=1)
    output = activation.levels
    (counted,) = Threshold(output.minimum, output.step).evaluate([trials], [points])
    wrong = (counted != activation(trials)).any(axis=0)
    if wrong.any() or (np.diff(points, axis=1) < 0).any():
        raise UnlowerableError(
            f"it does not rise with its input (feature {int(np.argmax(wrong))}), so that no "
            "thresholds give what it does",
            "use a monotone activation in front of the quantizer",
        )


def falling_features(activation: Activation, low: int, high: int) -> np.ndarray:
    """(features,) bool: where it falls with integers of `low` to `high`."""
    ends = np.repeat([[low], [high]], activation.features, axis=1)
    at_low, at_high = activation(ends)
    return at_low > at_high


def falling_feature(falling: np.ndarray) -> UnlowerableError:
    """The error for features that fall where there are no weights in front, to be negated."""
    return UnlowerableError(
        f"it falls where the input rises (feature {int(np.argmax(falling))})",
        "negate the feature and the weights of the next layer",
    )


def negated(activation: Activation, signs: np.ndarray) -> Activation:
    """The activation as a function of integers whose features are negated where `signs` is -1."""
    before = activation.before
    before = replace(before, zero=before.zero * signs, scale=before.scale * signs)
    return replace(activation, before=before)
