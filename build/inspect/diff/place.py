"""One place where two stages differ, and what can be said of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitfold.build.inspect.diff.align import Layer
from bitfold.build.inspect.diff.stages import Shown, Stage, parameter_of


@dataclass(frozen=True)
class Side:
    """What one stage has at the place; None stands for what it does not show.

    `accumulator` is the sum that the threshold there takes (the input, in front of all sums): from
    threshold `low` on, where there is one, and below `high`. `rounded`: the stage itself has it
    only as a rounded float32.
    """

    value: float | int
    accumulator: int | None = None
    low: int | None = None
    high: int | None = None
    activation: int | None = None
    rounded: bool = False

    def __str__(self) -> str:
        said = "accumulator " + ("not shown" if self.accumulator is None else f"{self.accumulator}")
        more = []
        if self.low is not None and self.high is not None:
            more.append(f"between thresholds {self.low} and {self.high}")
        elif self.low is not None:
            more.append(f"from threshold {self.low} on")
        elif self.high is not None:
            more.append(f"below threshold {self.high}")
        if self.activation is not None:
            more.append(f"activation {self.activation}")
        if self.rounded:
            more.append("rounded by float32")
        return said + (f" ({', '.join(more)})" if more else "")


@dataclass(frozen=True)
class Parameter:
    """A weight or a threshold that the stages do not share; `kind` says which.

    `inside` is the place of a convolution's in its row: row, column, channel.
    """

    kind: str
    layer: str
    row: int
    column: int
    a: int
    b: int
    inside: tuple[int, ...] = ()

    @property
    def place(self) -> str:
        return str([self.row, *(self.inside or (self.column,))])


@dataclass(frozen=True)
class Place:
    """Where two stages differ: `layer` is the one to look at, `kind` what of it differs. `pixel` is
    the row and the column of a feature map.

    `parameters` are the channel's weights and thresholds that differ, None where one of the stages
    can't tell its own.
    """

    layer: str
    kind: str
    sample: int
    channel: int
    a: Side
    b: Side
    parameters: tuple[Parameter, ...] | None = None
    pixel: tuple[int, int] | None = None

    def says(self, a: str, b: str) -> str:
        """All of it in one line, the stages by these names."""
        of_layer = self.kind in ("accumulator", "activation")
        channel = "channel" if self.pixel or self.kind != "input" else "feature"
        where = f"{channel} {self.channel}"
        if self.pixel:
            where += f", row {self.pixel[0]}, column {self.pixel[1]}"
        sides = [
            f"{side if of_layer else f'{self.kind} {side.value:g}'} in {label}"
            for side, label in ((self.a, a), (self.b, b))
        ]
        said = f"{self.layer}, {where}, sample {self.sample}: {', '.join(sides)}"
        if self.parameters is None or not of_layer:
            return said
        if not self.parameters:
            return f"{said}; its weights and thresholds are equal"
        first, more = self.parameters[0], len(self.parameters) - 1
        said += f"; {first.kind} {first.place} is {first.a} and {first.b}"
        return said + (f", and {more} more of this channel differ" if more else "")


def first_of(differ: np.ndarray) -> tuple[int, ...]:
    """The first place where it holds: the sample, row and column in a feature map, the channel."""
    return tuple(int(i) for i in np.argwhere(differ)[0])


def pixel_of(place: tuple[int, ...]) -> tuple[int, int] | None:
    return place[1:-1] or None


def describe(
    stages: tuple[Stage, Stage],
    shown: tuple[Shown, Shown],
    layers: list[Layer],
    index: int,
    place: tuple[int, ...],
) -> Place:
    """What there is to say of one place, as `first_of` gives it, in `layers[index]`, which both
    stages show."""
    layer = layers[index]
    sums = threshold = None
    if layer.has_weights:
        sums = layer
        behind = (other for other in layers if other.reads(layer) and other.is_threshold)
        threshold = next(behind, None)
    elif layer.is_threshold:
        sums, threshold = next(other for other in layers if layer.reads(other)), layer
    sides = [
        _side(which, stages[which], shown[which], layer, sums, threshold, place) for which in (0, 1)
    ]
    # A threshold belongs to the layer whose sums it takes.
    of_layer = [part for part in (sums, threshold) if part and part.nodes]
    parts = [differing(stages, part) for part in of_layer]
    found = tuple(p for part in parts for p in part or () if p.row == place[-1])
    return Place(
        layer=(of_layer or [layer])[0].name,
        kind=layer.kind,
        sample=place[0],
        channel=place[-1],
        a=sides[0],
        b=sides[1],
        parameters=found if found or None not in parts else None,
        pixel=pixel_of(place),
    )


def _side(
    which: int,
    stage: Stage,
    shown: Shown,
    layer: Layer,
    sums: Layer | None,
    threshold: Layer | None,
    place: tuple[int, ...],
) -> Side:
    def shaped(tensor: np.ndarray) -> np.ndarray:
        return tensor.reshape(-1, *stage.network.values[layer.tensors[which]].shape)

    def at(part: Layer | None) -> int | None:
        tensor = shown.tensors.get(part.tensors[which]) if part else None
        return None if tensor is None else int(shaped(tensor)[place])

    value, accumulator, activation = at(layer), at(sums), at(threshold)
    rounded = sums is not None and sums.tensors[which] in shown.rounded
    rounded = rounded and bool(shaped(shown.rounded[sums.tensors[which]])[place])
    low = high = None
    if threshold:
        node = threshold.nodes[which]
        rows = stage.parameter(node)
        rows = parameter_of(stage.network, node) if rows is None else rows
        row = rows[place[-1] if len(rows) > 1 else 0]
        if accumulator is not None:
            level = int(np.searchsorted(row, accumulator, side="right"))
        else:
            level = (activation - node.op.base) // node.op.step
        low = int(row[level - 1]) if level else None
        high = int(row[level]) if level < len(row) else None
    return Side(value, accumulator, low, high, activation, rounded)


def differing(stages: tuple[Stage, Stage], layer: Layer) -> list[Parameter] | None:
    """The weights or thresholds of `layer` that the stages do not share; None where it has none.

    Where a stage can't tell its own, its network's stand for them, and None for no difference.
    """
    if not (layer.has_weights or layer.is_threshold):
        return None
    own = [stage.parameter(node) for stage, node in zip(stages, layer.nodes)]
    pair = [
        parameter_of(stage.network, node) if values is None else values
        for stage, node, values in zip(stages, layer.nodes, own)
    ]
    if pair[0].shape[1:] != pair[1].shape[1:]:
        return None
    kernel = pair[0].shape[1:]
    pair = [values.reshape(len(values), -1) for values in pair]
    if layer.is_threshold:
        # Beyond the sums that there are, one threshold is as good as another.
        tensor = stages[0].network.values[layer.nodes[0].input]
        limits = tensor.encoding.minimum, tensor.encoding.maximum + 1
        channels = tensor.shape[-1]
        pair = [np.clip(np.broadcast_to(p, (channels, p.shape[1])), *limits) for p in pair]
    kind = "weight" if layer.has_weights else "threshold"
    found = [
        Parameter(
            kind,
            layer.name,
            int(row),
            int(column),
            *(int(p[row, column]) for p in pair),
            tuple(int(i) for i in np.unravel_index(column, kernel)) if len(kernel) > 1 else (),
        )
        for row, column in np.argwhere(pair[0] != pair[1])
    ]
    known = all(values is not None for values in own)
    return found if found or known else None
