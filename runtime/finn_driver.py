"""An overlay under the calls that FINN's own Python driver has, for scripts written against it.

    from bitfold.runtime.finn_driver import FINNExampleOverlay
    overlay = FINNExampleOverlay("iris.bundle", batch_size=100)
    overlay.execute(x)

Source: FINN, qnn-data/templates/driver/driver_base.py: names, arguments and keys, no more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bitfold.models.arguments import as_count
from bitfold.models.arrays import as_samples
from bitfold.models.encoding import Encoding
from bitfold.models.errors import InputError
from bitfold.models.inputs import INTEGERS
from bitfold.models.network import Network
from bitfold.overlays.bundle import DataflowBundle
from bitfold.overlays.packing import BEAT_BYTES
from bitfold.runtime.accelerator import Accelerator
from bitfold.runtime.device import Device
from bitfold.runtime.offload.steps import EngineStep, split


class FINNExampleOverlay:
    """Runs batches of `batch_size` on the overlay in `bundle`; the rest is as in Accelerator.

    As in FINN, data are the integers of the hardware and not measurements, whatever their dtype;
    the shape of a batch is `ishape_normal()`. Unlike in FINN, an encoding is an Encoding whose
    `name` is that of FINN's datatype, outputs are int64, and one network has one input and output.
    """

    num_inputs = 1
    num_outputs = 1

    def __init__(
        self,
        bundle: Path | str,
        batch_size: int = 1,
        device: str | Device = "auto",
        network: Network | None = None,
    ):
        self.accelerator = Accelerator(bundle, device, network=network)
        self.batch_size = batch_size

    @property
    def batch_size(self) -> int:
        """Samples of each call. Raises InputError where it is set to less than 1."""
        return self._batch_size

    @batch_size.setter
    def batch_size(self, samples: int) -> None:
        self._batch_size = as_count(samples, "batch_size")

    def idt(self, ind: int = 0) -> Encoding:
        """Of the input."""
        return self._input.encoding

    def odt(self, ind: int = 0) -> Encoding:
        """Of the output."""
        return self._output.encoding

    def ishape_normal(self, ind: int = 0) -> tuple[int, ...]:
        """Of the array that `execute` takes."""
        return (self.batch_size, *self.accelerator.network.integer_shapes[-1])

    def oshape_normal(self, ind: int = 0) -> tuple[int, ...]:
        """Of the array that `execute` gives."""
        return (self.batch_size, self._output.size)

    def ishape_packed(self, ind: int = 0) -> tuple[int, int]:
        """The bytes of a batch as the overlay reads them from memory, all its calls together."""
        return (self.batch_size, self._frame_beats[0] * BEAT_BYTES)

    def oshape_packed(self, ind: int = 0) -> tuple[int, int]:
        """The bytes of a batch as the overlay writes them to memory, all its calls together."""
        return (self.batch_size, self._frame_beats[1] * BEAT_BYTES)

    def execute(self, input_npy: np.ndarray | list[np.ndarray]) -> np.ndarray:
        """Integers of `ishape_normal`, as any dtype, to integers of `oshape_normal`, int64.

        Raises InputError for another shape, for values that are no integers of `idt`, and what
        Accelerator.run raises.
        """
        x = input_npy[0] if isinstance(input_npy, list) and len(input_npy) == 1 else input_npy
        name = self.accelerator.network.name
        x = as_samples(x, name)
        if x.shape != self.ishape_normal():
            raise InputError(
                f"{name}: input has shape {x.shape}, but a batch of {self.batch_size} has "
                f"{self.ishape_normal()}; reshape it, or set batch_size"
            )
        with np.errstate(invalid="ignore"):  # NaN is no integer: it has the error below
            integers = x.astype(np.int64)
        if (integers != x).any():
            where = tuple(int(i) for i in np.argwhere(integers != x)[0])
            raise InputError(
                f"{name}: input is {x[where]} at {where}, but as FINN's this driver takes the "
                f"{self.idt().name} integers of the hardware; give measurements to Accelerator.run"
            )
        return self.accelerator.run(integers, inputs=INTEGERS)

    def throughput_test(self) -> dict[str, float | int]:
        """What a batch of random samples takes, under FINN's keys.

        The time is that of the overlay: cycles of the call, through shell and memory, by the clock.
        It is never what Python measured, as a simulation would take it for the hardware's; so
        FINN's figures of the host's part (`pack_input[ms]` and so on) are not among them.
        """
        figures = self.accelerator.throughput_test(self.batch_size)
        seconds = self.batch_size / figures["frames_per_second"]
        return {
            "runtime[ms]": seconds * 1e3,
            "throughput[images/s]": figures["frames_per_second"],
            "DRAM_in_bandwidth[MB/s]": float(np.prod(self.ishape_packed())) / seconds / 1e6,
            "DRAM_out_bandwidth[MB/s]": float(np.prod(self.oshape_packed())) / seconds / 1e6,
            "fclk[mhz]": figures["clock_mhz"],
            "batch_size": self.batch_size,
        }

    def close(self) -> None:
        """Gives the device back."""
        self.accelerator.close()

    @property
    def _input(self):
        return self.accelerator.network.values[self.accelerator.network.input]

    @property
    def _output(self):
        return self.accelerator.network.values[self.accelerator.network.output]

    @property
    def _frame_beats(self) -> tuple[int, int]:
        """Of one frame, to the overlay and back."""
        bundle = self.accelerator.bundle
        if isinstance(bundle, DataflowBundle):
            return bundle.design.input.beats, bundle.design.output.beats
        steps = split(bundle.engine, self.accelerator.network)
        programs = [step.program for step in steps if isinstance(step, EngineStep)]
        return sum(p.input.beats for p in programs), sum(p.output.beats for p in programs)
