"""Fits the estimate of the clock (overlays/dataflow/clock.py) to designs placed and routed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from timed import Timed

from bitfold.overlays.dataflow.clock import core_path, path_ns
from bitfold.overlays.dataflow.cost import Features

FOLDS = 5
MOST_TOO_FAST = 1.09
"""No design of a fit is promised a clock of more than so many times what it reaches."""
CORE = "core"

Coefficients = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Estimated:
    """A design, its longest path as it is, and as it was estimated, in ns."""

    name: str
    ns: float
    estimated_ns: float

    @property
    def promise(self) -> float:
        """The clock that it is promised, of what it reaches."""
        return self.ns / self.estimated_ns


def fit(designs: Sequence[Timed]) -> Coefficients:
    """Coefficients of each kind: first those of stages, then those of cores made of them."""
    stages = [(design.path, design.ns) for design in designs if design.path]
    fitted: Coefficients = {}
    for kind in sorted({path[0] for path, _ in stages}):
        fitted[kind] = _fit_kind([(path[1], ns) for path, ns in stages if path[0] == kind])
    cores = [(_path(design, fitted)[1], design.ns) for design in designs if not design.path]
    return {**fitted, CORE: _fit_kind(cores)}


def held_out(designs: Sequence[Timed]) -> list[Estimated]:
    """All designs, each estimated by a fit to others: those of a kind take turns. The only one of
    its kind is estimated by itself."""
    kinds = [design.path[0] if design.path else CORE for design in designs]
    turns = []
    for i, kind in enumerate(kinds):
        number = kinds.count(kind)
        turns.append(kinds[:i].count(kind) % min(FOLDS, number) if number > 1 else -1)
    # The last one leaves none out.
    fits = [fit([d for d, own in zip(designs, turns) if own != i]) for i in range(FOLDS + 1)]
    return [estimated([design], fits[own])[0] for design, own in zip(designs, turns)]


def estimated(designs: Iterable[Timed], coefficients: Coefficients) -> list[Estimated]:
    """What `coefficients` say of each design."""
    return [
        Estimated(design.name, design.ns, path_ns(_path(design, coefficients), coefficients))
        for design in designs
    ]


def _path(design: Timed, coefficients: Coefficients) -> Features:
    if design.path:
        return design.path
    slowest = max(path_ns(stage, coefficients) for stage in design.stages)
    return core_path(slowest, design.luts, design.dsps)


def _fit_kind(samples: Sequence[tuple[Mapping[str, float], float]]) -> dict[str, float]:
    """Coefficients, none negative, of the least mean relative error with which no sample is
    promised more than MOST_TOO_FAST times what it reaches: a linear program."""
    names = list(samples[0][0])
    features = np.array([[values[name] for name in names] for values, _ in samples], float)
    ns = np.array([ns for _, ns in samples])
    relative = features / ns[:, None]
    error = np.eye(len(ns))
    above = np.hstack([relative, -error])  # estimate / ns - 1 <= error
    below = np.hstack([-relative, -error])  # 1 - estimate / ns <= error
    promised = np.hstack([-relative, 0 * error])  # estimate / ns >= 1 / MOST_TOO_FAST
    one = np.ones(len(ns))
    limits = np.concatenate([one, -one, -one / MOST_TOO_FAST])
    # Of fits that are as good, that with the smaller coefficients.
    weights = np.concatenate([np.full(len(names), 1e-6), one])
    found = linprog(weights, np.vstack([above, below, promised]), limits, bounds=(0, None))
    return dict(zip(names, found.x[: len(names)].tolist()))
