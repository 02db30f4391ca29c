"""The RTL of a bundle as a device: the whole overlay with its shell, in front of a memory."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bitfold.models.arguments import as_count, as_folder, shown
from bitfold.models.errors import DeviceError, InputError, MemoryFullError
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.packing import BEAT_BYTES
from bitfold.overlays.registers import REGISTERS
from bitfold.runtime.allocator import Allocator
from bitfold.runtime.device import Call
from bitfold.runtime.drivers import open_driver
from bitfold.runtime.turns import Turns
from bitfold.runtime.verilator import EVERYDAY, Variant, build_library

MEMORY_BASE = 0x1000_0000
MEMORY_BYTES = 64 << 20
CYCLES_A_WAIT = 200_000
"""Cycles between two looks from Python, so that Ctrl-C works: a fraction of a second."""

CHANNELS = ("AR", "R", "AW", "W", "B")


@dataclass(frozen=True)
class Memory:
    """How the simulated memory behaves.

    It answers after `latency_cycles` and then moves a beat a cycle; with `hesitation_percent` each
    of its channels stands still in that share of the cycles, at random after `seed`; the channels
    in `mute` (of AR, R, AW, W, B) never move.
    """

    latency_cycles: int = 20
    hesitation_percent: int = 0
    seed: int = 0
    mute: tuple[str, ...] = ()

    def __post_init__(self):
        as_count(self.latency_cycles, "latency_cycles", 0, 2**31 - 1)
        as_count(self.hesitation_percent, "hesitation_percent", 0, 100)
        as_count(self.seed, "seed", 0, 2**63 - 1)
        names = isinstance(self.mute, tuple) and all(isinstance(name, str) for name in self.mute)
        if not names or not {*self.mute} <= {*CHANNELS}:
            raise InputError(
                f"mute is {shown(self.mute)}; give a tuple of some of {', '.join(CHANNELS)}"
            )


class SimulatedDevice:
    """A simulation library of the overlay of `bundle`, through which frames run."""

    name: str

    def __init__(
        self, bundle: Bundle, library: Path, memory: Memory = Memory(), watchdog_cycles: int = 0
    ):
        self.port = VerilatedPort(library, bundle.images, memory)
        self.turns = self.port.turns
        self._driver = open_driver(bundle, self.port)
        self.port.write(REGISTERS.WATCHDOG.offset, as_count(watchdog_cycles, "watchdog_cycles", 0))
        self.clock_mhz = bundle.reached_mhz

    def load(self, network: Network) -> None:
        self._driver.load(network)

    def run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        return self._driver.run(x)

    def close(self) -> None:
        self.port.close()


class VerilatedDevice(SimulatedDevice):
    """Builds the simulation of `bundle` (or takes it from `cache`) and runs frames through it.

    Another `variant` than the everyday one shows what observation.py asks for, and is slower.
    """

    name = "verilated"

    def __init__(
        self,
        bundle: Bundle,
        memory: Memory = Memory(),
        cache: Path | None = None,
        watchdog_cycles: int = 0,
        progress: Callable[[str], None] = lambda step: None,
        variant: Variant = EVERYDAY,
    ):
        library = build_library(bundle.rtl, as_folder(cache, "cache"), progress, variant)
        super().__init__(bundle, library, memory, watchdog_cycles)


class VerilatedPort:
    """Registers and memory of a simulated overlay, cycle by cycle.

    `contents`: what the memory holds from MEMORY_BASE on, uint64, one a beat; by default its own.
    """

    def __init__(
        self,
        library: Path,
        images: Path,
        memory: Memory = Memory(),
        contents: np.ndarray | None = None,
    ):
        self._library = _load(library)
        if contents is None:
            contents = np.zeros(MEMORY_BYTES // BEAT_BYTES, np.uint64)
        self._memory = contents
        self._allocator = Allocator(contents.nbytes, BEAT_BYTES)
        self.turns = Turns("the simulated device")
        self._handle = self._library.bitfold_open(
            contents.ctypes.data, MEMORY_BASE, contents.nbytes, str(images).encode()
        )
        self._free = weakref.finalize(self, _close, self._library, self._handle, os.getpid())
        self._free.atexit = False  # a thread may be in the middle of it still
        self._check_alive()
        self.configure(memory)

    def configure(self, memory: Memory) -> None:
        """Changes how the memory behaves from now on."""
        self.memory_latency_cycles = memory.latency_cycles
        mute = sum(1 << CHANNELS.index(channel) for channel in memory.mute)
        self.ask("configure", memory.latency_cycles, memory.hesitation_percent, memory.seed, mute)

    def read(self, offset: int) -> int:
        value = ctypes.c_uint32()
        response = self.ask("read", offset, ctypes.byref(value))
        self._check(response, f"reading register 0x{offset:03X}")
        return value.value

    def write(self, offset: int, value: int) -> None:
        response = self.ask("write", offset, int(value))
        self._check(response, f"writing register 0x{offset:03X}")

    def allocate(self, beats: int) -> _Buffer:
        try:
            start = self._allocator.take(beats * BEAT_BYTES)
        except MemoryError as error:
            raise MemoryFullError(
                f"{beats * BEAT_BYTES} bytes do not fit into the simulated memory ({error}); run "
                "fewer frames at a time, or a smaller network"
            ) from error
        first = start // BEAT_BYTES
        return _Buffer(self._allocator, start, self._memory[first : first + beats])

    def wait(self) -> None:
        self.go_on(CYCLES_A_WAIT)

    def go_on(self, cycles: int) -> None:
        """Lets `cycles` go by, fewer if the overlay interrupts."""
        self.ask("run", cycles)
        self._check_alive()

    def close(self) -> None:
        self.turns.close(self._free)

    def ask(self, function: str, *arguments):
        """What a function of harness.cpp gives for this overlay."""
        ask = getattr(self._library, f"bitfold_{function}")
        return self.turns.take(lambda: ask(self._handle, *arguments))

    def _check_alive(self) -> None:
        if problem := self.ask("problem").decode(errors="replace"):
            raise DeviceError(f"the simulation ended: {problem}; compile the bundle again")
        if self.ask("failed"):
            raise DeviceError("an assertion in the RTL failed; it is printed above")

    def _check(self, response: int, action: str) -> None:
        if response < 0:
            raise DeviceError(f"{action}: the overlay does not answer")
        if response:
            raise DeviceError(f"{action}: the overlay answered with AXI error {response}")


class _Buffer:
    """A stretch of the simulated memory, which has no cache in front."""

    def __init__(self, allocator: Allocator, start: int, beats: np.ndarray):
        self.address = MEMORY_BASE + start
        self.beats = beats
        self._give_back = weakref.finalize(self, allocator.give_back, start)
        self._give_back.atexit = False

    def flush(self) -> None:
        pass

    def invalidate(self) -> None:
        pass

    def free(self) -> None:
        self._give_back()


def _close(library: ctypes.CDLL, handle: int, process: int) -> None:
    """Frees the overlay behind `handle`, in the `process` that opened it."""
    if os.getpid() == process:
        library.bitfold_close(handle)


def _load(library: Path) -> ctypes.CDLL:
    """The C functions of harness.cpp."""
    loaded = ctypes.CDLL(str(library))
    handle, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    signatures = {
        "open": (handle, [ctypes.c_void_p, u32, u32, ctypes.c_char_p]),
        "close": (None, [handle]),
        "configure": (None, [handle, u32, u32, u64, u32]),
        "write": (ctypes.c_int, [handle, u32, u32]),
        "read": (ctypes.c_int, [handle, u32, ctypes.POINTER(u32)]),
        "run": (u64, [handle, u64]),
        "failed": (ctypes.c_int, [handle]),
        "problem": (ctypes.c_char_p, [handle]),
        # Of an observed build only.
        "watch": (u32, [handle, ctypes.c_char_p]),
        "beats": (ctypes.c_void_p, [handle, u32, ctypes.POINTER(u64)]),
        "trace": (None, [handle, ctypes.c_char_p, u64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(loaded, f"bitfold_{name}", None)
        if function:
            function.restype, function.argtypes = result, arguments
    return loaded
