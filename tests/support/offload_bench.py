"""An offload engine driven register by register, with guards around all that a call may touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from support.offload_networks import SMALL, dense_network
from support.random_networks import Shape, random_inputs, random_network, with_softmax

from bitfold.models.network import Network
from bitfold.overlays.bundle import OffloadBundle
from bitfold.overlays.program import DESCRIPTOR_BEATS, decode, encode
from bitfold.overlays.registers import REGISTERS, ErrorCode
from bitfold.runtime.offload.assembler import Program
from bitfold.runtime.offload.steps import split
from bitfold.runtime.verilated import VerilatedPort
from bitfold.runtime.verilator import build_library

WATCHDOG_CYCLES = 4000
"""Longer than the engine computes without a word to the memory, for programs of this size."""
LONGEST_CALL_CYCLES = 400_000
GUARD_BEATS = 512
NOWHERE = 0x4000_0000
"""An address behind which there is no memory."""


@dataclass(frozen=True)
class Good:
    """A program that runs, one call's frames, and what must come out."""

    network: Network
    program: Program
    source: np.ndarray
    expected: np.ndarray

    @property
    def output_beats(self) -> int:
        return len(self.source) * self.program.output.beats

    def check(self, destination: np.ndarray) -> None:
        """Fails unless the beats at DESTINATION hold what is expected, whatever they have over."""
        np.testing.assert_array_equal(self.program.values(destination), self.expected)

    @staticmethod
    def of(network: Network, frames: int = 5, engine=SMALL) -> Good:
        (step,) = split(engine, network)
        x = random_inputs(network, frames, 0)
        return Good(network, step.program, step.program.input.pack(x), network(x))


SHAPE = Shape((70, 20, 7), ("UINT3", "UINT3"), ("INT2", "INT2"), None, False, False)

GOOD = (
    # Every head, bipolar and signed, more than one block of rows.
    Good.of(dense_network((70, 20, 9), "INT2", "INT3", "BIPOLAR")),
    Good.of(dense_network((70, 20, 7), "BIPOLAR", "BIPOLAR", "UINT2", argmax=True)),
    Good.of(random_network(with_softmax(SHAPE), 0)),
)


def changed(image: np.ndarray, layer: int, **fields: int) -> np.ndarray:
    """`image` with other values in some fields of one descriptor."""
    place = slice(DESCRIPTOR_BEATS * layer, DESCRIPTOR_BEATS * (layer + 1))
    image = image.copy()
    image[place] = encode({**decode(image[place]), **fields})
    return image


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    error: ErrorCode
    cycles: int
    destination: np.ndarray


class Bench:
    """One simulated engine, and memory of which a call may change the destination only."""

    def __init__(self, bundle: OffloadBundle, cache):
        self.port = VerilatedPort(build_library(bundle.rtl, cache), bundle.images)
        self.random = np.random.default_rng(0)
        self.port.write(REGISTERS.WATCHDOG.offset, WATCHDOG_CYCLES)

    @contextmanager
    def placed(
        self,
        good: Good,
        image: np.ndarray | None = None,
        destination_beats: int | None = None,
        **registers: int,
    ) -> Iterator[np.ndarray]:
        """All in memory and registers for a call of `good`, with another `image` or other
        `registers`; gives the beats at DESTINATION.

        Fails if something else in memory is changed before the end.
        """
        image = good.program.image if image is None else image
        size = good.output_beats if destination_beats is None else destination_beats
        contents = [image, good.source.ravel(), np.zeros(size, np.uint64)]
        arena = self.port.allocate(sum(map(len, contents)) + 4 * GUARD_BEATS)
        arena.beats[:] = self.random.integers(0, 2**64, len(arena.beats), np.uint64)
        places, start = [], GUARD_BEATS
        for content in contents:
            places.append(start)
            arena.beats[start : start + len(content)] = content
            start += len(content) + GUARD_BEATS
        program, source, destination = (arena.address + 8 * place for place in places)
        settings = {
            "PROGRAM_ADDRESS": program,
            "PROGRAM_LENGTH": len(good.program.layers),
            "SOURCE": source,
            "DESTINATION": destination,
            "DESTINATION_BEATS": size,
            "FRAMES": len(good.source),
        }
        for name, value in (settings | registers).items():
            self.port.write(getattr(REGISTERS, name).offset, value)
        before = arena.beats.copy()
        may_change = slice(places[2], places[2] + size)
        yield arena.beats[may_change]
        arena.beats[may_change] = 0
        np.testing.assert_array_equal(arena.beats, before)
        arena.beats[:] = 0
        arena.free()

    def call(
        self, good: Good, *, meanwhile: Callable[[], None] = lambda: None, **changes
    ) -> Outcome:
        """A call of `good` with `changes` as in `placed`; after 1000 cycles, `meanwhile`.

        Fails unless it ends, on a bus that is free.
        """
        status = REGISTERS.STATUS
        with self.placed(good, **changes) as destination:
            self.start()
            self.go_on(1000)
            meanwhile()
            self.go_on(LONGEST_CALL_CYCLES)
            word = self.port.read(status.offset)
            assert status["done"].get(word), "the call hangs"
            assert status["idle"].get(word)
            assert not status["bus_stuck"].get(word)
            return Outcome(
                ErrorCode(status["error"].get(word)),
                self.port.read(REGISTERS.CYCLES_LOW.offset),
                destination.copy(),
            )

    def start(self) -> None:
        control = REGISTERS.CONTROL
        self.port.write(REGISTERS.IRQ_PENDING.offset, REGISTERS.IRQ_PENDING["done"].mask)
        self.port.write(control.offset, control["irq_enable"].mask | control["start"].mask)

    def go_on(self, cycles: int) -> None:
        """Lets that many cycles go by, or fewer where the call ends."""
        self.port._library.bitfold_run(self.port._handle, cycles)

    def reset(self) -> None:
        """Ends a call from outside; fails unless the bus is free soon after."""
        self.port.write(REGISTERS.CONTROL.offset, REGISTERS.CONTROL["soft_reset"].mask)
        self.go_on(2000)
        status = self.port.read(REGISTERS.STATUS.offset)
        assert REGISTERS.STATUS["idle"].get(status)
        assert not REGISTERS.STATUS["bus_stuck"].get(status)

    def check_memory(self) -> None:
        """Fails if any call wrote anywhere in memory beside what it was given."""
        assert not self.port._memory.any()

    def check_good(self, good: Good) -> None:
        """Fails unless `good` runs as it should, from what an earlier call left behind."""
        outcome = self.call(good)
        assert outcome.error is ErrorCode.NONE
        good.check(outcome.destination)
