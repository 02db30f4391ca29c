"""The first layer, sample and channel in which two stages differ, and what differs behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.build.inspect.diff.align import align
from bitfold.build.inspect.diff.place import (
    Parameter,
    Place,
    Side,
    describe,
    differing,
    first_of,
    pixel_of,
)
from bitfold.build.inspect.diff.stages import Shown, Stage

SCORE_TOLERANCE = 1e-5
"""Scores are float32: a source rounds each step of its last layer, a head only the exact sum."""


@dataclass(frozen=True)
class LayerDifference:
    """In how many samples one layer differs, in how many values, and the first place in it:
    `pixel` is the row and the column, where it is a feature map."""

    layer: str
    kind: str
    samples: int
    values: int
    sample: int
    channel: int
    a: float | int
    b: float | int
    pixel: tuple[int, int] | None = None


@dataclass(frozen=True)
class Comparison:
    """How two stages compare on `samples` samples.

    `compared` names what both show, in order, and `layers` what of it differs; `first` is the first
    channel of the first sample of the first of these. Where no sample shows a difference,
    `parameters` are those that differ all the same. `outputs_differ` are the samples whose outputs
    do, int64.
    """

    samples: int
    compared: tuple[str, ...]
    first: Place | None
    layers: tuple[LayerDifference, ...]
    parameters: tuple[Parameter, ...]
    outputs_differ: np.ndarray

    @property
    def equal(self) -> bool:
        return self.first is None and not self.parameters

    def says(self, a: str, b: str) -> str:
        """What comes first of it, in one line, the stages by these names."""
        if self.first:
            return self.first.says(a, b)
        if self.parameters:
            first, more = self.parameters[0], len(self.parameters) - 1
            return (
                f"{first.layer}: {first.kind} {first.place} is {first.a} in {a} "
                f"and {first.b} in {b}{f', and {more} more differ' if more else ''}, but none of "
                f"the {self.samples} samples shows it"
            )
        return f"equal: {a} and {b} on {self.samples} samples, in {', '.join(self.compared)}"


def compare(a: Stage, b: Stage, of_a: Shown, of_b: Shown) -> Comparison:
    """Compares what two stages showed of the same samples.

    Raises InputError for networks of another shape.
    """
    stages, shown = (a, b), (of_a, of_b)
    layers = align(a, b)
    compared: list[str] = []
    found: list[LayerDifference] = []
    first = None
    for index, layer in enumerate(layers):
        if not all(name in of.tensors for name, of in zip(layer.tensors, shown)):
            continue
        compared.append(layer.name)
        shape = a.network.values[layer.tensors[0]].shape
        values = [of.tensors[name].reshape(-1, *shape) for name, of in zip(layer.tensors, shown)]
        differ = values[0] != values[1]
        if differ.any():
            found.append(_difference(layer.name, layer.kind, differ, values))
            if first is None:
                first = describe(stages, shown, layers, index, first_of(differ))
    kind, differ, values = _answers(stages, shown)
    compared.append(kind)
    outputs = differ.any(axis=1)
    if layers[-1].nodes == (a.network.nodes[-1], b.network.nodes[-1]):
        tensors = [of.tensors[stage.network.output] for stage, of in zip(stages, shown)]
        outputs |= (tensors[0] != tensors[1]).any(axis=1)
    if first is None and differ.any():
        found.append(_difference("head", kind, differ, values))
        sides = Side(found[0].a), Side(found[0].b)
        first = Place("head", kind, found[0].sample, found[0].channel, *sides)
    unseen = [] if first else [p for layer in layers for p in differing(stages, layer) or ()]
    return Comparison(
        samples=len(of_a.tensors[a.network.input]),
        compared=tuple(compared),
        first=first,
        layers=tuple(found),
        parameters=tuple(unseen),
        outputs_differ=np.flatnonzero(outputs),
    )


def _difference(
    layer: str, kind: str, differ: np.ndarray, values: list[np.ndarray]
) -> LayerDifference:
    place = first_of(differ)
    counts = int(differ.reshape(len(differ), -1).any(axis=1).sum()), int(differ.sum())
    sides = (v[place].item() for v in values)
    return LayerDifference(layer, kind, *counts, place[0], place[-1], *sides, pixel_of(place))


def _answers(
    stages: tuple[Stage, Stage], shown: tuple[Shown, Shown]
) -> tuple[str, np.ndarray, list[np.ndarray]]:
    """What the host makes of the outputs: "score", where both stages have the model's own, else
    "class"; where they differ, (samples, answers) bool; and the two."""
    scores = [of.scores for of in shown]
    same = len(stages[0].network.nodes) == len(stages[1].network.nodes)
    if same and all(s is not None for s in scores) and scores[0].shape == scores[1].shape:
        size = np.maximum(1, np.abs(scores[0]).max(axis=1, keepdims=True))
        return "score", np.abs(scores[0] - scores[1]) > SCORE_TOLERANCE * size, scores
    classes = [
        stage.network.classes(of.tensors[stage.network.output])[:, None]
        for stage, of in zip(stages, shown)
    ]
    return "class", classes[0] != classes[1], classes
