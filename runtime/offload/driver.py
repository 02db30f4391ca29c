"""Drives an offload overlay: a program and its weights once, then calls and host steps in turn."""

from __future__ import annotations

import numpy as np

from bitfold.models.errors import DeviceError
from bitfold.models.network import Network
from bitfold.overlays.bundle import OffloadBundle
from bitfold.overlays.registers import REGISTERS
from bitfold.runtime.device import Buffer, Call, Port
from bitfold.runtime.driver import Driver, frames_a_call, total
from bitfold.runtime.offload.assembler import Program
from bitfold.runtime.offload.schedule import schedule
from bitfold.runtime.offload.steps import HostStep, Step, run_steps, split

KEPT_BEATS = 1 << 20
"""Images of programs take at most 8 MiB, of the 64 MiB of a simulated memory and the 128 MiB that
a board has by default; a network that needs more is kept alone."""


class OffloadDriver(Driver):
    """Runs any network that fits the engine.

    Programs stay in memory, so that networks can be switched without moving anything, until memory
    is needed: then those of the network that was loaded longest ago make room.
    """

    def __init__(self, bundle: OffloadBundle, port: Port):
        super().__init__(bundle, port)
        self._network: Network | None = None
        self._loaded: dict[str, tuple[Step, ...]] = {}  # by network, the latest last
        self._images: dict[bytes, Buffer] = {}  # by the id of their program

    def _load(self, network: Network) -> None:
        """Raises OverlayError where no layer fits, MemoryFullError where its programs do not."""
        if self._network is not None and network.id == self._network.id:
            self._network = network
            return
        steps = self._loaded.pop(network.id, None) or split(self.bundle.engine, network)
        programs = {program.id: program for program in _programs(steps)}
        self._network, self._loaded[network.id] = None, steps  # which keeps the images it has
        try:
            missing = [programs[key] for key in programs if key not in self._images]
            beats = sum(len(program.image) for program in missing)
            while self._kept_beats + beats > KEPT_BEATS and self._make_room():
                pass
            for program in missing:
                self._images[program.id] = self._store(program)
        except BaseException:
            del self._loaded[network.id]
            self._free_images()
            raise
        self._network = network

    def _run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        if self._network is None:
            raise DeviceError(f"{self.bundle.name}: no network is loaded; load one first")
        calls = []

        def run(program: Program, values: np.ndarray) -> np.ndarray:
            outputs, call = self._run_program(program, values)
            calls.append(call)
            return outputs

        steps = self._loaded[self._network.id]
        return run_steps(self._network, steps, x, run), over_steps(calls, len(x))

    def _run_program(self, program: Program, x: np.ndarray) -> tuple[np.ndarray, Call]:
        frames = min(program.frames, frames_a_call(program.input, program.output))
        parts, calls = [], []
        for start in range(0, len(x), frames):
            part = x[start : start + frames]
            expected_beats = len(part) * program.output.beats
            predicted = schedule(
                self.bundle.engine, program, len(part), self.port.memory_latency_cycles
            )
            beats = self._call(
                program.input.pack(part),
                expected_beats,
                len(part),
                predicted.cycles,
                DESTINATION_BEATS=expected_beats,
                PROGRAM_ADDRESS=self._images[program.id].address,
                PROGRAM_LENGTH=len(program.layers),
            )
            parts.append(program.values(beats))
            calls.append(self._report(program, len(part), predicted.cycles))
        if not calls:
            return np.zeros((0, program.output.elements), np.int64), Call(
                frames=0, predicted_cycles=0, cycles=0
            )
        return np.concatenate(parts), total(calls)

    def _report(self, program: Program, frames: int, predicted_cycles: int) -> Call:
        names = [layer.name for layer in program.layers]
        return Call(
            frames=frames,
            predicted_cycles=predicted_cycles,
            cycles=self._cycles(),
            busy_cycles=self._layer_counters(REGISTERS.LAYER_BUSY, names),
            stalled_cycles=self._layer_counters(REGISTERS.LAYER_STALLED, names),
        )

    def _store(self, program: Program) -> Buffer:
        self._free_the_bus()  # an earlier call may still write to memory that it had
        (buffer,) = self._allocate(len(program.image))
        buffer.beats[:] = program.image
        buffer.flush()
        return buffer

    def _make_room(self) -> bool:
        """Forgets the network that was loaded longest ago, but not the latest."""
        if len(self._loaded) == 1:
            return False
        del self._loaded[next(iter(self._loaded))]
        self._free_images()
        return True

    def _free_images(self) -> None:
        """Frees those that no network uses any more."""
        used = {program.id for steps in self._loaded.values() for program in _programs(steps)}
        for key in [key for key in self._images if key not in used]:
            self._images.pop(key).free()

    @property
    def _kept_beats(self) -> int:
        return sum(image.beats.size for image in self._images.values())


def _programs(steps: tuple[Step, ...]) -> list[Program]:
    return [step.program for step in steps if not isinstance(step, HostStep)]


def over_steps(calls: list[Call], frames: int) -> Call:
    """Calls through which the same `frames` went one after the other, as one."""
    together = total(calls)
    return Call(
        frames=frames,
        predicted_cycles=together.predicted_cycles,
        cycles=together.cycles,
        busy_cycles=together.busy_cycles,
        stalled_cycles=together.stalled_cycles,
    )
