"""What the observed builds of an overlay show: the streams between its modules, and waveforms."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.errors import DeviceError
from bitfold.models.files import whole_file
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle
from bitfold.runtime.verilated import VerilatedDevice, VerilatedPort
from bitfold.runtime.verilator import TRACED


class Stream:
    """The beats that leave one instance in an overlay by its m_axis ports, from now on.

    `instance` is its path, such as "bitfold_top.core.stage_0". Raises DeviceError where there is
    no such instance, or it has no such ports.
    """

    def __init__(self, port: VerilatedPort, number: int, instance: str):
        self._port, self._number = port, number
        self.beat_bits = port.ask("watch", instance.encode())
        if not self.beat_bits:
            raise DeviceError(f"{instance}: no stream of that name in this overlay")

    def frames(self, elements: int, encoding: Encoding) -> np.ndarray:
        """What has gone by, as frames of `elements`, (frames, elements) int64.

        Raises DeviceError where the beats are no whole frames.
        """
        size = ctypes.c_uint64()
        address = self._port.ask("beats", self._number, ctypes.byref(size))
        stored = np.frombuffer(ctypes.string_at(address, size.value), np.uint8)
        lanes, rest = divmod(self.beat_bits, encoding.bits)
        bits = np.unpackbits(stored.reshape(-1, -(-self.beat_bits // 8)), axis=1, bitorder="little")
        if rest or elements % lanes or len(bits) * lanes % elements:
            raise DeviceError(
                f"{len(bits)} beats of {self.beat_bits} bits are no frames of {elements} {encoding}"
            )
        fields = bits[:, : self.beat_bits].reshape(-1, elements, encoding.bits).astype(np.uint64)
        return encoding.from_bits(
            fields @ (np.uint64(1) << np.arange(encoding.bits, dtype=np.uint64))
        )


def watch(port: VerilatedPort, instances: list[str]) -> list[Stream]:
    """The streams of `instances` in an overlay that was built to be watched."""
    return [Stream(port, number, instance) for number, instance in enumerate(instances)]


def write_waves(
    bundle: Bundle,
    network: Network,
    x: np.ndarray,
    file: Path | str,
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> np.ndarray:
    """Runs the integers `x` (frames, in_features) through the RTL of `bundle`, and writes every
    signal of it to `file`, an FST that GTKWave or Surfer shows; gives the outputs.

    Time is that of the bundle's clock. Raises OutputError for a file that can't be written, and
    what a VerilatedDevice raises.
    """
    with whole_file(file) as partial:
        device = VerilatedDevice(bundle, cache=cache, progress=progress, variant=TRACED)
        partial.touch()  # or says that it can't be
        progress("writing the waveform")
        device.port.ask("trace", str(partial).encode(), round(1e6 / device.clock_mhz))
        device.load(network)
        outputs, _ = device.run(x)
        device.close()
    return outputs
