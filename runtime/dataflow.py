"""Drives a dataflow overlay: frames in, frames out."""

from __future__ import annotations

import numpy as np

from bitfold.models.errors import DeviceError
from bitfold.models.network import Network
from bitfold.overlays.bundle import DataflowBundle
from bitfold.overlays.registers import REGISTERS
from bitfold.runtime.device import Call
from bitfold.runtime.driver import Driver, frames_a_call, total


class DataflowDriver(Driver):
    """Runs the network that the overlay was made for; batches are cut to what fits into a call."""

    def _load(self, network: Network) -> None:
        """Raises DeviceError for any other network: it would need another overlay."""
        check_network(self.bundle, network)

    def _run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        design = self.bundle.design
        frames = frames_a_call(design.input, design.output)
        x = x.reshape(len(x), design.input.elements)
        parts, calls = [], []
        for start in range(0, len(x), frames):
            part = x[start : start + frames]
            predicted = design.call_cycles(len(part), self.port.memory_latency_cycles)
            beats = self._call(
                design.input.pack(part),
                len(part) * design.output.beats,
                len(part),
                predicted,
            )
            parts.append(design.output.unpack(beats))
            calls.append(self._report(len(part), predicted))
        if not calls:
            return np.zeros((0, design.output.elements), np.int64), Call(
                frames=0, predicted_cycles=0, cycles=0
            )
        return np.concatenate(parts), total(calls)

    def _report(self, frames: int, predicted_cycles: int) -> Call:
        first_in, first_out, last_out = (
            self.port.read(register.offset)
            for register in (REGISTERS.FIRST_IN, REGISTERS.FIRST_OUT, REGISTERS.LAST_OUT)
        )
        return Call(
            frames=frames,
            predicted_cycles=predicted_cycles,
            cycles=self._cycles(),
            latency_cycles=first_out - first_in,
            initiation_interval=(last_out - first_out) / (frames - 1) if frames > 1 else None,
            busy_cycles=self._layer_counters(REGISTERS.LAYER_BUSY, self.bundle.design.layers),
            stalled_cycles=self._layer_counters(REGISTERS.LAYER_STALLED, self.bundle.design.layers),
        )


def check_network(bundle: DataflowBundle, network: Network) -> None:
    """Raises DeviceError unless `bundle` was made for `network`."""
    if network.id != bundle.network.id:
        raise DeviceError(
            f"{network.name} (network {network.id}) is not the network of {bundle.name} "
            f"({bundle.network.id}); compile it, or run it on an offload overlay"
        )
