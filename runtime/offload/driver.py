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
from bitfold.runtime.offload.steps import HostStep, Step, split


class OffloadDriver(Driver):
    """Runs any network that fits the engine. Programs stay in memory, so that networks can be
    switched without moving anything."""

    def __init__(self, bundle: OffloadBundle, port: Port):
        super().__init__(bundle, port)
        self._network: Network | None = None
        self._steps: tuple[Step, ...] = ()
        self._loaded: dict[str, tuple[Step, ...]] = {}
        self._images: dict[int, Buffer] = {}  # by the id of the program, which is kept beside

    def load(self, network: Network) -> None:
        """Makes `network` the one that runs. Raises OverlayError where no layer fits."""
        if network.id not in self._loaded:
            steps = split(self.bundle.engine, network)
            for step in steps:
                if not isinstance(step, HostStep):
                    self._images[id(step.program)] = self._store(step.program)
            self._loaded[network.id] = steps
        self._network, self._steps = network, self._loaded[network.id]

    def run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        """As Device.run."""
        if self._network is None:
            raise DeviceError(f"{self.bundle.name}: no network is loaded; load one first")
        values, calls = x, []
        for step in self._steps:
            if isinstance(step, HostStep):
                values = self._network.apply(step.node, values)
            else:
                values, call = self._run_program(step.program, values)
                calls.append(call)
        return values, over_steps(calls, len(x))

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
                PROGRAM_ADDRESS=self._images[id(program)].address,
                PROGRAM_LENGTH=len(program.layers),
            )
            parts.append(program.values(beats))
            calls.append(self._report(program, len(part), predicted.cycles))
        if not calls:
            return np.zeros((0, program.output.elements), np.int64), Call(0, 0, 0)
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
        buffer = self.port.allocate(len(program.image))
        buffer.beats[:] = program.image
        buffer.flush()
        return buffer


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
