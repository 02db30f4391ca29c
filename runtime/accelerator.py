"""Accelerator: the one class that users hold, the same on a board and on a laptop."""

from __future__ import annotations

import importlib.util
import platform
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from bitfold.models.arguments import as_count, as_folder, shown
from bitfold.models.arrays import as_samples
from bitfold.models.errors import ClassWarning, DeviceError, InputError
from bitfold.models.inputs import MEASUREMENTS
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle, DataflowBundle
from bitfold.runtime import verilator
from bitfold.runtime.device import Call, Device
from bitfold.runtime.functional import FunctionalDevice
from bitfold.runtime.library import Library
from bitfold.runtime.turns import Turns
from bitfold.runtime.verilated import VerilatedDevice

Result = TypeVar("Result")
DEVICES = ("auto", "functional", "verilated", "board")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a batch of `frames` samples took, in cycles; measured ones are None without counters.

    Latency and initiation interval are the core's on a dataflow overlay. On an offload overlay,
    whose samples are not pipelined through layers, they are the cycles of a call with one sample,
    and those of the batch by its size.
    """

    frames: int
    one_cycles: int | None
    """Of a call with one sample, through shell and memory; `cycles` with all."""
    cycles: int | None
    cycles_predicted: int
    latency_cycles: int | None
    latency_cycles_predicted: int
    initiation_interval: float | None
    initiation_interval_predicted: float


class Accelerator:
    """Runs a network on the overlay that suits it: the user's code is the same for all.

    `bundles` is a Bundle, the folder or zip of one, a folder of several, a list of such, or a
    Library. Of these it takes the dataflow overlay made for `network`, else an offload overlay that
    the network fits; `overlay` "dataflow" or "offload" insists. `network` may be left out where the
    bundles are made for only one.

    `device` says where it runs: "board" (a PYNQ board, real or emulated), "verilated" (the RTL
    itself, simulated cycle by cycle), "functional" (the same integers by arithmetic, faster, with
    predicted cycles), "auto" (the board where pynq has one, else verilated where Verilator and g++
    are installed, else functional), or a Device that was made already, which stays its maker's to
    close. `progress` is told each slow step of a build. `trust_rtl` is for
    bundles given by their place, as `Bundle.load` takes it.

        accelerator = Accelerator("iris.bundle")
        accelerator.classify([[5.1, 3.5, 1.4, 0.2]])

    Samples are measurements, the numbers that the trained model takes, of any dtype: the host
    quantizes them as the model does. `inputs` of a call names what else they are
    (models/inputs.py): "pixels" of 0..255, or the network's own "integers", quantized already.

    Threads may share it: each call runs one network wholly, one after the other, and closing waits
    for the one that runs. Then, and in a fork of the process, whatever runs raises DeviceError.
    """

    def __init__(
        self,
        bundles: Library | Bundle | Path | str | Iterable,
        device: str | Device = "auto",
        cache: Path | None = None,
        progress: Callable[[str], None] = lambda step: None,
        *,
        network: Network | None = None,
        overlay: str = "auto",
        trust_rtl: bool = False,
    ):
        cache = as_folder(cache, "cache")
        if not callable(progress):
            raise InputError(f"progress is {shown(progress)}; give a function of one text")
        self.library = (
            bundles if isinstance(bundles, Library) else Library(bundles, cache, trust_rtl)
        )
        self._overlay = overlay
        self._given = None if isinstance(device, str) else device
        if not isinstance(device, (str, Device)):
            raise _unknown(device)
        self._open = partial(_open, device, cache=cache, progress=progress)
        self._devices: dict[str, Device] = {}  # by build id: opened once, then switched
        self._turns = Turns("the accelerator")
        self._costs = threading.local()
        self.load(self.library.only_network() if network is None else network)

    def load(self, network: Network) -> None:
        """Makes `network` the one that runs, on the overlay that suits it.

        An overlay that is open already is not opened again: on an offload overlay this costs a
        program. Raises OverlayError, with the reason against each bundle, where none runs it.
        """
        self._turns.take(lambda: self._load(network))

    def _load(self, network: Network) -> None:
        if not isinstance(network, Network):
            raise InputError(
                f"network is {shown(network)}; give a Network, as read_qonnx and Bundle.network are"
            )
        bundle = self.library.pick(network, self._overlay)
        device = self._given or self._devices.get(bundle.build_id)
        if device is None:
            device = self._devices[bundle.build_id] = self._open(bundle)
        device.load(network)
        self.bundle, self.network, self.device = bundle, network, device

    @property
    def last_call(self) -> Call | None:
        """What the last `run`, `scores` or `classify` of this thread cost."""
        return getattr(self._costs, "last", None)

    def run(self, x: np.ndarray, *, inputs: str = MEASUREMENTS) -> np.ndarray:
        """Samples (batch, *sample_shape) or (batch, features) to the network's exact output
        integers (batch, outputs) int64: accumulators of the last layer, the class index, or shares
        of 255.

        Raises InputError for the wrong shape, dtype, name or range and for NaN, DeviceError for a
        call that failed. Warns, with a ClassWarning, of samples whose class a plain softmax
        changes, and with an InputWarning of what may be pixels and is not called so.
        """
        outputs, changed = self._take(lambda: self._run(x, inputs))
        if changed:
            warnings.warn(ClassWarning(changed), stacklevel=2)
        return outputs

    def _take(self, work: Callable[[], Result]) -> Result:
        try:
            return self._turns.take(work)
        except MemoryError as error:
            raise InputError(
                f"{self.network.name}: so many samples do not fit into this computer's memory; "
                "give fewer at a time"
            ) from error

    def _run(self, x: np.ndarray, inputs: str) -> tuple[np.ndarray, str | None]:
        integers = self._integers(x, inputs)
        ((outputs, self._costs.last),) = self._calls(integers)
        return outputs, self.network.changed_classes(integers)

    def _calls(self, *batches: np.ndarray) -> list[tuple[np.ndarray, Call]]:
        """A call with each of `batches`, whatever network others loaded who share the device."""

        def calls() -> list[tuple[np.ndarray, Call]]:
            self.device.load(self.network)
            return [self.device.run(batch) for batch in batches]

        return self.device.turns.take(calls)

    def _integers(self, x: np.ndarray, inputs: str) -> np.ndarray:
        x = as_samples(x, self.network.name)
        natively = x.dtype.kind in "iu" and isinstance(self.device, FunctionalDevice)
        if natively and self.network.takes_integers(inputs):
            return x  # it reads any dtype of integers, and checks them on the way
        return self.network.quantize(x, inputs=inputs)

    def scores(self, x: np.ndarray, *, inputs: str = MEASUREMENTS) -> np.ndarray:
        """Like `run`, as the model's own float32 outputs (batch, outputs); with a softmax on chip,
        as probabilities."""
        return self._turns.take(lambda: self.network.scores(self.run(x, inputs=inputs)))

    def classify(self, x: np.ndarray, *, inputs: str = MEASUREMENTS) -> np.ndarray:
        """Like `run`, as class indices (batch,) int64; `labels` has their names."""
        return self._turns.take(lambda: self.network.classes(self.run(x, inputs=inputs)))

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, empty where the model has none."""
        return self.network.labels

    def figures(self, x: np.ndarray, *, inputs: str = MEASUREMENTS) -> Figures:
        """Runs the first of the samples `x`, then all in one batch, and says what that took.

        Raises InputError for no samples, and what `run` raises.
        """
        return self._take(lambda: self._figures(self.network.quantize(x, inputs=inputs)))

    def _figures(self, x: np.ndarray) -> Figures:
        if not len(x):
            raise InputError("0 samples have no figures; give 1 or more")
        (_, one), (_, batch) = self._calls(x[:1], x)
        if isinstance(self.bundle, DataflowBundle):
            latency, latency_predicted = batch.latency_cycles, self.bundle.design.latency_cycles
            interval = batch.initiation_interval
            interval_predicted = self.bundle.design.initiation_interval
        else:
            latency, latency_predicted = one.cycles, one.predicted_cycles
            interval = None if batch.cycles is None else batch.cycles / len(x)
            interval_predicted = batch.predicted_cycles / len(x)
        return Figures(
            frames=len(x),
            one_cycles=one.cycles,
            cycles=batch.cycles,
            cycles_predicted=batch.predicted_cycles,
            latency_cycles=latency,
            latency_cycles_predicted=latency_predicted,
            initiation_interval=interval,
            initiation_interval_predicted=interval_predicted,
        )

    def throughput_test(self, frames: int = 1000) -> dict[str, float | int | str | None]:
        """The figures of `frames` random samples, and what follows from them and the clock.

        Times come from cycles and the clock, never from how long a simulation took.
        """
        frames = as_count(frames, "frames")
        return self._take(lambda: self._throughput(frames))

    def _throughput(self, frames: int) -> dict[str, float | int | str | None]:
        tensor = self.network.input_value
        levels = (tensor.encoding.maximum - tensor.encoding.minimum) // tensor.encoding.step + 1
        random = np.random.default_rng(0).integers(0, levels, (frames, tensor.size))
        figures = self._figures(tensor.encoding.minimum + tensor.encoding.step * random)
        cycles, latency = figures.cycles, figures.latency_cycles
        cycles = figures.cycles_predicted if cycles is None else cycles
        latency = figures.latency_cycles_predicted if latency is None else latency
        return {
            "overlay": self.bundle.kind,
            "device": self.device.name,
            "clock_mhz": self.device.clock_mhz,
            **asdict(figures),
            "frames_per_second": frames * self.device.clock_mhz * 1e6 / cycles,
            "latency_us": latency / self.device.clock_mhz,
        }

    def close(self) -> None:
        """Gives the devices back that it opened, once the call that runs has ended."""
        self._turns.close(self._give_back)

    def _give_back(self) -> None:
        for device in self._devices.values():
            device.close()

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _open(
    device: str, bundle: Bundle, cache: Path | None, progress: Callable[[str], None]
) -> Device:
    if device == "auto" and _has_board():
        device = "board"
    if device == "auto":
        device = "verilated" if verilator.is_installed() else "functional"
    if device == "board":
        return _open_board(bundle)
    if device == "verilated":
        return VerilatedDevice(bundle, cache=cache, progress=progress)
    if device == "functional":
        return FunctionalDevice(bundle, cache)
    raise _unknown(device)


def _unknown(device: object) -> DeviceError:
    return DeviceError(
        f"device {shown(device)} is unknown; choose one of {', '.join(DEVICES)}, or give a Device"
    )


def _open_board(bundle: Bundle) -> Device:
    try:
        from bitfold.runtime.board import BoardDevice
    except ImportError as error:
        raise DeviceError(
            f"pynq can't be imported here ({error}); a PYNQ board has it, and for an emulated one "
            "pip install 'bitfold[board]'"
        ) from error
    return BoardDevice(bundle)


def _has_board() -> bool:
    # pynq takes seconds to import: only where there may be a board, or somebody imported it.
    if "pynq" not in sys.modules and platform.machine() not in ("armv7l", "aarch64"):
        return False
    if importlib.util.find_spec("pynq") is None:
        return False
    from bitfold.runtime.board import find_board

    return find_board() is not None
