"""A PYNQ board without the board: the RTL of a bundle, simulated, behind the real pynq.

    from bitfold.runtime.emulated_board import plug_in
    plug_in()

and whatever follows, `from pynq import Overlay, allocate` and so on, runs as on a Pynq-Z2. Only
what pynq offers to those who bring it a new kind of device is used; pynq itself is not changed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from pynq import Clocks
from pynq.buffer import PynqBuffer
from pynq.pl_server.device import Device
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser

from bitfold.models.cache import Cache as KeptOnDisk
from bitfold.models.errors import DeviceError
from bitfold.overlays.boards.system import System
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.registers import REGISTERS
from bitfold.runtime.emulated_bitstream import bundle_of, write_bitstream
from bitfold.runtime.emulated_memory import Cache, EmulatedMemory
from bitfold.runtime.verilated import (
    CYCLES_A_WAIT,
    MEMORY_BASE,
    MEMORY_BYTES,
    Memory,
    VerilatedPort,
)
from bitfold.runtime.verilator import build_library

CYCLES_AN_ACCESS = 100
"""At least so many go by between two accesses of Python to a register."""
LONGEST_PAUSE_S = 0.1
"""At most so much is made up for after Python did something else."""

SLCR = 0xF800_0000
SLCR_BYTES = 0x1000


class EmulatedBoard(Device):
    """A Pynq-Z2 whose programmable logic is simulated, cycle by cycle, by Verilator.

    `name` tells boards apart: processes that name the same one exclude each other; by default each
    process has its own. `bundles` are those whose bitstreams may be loaded, beside the bundles
    that lie where a bitstream does, whose RTL is compiled whatever it is only with `trust_rtl`, as
    `Bundle.load` has it. `memory` is how the memory behaves; `progress` is told each
    step of a build.
    """

    _probe_priority_ = 10_000
    plugged: EmulatedBoard | None = None

    @classmethod
    def _probe_(cls) -> list[EmulatedBoard]:
        return [cls.plugged] if cls.plugged else []

    def __init__(
        self,
        name: str | None = None,
        bundles: tuple[Bundle, ...] = (),
        memory: Memory | None = None,
        cache: Path | None = None,
        progress: Callable[[str], None] = lambda step: None,
        trust_rtl: bool = False,
    ):
        super().__init__(f"emulated-{name or os.getpid()}")
        self.name = "Pynq-Z2"
        self.arch = "armv7l"  # by which pynq finds the registers of the clocks
        self.capabilities = {"REGISTER_RW": True}
        self.port: VerilatedPort | None = None
        """The overlay that is loaded."""
        self._control: dict | None = None
        self._bundles = {bundle.build_id: bundle for bundle in bundles}
        self._cache = cache
        self._progress = progress
        self._trust_rtl = trust_rtl
        self._behaviour = memory or Memory()
        self._contents = EmulatedMemory(MEMORY_BASE, MEMORY_BYTES)
        self._clocks = _Clocks()
        self._accessed = time.monotonic()

    def emulated_bitstream(self, bundle: Bundle) -> Path:
        """A .bit, with its .hwh beside it, that loads the overlay of `bundle` here."""
        self._bundles[bundle.build_id] = bundle
        name = "overlay.bit"

        def make(folder: Path) -> None:
            write_bitstream(bundle, folder / name)

        return KeptOnDisk(self._cache).keep("emulated", bundle.build_id, make) / name

    # What pynq asks of a device.

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False):
        found = RuntimeMetadataParser(Metadata(input=Path(bitfile_name).with_suffix(".hwh")))
        parameters = found.ip_dict[found.ps_name]["parameters"]
        for index, clock in found.clock_dict.items():
            if clock.get("frequency") is None:  # pynqmetadata knows it of other processors only
                stated = parameters.get(f"PCW_ACT_FPGA{index}_PERIPHERAL_FREQMHZ", 100)
                clock["frequency"] = float(stated)
        if not _has_clocks():
            found.clock_dict = {}
        return found

    def download(self, bitstream, parser=None) -> None:
        bundle = bundle_of(Path(bitstream.bitfile_name), self._bundles.values(), self._trust_rtl)
        library = build_library(bundle.rtl, self._cache, self._progress)
        if self.port:
            self.port.close()
        self.port = VerilatedPort(library, bundle.images, self._behaviour, self._contents.beats)
        self._control = parser.ip_dict.get(System.ip)
        super().post_download(bitstream, parser)

    def read_registers(self, address: int, length: int) -> bytes:
        words = [self._slave(address + at)[0](address + at) for at in range(0, length, 4)]
        return np.array(words, "<u4").tobytes()

    def write_registers(self, address: int, data: bytes) -> None:
        for at, word in enumerate(np.frombuffer(bytes(data), "<u4")):
            self._slave(address + 4 * at)[1](address + 4 * at, int(word))

    @property
    def default_memory(self) -> EmulatedBoard:
        return self

    def get_memory(self, description: dict) -> EmulatedBoard:
        return self

    def allocate(self, shape, dtype, cacheable: int = 0, **_) -> PynqBuffer:
        """As `pynq.allocate`: without `cacheable` the CPU has no copy of its own."""
        shape = tuple(shape) if hasattr(shape, "__iter__") else (shape,)
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        try:
            address = self._contents.take(size)
        except MemoryError as error:
            raise RuntimeError(f"Allocate failed: {error}") from error  # as pynq's own devices do
        cache = Cache(self._contents, address, size) if cacheable else None
        seen = cache.bytes if cache else self._contents.at(address, size)
        buffer = _Buffer(
            shape, dtype, buffer=seen.data, device=self, device_address=address, bo=cache
        )
        buffer.give_back = partial(self._contents.give_back, address)
        return buffer

    def flush(self, bo: Cache | None, offset: int, vaddr: int, nbytes: int) -> None:
        if bo:
            bo.flush(offset, nbytes)

    def invalidate(self, bo: Cache | None, offset: int, vaddr: int, nbytes: int) -> None:
        if bo:
            bo.invalidate(offset, nbytes)

    def gen_cache(self, bitstream, parser=None) -> None:
        pass

    def shutdown(self) -> None:
        pass

    def close(self) -> None:
        pass

    # What is behind it.

    def _slave(self, address: int) -> tuple[Callable, Callable]:
        """How to read and write what answers at `address`."""
        if SLCR <= address < SLCR + SLCR_BYTES:
            return self._clocks.read, self._clocks.write
        if self._control:
            offset = address - self._control["phys_addr"]
            if 0 <= offset < self._control["addr_range"]:
                return self._read, self._write
        raise DeviceError(
            f"nothing answers at address 0x{address:08X} (on a board the processor would stop "
            "there); load an overlay first, and take addresses from its ip_dict"
        )

    def _read(self, address: int) -> int:
        self._let_time_pass()
        return self.port.read(address - self._control["phys_addr"])

    def _write(self, address: int, value: int) -> None:
        self._let_time_pass()
        self.port.write(address - self._control["phys_addr"], value)

    def _let_time_pass(self) -> None:
        """As many cycles as the board's would be since the last access, while a call runs."""
        pause_s = min(time.monotonic() - self._accessed, LONGEST_PAUSE_S)
        cycles = max(CYCLES_AN_ACCESS, int(pause_s * 1e6 * self._clocks.mhz(0)))
        while cycles > 0 and not REGISTERS.STATUS["idle"].get(
            self.port.read(REGISTERS.STATUS.offset)
        ):
            self.port.go_on(min(cycles, CYCLES_A_WAIT))
            cycles -= CYCLES_A_WAIT
        self._accessed = time.monotonic()


class _Buffer(PynqBuffer):
    """A stretch of the emulated memory; the one that `allocate` made has a way to `give_back`."""

    # NumPy 2 has a read-only `device` of its own, which PynqBuffer would set.
    @property
    def device(self):
        return self.__dict__.get("_device")

    @device.setter
    def device(self, device) -> None:
        self._device = device

    def freebuffer(self) -> None:
        self.__dict__.pop("give_back", lambda: None)()


class _Clocks:
    """The registers of the Zynq-7000 that `pynq.Clocks` reads and sets. Source: UG585, SLCR."""

    REFERENCE_MHZ = 50
    IO_PLL, FCLK, FCLK_STRIDE = 0x108, 0x170, 0x10

    def __init__(self):
        self._words = {0x100: 26 << 12, 0x104: 21 << 12, self.IO_PLL: 20 << 12, 0x120: 0x1F00_0200}
        for index in range(4):
            self._words[self.FCLK + self.FCLK_STRIDE * index] = 10 << 8 | 1 << 20

    def read(self, address: int) -> int:
        return self._words.get(address - SLCR, 0)

    def write(self, address: int, word: int) -> None:
        self._words[address - SLCR] = word

    def mhz(self, index: int) -> float:
        """Of FCLK `index`, which the IO PLL feeds."""
        word = self._words[self.FCLK + self.FCLK_STRIDE * index]
        pll_mhz = self.REFERENCE_MHZ * (self._words[self.IO_PLL] >> 12 & 0x7F)
        return pll_mhz / max(word >> 8 & 0x3F, 1) / max(word >> 20 & 0x3F, 1)


def _has_clocks() -> bool:
    """Whether pynq asks the device for its clocks; pynq 3.0 asks the computer that it runs on."""
    return hasattr(Clocks, "set_device")


def plug_in(board: EmulatedBoard | None = None) -> EmulatedBoard:
    """Makes an emulated board the one that pynq finds, until `unplug`."""
    EmulatedBoard.plugged = board or EmulatedBoard()
    Device.active_device = EmulatedBoard.plugged
    return EmulatedBoard.plugged


def unplug() -> None:
    """Leaves pynq without it."""
    EmulatedBoard.plugged = None
    for found in ("_active_device", "_devices"):
        if hasattr(Device, found):
            delattr(Device, found)
