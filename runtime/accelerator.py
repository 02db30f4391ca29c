"""Accelerator: the one class that users hold, the same on a board and on a laptop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bitfold.models.errors import DeviceError, InputError
from bitfold.overlays.bundle import Bundle
from bitfold.runtime import verilator
from bitfold.runtime.device import Call, Device
from bitfold.runtime.functional import FunctionalDevice
from bitfold.runtime.verilated import VerilatedDevice

DEVICES = ("auto", "functional", "verilated")


class Accelerator:
    """Runs a network on the overlay that was made for it.

    `bundle` is a Bundle, or the folder or zip of one. `device` says where it runs: "verilated" (the
    RTL itself, simulated cycle by cycle), "functional" (the same integers by arithmetic, faster,
    with predicted cycles), "auto" (verilated where Verilator and g++ are installed, else
    functional), or a Device that was made already. `progress` is told each slow step of a build.

        accelerator = Accelerator("iris.bundle")
        accelerator.classify([[5.1, 3.5, 1.4, 0.2]])

    Floats are measurements, which the host quantizes as the network was trained to; integers are
    taken for the network's input integers as they are.
    """

    def __init__(
        self,
        bundle: Bundle | Path | str,
        device: str | Device = "auto",
        cache: Path | None = None,
        progress: Callable[[str], None] = lambda step: None,
    ):
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle, cache)
        self.network = self.bundle.network
        self.device = _open(device, self.bundle, cache, progress)
        self.last_call: Call | None = None
        """What the last `run`, `scores` or `classify` cost."""

    def run(self, x: np.ndarray) -> np.ndarray:
        """Samples (batch, *sample_shape) or (batch, features) to the network's exact output
        integers (batch, outputs) int64: accumulators of the last layer, or the class index.

        Raises InputError for the wrong shape, dtype or range and for NaN, DeviceError for a call
        that failed.
        """
        outputs, self.last_call = self.device.run(self.network.quantize(x))
        return outputs

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Like `run`, as the model's own float32 outputs (batch, outputs)."""
        return self.network.scores(self.run(x))

    def classify(self, x: np.ndarray) -> np.ndarray:
        """Like `run`, as class indices (batch,) int64; `labels` has their names."""
        return self.network.classes(self.run(x))

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, empty where the model has none."""
        return self.network.labels

    def throughput_test(self, frames: int = 1000) -> dict[str, float | int | str | None]:
        """Runs `frames` random samples in one batch and says what that costs on the hardware.

        Times come from cycles and the clock, never from how long a simulation took. Measured
        figures are None on a device without counters. Raises InputError for less than one frame.
        """
        if frames < 1:
            raise InputError(f"throughput of {frames} frames can't be measured; give 1 or more")
        encoding = self.bundle.input.encoding
        levels = (encoding.maximum - encoding.minimum) // encoding.step + 1
        random = np.random.default_rng(0).integers(0, levels, (frames, self.bundle.input.elements))
        _, call = self.device.run(encoding.minimum + encoding.step * random)
        cycles = call.predicted_cycles if call.cycles is None else call.cycles
        seconds = cycles / (self.bundle.clock_mhz * 1e6)
        return {
            "device": self.device.name,
            "frames": frames,
            "clock_mhz": self.bundle.clock_mhz,
            "cycles": call.cycles,
            "cycles_predicted": call.predicted_cycles,
            "latency_cycles": call.latency_cycles,
            "latency_cycles_predicted": self.bundle.latency_cycles,
            "initiation_interval": call.initiation_interval,
            "initiation_interval_predicted": self.bundle.initiation_interval,
            "frames_per_second": frames / seconds,
            "latency_us": (call.latency_cycles or self.bundle.latency_cycles)
            / self.bundle.clock_mhz,
        }

    def close(self) -> None:
        """Gives the device back."""
        self.device.close()

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _open(
    device: str | Device, bundle: Bundle, cache: Path | None, progress: Callable[[str], None]
) -> Device:
    if not isinstance(device, str):
        return device
    if device == "auto":
        device = "verilated" if verilator.is_installed() else "functional"
    if device == "verilated":
        return VerilatedDevice(bundle, cache=cache, progress=progress)
    if device == "functional":
        return FunctionalDevice(bundle)
    raise DeviceError(f"device {device!r} is unknown; choose one of {', '.join(DEVICES)}")
