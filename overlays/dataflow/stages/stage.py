"""Stage: what every kind of stage tells about itself. One kind, one file beside this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.errors import OverlayError
from bitfold.models.ops import Op
from bitfold.models.value import Value
from bitfold.overlays.dataflow.clock import path_ns
from bitfold.overlays.dataflow.cost import Features, luts
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.dataflow.images import Image

MAX_SIZE = 1 << 24
"""Elements of a frame: predicting a cycle for more takes too long."""


class Moves(NamedTuple):
    """When the beats of a frame move: in, for each input, and out, in cycles, int64."""

    taken: tuple[np.ndarray, ...]
    departures: np.ndarray
    free: int
    """From when on the stage can take the next frame."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One RTL module that computes `ops`, one after the other, on frames of `inputs`.

    `name` is that of the node that it comes from, `layer` that of the layer whose counters it
    drives, and `value` that of the value it makes. Whoever adds a kind of stage writes what raises
    NotImplementedError here, and lists it in stages/__init__.py.
    """

    name: str
    layer: str
    value: str
    ops: tuple[Op, ...]
    inputs: tuple[Value, ...]
    output: Value
    fold: Fold

    module: ClassVar[str]
    """The RTL module."""
    direct: ClassVar[bool] = True
    """Whether it takes a beat each cycle, so that a producer of as many lanes is wired to it."""
    foldable: ClassVar[bool] = True
    """Whether its fold is to be chosen, where it begins a layer."""
    whole_frames: ClassVar[bool] = False
    """Whether a beat is a frame."""

    def check(self) -> None:
        """Raises OverlayError for sizes that can't be, and lanes that do not divide them."""
        if not self.ops:
            raise OverlayError(f"{self.name}: a stage that computes nothing")
        values = [(value, self.lanes_in) for value in self.inputs]
        for value, lanes in [*values, (self.output, self.lanes_out)]:
            if not 0 < value.size <= MAX_SIZE or lanes < 1 or value.shape[-1] % lanes:
                raise OverlayError(
                    f"{self.name}: {lanes} lanes for {value}; lanes divide its features, or "
                    f"channels, and there are at most {MAX_SIZE} elements"
                )

    @property
    def input(self) -> Value:
        """The only one of its inputs."""
        (value,) = self.inputs
        return value

    @property
    def lanes_in(self) -> int:
        """Elements a beat, of each input."""
        return self.fold.pe

    @property
    def lanes_out(self) -> int:
        return self.fold.pe

    @property
    def cycles(self) -> int:
        """Cycles a frame."""
        raise NotImplementedError

    @property
    def latency_cycles(self) -> int:
        """From the beat that completes an answer to its first beat."""
        raise NotImplementedError

    def moves(self, arrivals: tuple[np.ndarray, ...], free: int | None) -> Moves:
        """When the beats of a frame move, if those of each input are there at `arrivals`, and it
        can take the frame from `free` on; None: from the beginning."""
        taken = self.taken(*arrivals, free=free)
        return Moves(taken, self.departures(*taken), max(int(each[-1]) for each in taken) + 1)

    def taken(self, *arrivals: np.ndarray, free: int | None = None) -> tuple[np.ndarray, ...]:
        """When it takes the beats that are there at `arrivals`: by default each as it comes."""
        return arrivals

    def departures(self, *taken: np.ndarray) -> np.ndarray:
        """When the beats of a frame leave it, if it takes those of its inputs at `taken`."""
        raise NotImplementedError

    def with_room(self, flows: Sequence[tuple[tuple[np.ndarray, ...], int | None]]) -> Stage:
        """Itself with memories that are just deep enough, if it has what `moves` is given in each
        of `flows`, frame after frame."""
        return self

    @property
    def rtl_parameters(self) -> dict[str, int | str]:
        """The parameters of its module, but for the names of its images."""
        raise NotImplementedError

    @property
    def images(self) -> Mapping[str, Image]:
        """The layout of its memories, by the role of the constants that they hold."""
        return {}

    def encode(self, role: str, constants: np.ndarray) -> np.ndarray:
        """Constants in the network's order to the words of the image, (words, fields)."""
        raise NotImplementedError

    def decode(self, role: str, words: np.ndarray) -> np.ndarray:
        """The words of an image back to what `encode` was given."""
        raise NotImplementedError

    def evaluate(self, inputs: Sequence[np.ndarray], constants: Sequence[np.ndarray]) -> np.ndarray:
        """The integers (frames, elements) int64 that it makes of its inputs; `constants` are those
        of its ops, in order."""
        frames = len(inputs[0])
        values = tuple(
            given.reshape(frames, *value.shape) for given, value in zip(inputs, self.inputs)
        )
        for op, given in self.applied(constants):
            values = op.evaluate(values, given)
        return values[0].reshape(frames, self.output.size)

    def applied(self, constants: Sequence[np.ndarray]) -> list[tuple[Op, list[np.ndarray]]]:
        """Its ops, each with those of `constants` that are its own."""
        left = list(constants)
        return [(op, [left.pop(0) for _ in op.roles]) for op in self.ops]

    @property
    def roles(self) -> tuple[str, ...]:
        """What the constants of its ops are called, in order."""
        return tuple(role for op in self.ops for role in op.roles)

    def features(self, dsps: bool) -> Features:
        """What its LUTs are estimated by; with `dsps`, multipliers are where Yosys puts them."""
        raise NotImplementedError

    def estimated_luts(self, dsps: bool) -> int:
        """Its LUTs, estimated."""
        return luts(self.features(dsps))

    @property
    def path(self) -> Features:
        """What its longest path between two registers is estimated by."""
        raise NotImplementedError

    @property
    def mhz(self) -> float:
        """The clock that it reaches by itself, estimated."""
        return 1000 / path_ns(self.path)

    def for_clock(self, clock_mhz: float) -> Stage:
        """It with as many registers as `clock_mhz` asks for, where it has a choice; where none
        reaches that, as fast as it can be."""
        return self

    @property
    def ramb18(self) -> int:
        """Block RAMs of 18 kbit that its memories lie in."""
        return 0

    @property
    def dsps(self) -> int:
        """DSPs that Yosys takes for it, where they are allowed."""
        return 0


def packed(integers: Sequence[int]) -> str:
    """A parameter of 32 bits for each of several inputs, the first lowest."""
    digits = "".join(f"{n:08x}" for n in reversed(integers))
    return f"{32 * len(integers)}'h{digits}"


def encoding_code(encoding: Encoding) -> int:
    """The number by which the RTL knows how an encoding is stored."""
    return 2 if encoding.is_bipolar else int(encoding.signed)


def stored(value: int | None, encoding: Encoding) -> str:
    """A parameter that holds the bits of a value; None: any."""
    bits = 0 if value is None else int(encoding.to_bits(np.int64(value)))
    return f"{encoding.bits}'h{bits:x}"
