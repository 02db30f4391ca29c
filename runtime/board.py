"""A PYNQ board as a device, through pynq's public API only: Overlay, allocate, MMIO, Interrupt."""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
import threading
import time
import warnings
import weakref
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import numpy as np
from pynq import MMIO, Clocks, Interrupt, Overlay, allocate
from pynq.pl_server import Device as PynqDevice

from bitfold.models.arguments import as_count
from bitfold.models.errors import BitfoldError, BundleError, DeviceError, MemoryFullError
from bitfold.models.network import Network
from bitfold.overlays.boards.agreement import check_handoff
from bitfold.overlays.boards.system import BOARDS, System
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.packing import BEAT_BYTES
from bitfold.overlays.registers import REGISTERS
from bitfold.runtime.buffer_pool import BufferPool
from bitfold.runtime.device import Call
from bitfold.runtime.driver import Driver
from bitfold.runtime.drivers import open_driver
from bitfold.runtime.turns import Turns

POLL_S = 0.001
"""How long the processor watches the status of a call before it does something else."""
WAIT_S = 0.1
"""The longest wait for an interrupt between two looks at the status."""


def find_board() -> PynqDevice | None:
    """The board that pynq has here, real or emulated; None where it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynq warns where it finds no device
        try:
            found = PynqDevice.active_device
        except RuntimeError:
            return None
    return None if found.has_capability("CALLABLE") else found  # a card in a PC is no board


class BoardDevice:
    """Loads the bitstream of `bundle` into the board and runs frames through it.

    `bitstream`: a .bit with its .hwh beside it, by default the bundle's own. `board`: a device of
    pynq, by default the one that it finds. A call in which nothing moves for `watchdog_cycles` (0:
    the overlay's default) is ended by the overlay, one that takes `limit_cycles` (by default plenty
    more than predicted) by the runtime.

    No other process can open the board until this one has closed it or ended. Raises DeviceError
    where there is no board, another process has it, or it does not take the bitstream, and
    BuildIdError where the bitstream is of another build than the bundle.
    """

    name = "board"

    def __init__(
        self,
        bundle: Bundle,
        bitstream: Path | str | None = None,
        board: PynqDevice | None = None,
        watchdog_cycles: int = 0,
        limit_cycles: int | None = None,
    ):
        board = board or find_board()
        if board is None:
            raise DeviceError(
                "pynq finds no board here; run this on one, or on an emulated one: "
                "`bitfold emulate SCRIPT`"
            )
        if hasattr(board, "emulated_bitstream"):
            self.name = "emulated board"  # so that nobody takes its results for a real one's
        self._lock = _Lock.of(board.tag)
        self.turns = Turns("the board", self._lock.turns)
        self._watchdog_cycles = as_count(watchdog_cycles, "watchdog_cycles", 0)
        self.turns.take(lambda: self._open(bundle, bitstream, board))
        if limit_cycles is not None:
            self._driver.limit_cycles = as_count(limit_cycles, "limit_cycles", 1, 2**63 - 1)

    def _open(self, bundle: Bundle, bitstream: Path | str | None, board: PynqDevice) -> None:
        bitstream = Path(bitstream or _own_bitstream(bundle, board))
        _check_handoff(bundle, bitstream, board)
        self._overlay = _load(bitstream, board)
        self._pool = self._lock.pool(board)
        self.port = BoardPort(self._overlay, self.turns, self._pool)
        self._driver = open_driver(bundle, self.port)
        self._set_watchdog()
        self.clock_mhz = _clock_mhz() or bundle.clock_mhz

    def load(self, network: Network) -> None:
        self.turns.take(lambda: self._ready_driver().load(network))

    def run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        return self.turns.take(lambda: self._ready_driver().run(x))

    def close(self) -> None:
        self.turns.close(self._give_back)

    def _give_back(self) -> None:
        self._driver = self._overlay = None
        self._pool.clear()
        with _Lock.one:
            self._lock = None

    def _ready_driver(self) -> Driver:
        """Loads the overlay again if another bundle's took its place in the meantime."""
        if not self._overlay.is_loaded():
            self._overlay.download()
            self.port.attach(self._overlay)
            self._driver.check_overlay()
            self._set_watchdog()
        return self._driver

    def _set_watchdog(self) -> None:
        self.port.write(REGISTERS.WATCHDOG.offset, self._watchdog_cycles)


class BoardPort:
    """Registers and memory of the overlay that is loaded."""

    memory_latency_cycles = 20

    def __init__(self, overlay: Overlay, turns: Turns, pool: BufferPool):
        self.turns = turns
        self._pool = pool
        self.attach(overlay)

    def attach(self, overlay: Overlay) -> None:
        """Finds the overlay's registers and its interrupt, where it was just loaded."""
        if System.ip not in overlay.ip_dict:
            raise DeviceError(
                f"{overlay.bitfile_name}: holds no {System.ip}, so it is no bitfold overlay; load "
                "the bundle's own bitstream"
            )
        entry = overlay.ip_dict[System.ip]
        self._board = overlay.device
        self._registers = MMIO(entry["phys_addr"], entry["addr_range"], device=self._board)
        self._interrupt = _interrupt(overlay)

    def read(self, offset: int) -> int:
        return self._registers.read(offset)

    def write(self, offset: int, value: int) -> None:
        self._registers.write(offset, int(value))

    def allocate(self, beats: int) -> BoardBuffer:
        size = beats * BEAT_BYTES
        try:
            memory = self._pool.take(size, self._allocate)
        except (RuntimeError, MemoryError, OSError) as error:
            raise MemoryFullError(
                f"the board has no {size} bytes of contiguous memory left ({error}); run fewer "
                "frames at a time, or free buffers of other programs"
            ) from error
        if memory.nbytes < size or memory.device_address + size > 1 << 32:
            raise DeviceError(
                f"pynq gave {memory.nbytes} bytes at 0x{memory.device_address:X} for {size} below "
                "4 GiB; the overlay can't use them"
            )
        return BoardBuffer(memory, beats, self._pool)

    def _allocate(self, size: int):
        return allocate((size // BEAT_BYTES,), np.uint64, target=self._board, cacheable=1)

    def wait(self) -> None:
        done, give_up = REGISTERS.STATUS["done"], time.monotonic() + POLL_S
        while time.monotonic() < give_up:
            if done.get(self.read(REGISTERS.STATUS.offset)):
                return
        loop = _event_loop()
        if self._interrupt is None or loop is None or loop.is_running():
            time.sleep(POLL_S)
            return
        # Whether it came or not, the driver looks at the status, and waits again if need be.
        with suppress(asyncio.TimeoutError):
            loop.run_until_complete(asyncio.wait_for(self._interrupt.wait(), WAIT_S))


class BoardBuffer:
    """The first `beats` of contiguous memory that pynq allocated, with the processor's cache in
    front of it; it goes back to `pool`."""

    def __init__(self, memory, beats: int, pool: BufferPool):
        self._memory, self._pool = memory, pool
        self._used = memory[:beats]
        self.address = memory.device_address
        self.beats = np.asarray(self._used)

    def flush(self) -> None:
        self._used.flush()

    def invalidate(self) -> None:
        self._used.invalidate()

    def free(self) -> None:
        self.beats = self._used = None  # pynq unmaps what it looked at
        self._pool.give_back(self._memory)


class _Lock:
    """The right of this process to use a board; held for as long as somebody holds this."""

    _held: ClassVar[weakref.WeakValueDictionary[str, _Lock]] = weakref.WeakValueDictionary()
    one: ClassVar[threading.RLock] = threading.RLock()
    """Held while a lock is found, made or given up."""

    @classmethod
    def of(cls, tag: str) -> _Lock:
        """The lock on the board that pynq calls `tag`. Raises DeviceError if another has it."""
        with cls.one:
            lock = cls._held.get(tag) or cls(tag)
            cls._held[tag] = lock
        return lock

    def __init__(self, tag: str):
        path = Path(tempfile.gettempdir()) / f"bitfold-{tag}.lock"
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        weakref.finalize(self, _unlock, file, os.getpid())
        self.turns = Turns(f"the board {tag}")
        """Of all in this process that use the board."""
        self._pools: weakref.WeakKeyDictionary[PynqDevice, BufferPool]
        self._pools = weakref.WeakKeyDictionary()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(file, 20).decode() or "another"
            raise DeviceError(
                f"the board {tag} is in use by process {holder}; end that, or let it close its "
                "Accelerator"
            ) from error
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())

    def pool(self, board: PynqDevice) -> BufferPool:
        """The memory of `board` that is kept for all in this process: that of another, which pynq
        calls the same, is not its."""
        with self.one:
            return self._pools.setdefault(board, BufferPool())


def _unlock(file: int, process: int) -> None:
    """Gives the board up; a fork of `process` only closes its copy of the `file`."""
    if os.getpid() == process:
        fcntl.flock(file, fcntl.LOCK_UN)
    os.close(file)


def _own_bitstream(bundle: Bundle, board: PynqDevice) -> Path:
    make = getattr(board, "emulated_bitstream", None)
    return make(bundle) if make else bundle.bitstream(_board_name(bundle, board)).bit


def _board_name(bundle: Bundle, board: PynqDevice) -> str:
    """What the bundle calls the board, or "this board" where nothing tells."""
    if hasattr(board, "emulated_bitstream"):
        return board.name.lower()
    named = os.environ.get("BOARD", "").lower()  # as the images of PYNQ set it
    if not named and len(bundle.boards) == 1:
        named = bundle.boards[0]
    return named or "this board"


def _check_handoff(bundle: Bundle, bitstream: Path, board: PynqDevice) -> None:
    """Raises DeviceError for a .hwh by which pynq would set another clock, or look elsewhere."""
    name, file = _board_name(bundle, board), bitstream.with_suffix(".hwh")
    if name not in BOARDS or not file.is_file():  # what is missing pynq says
        return
    try:
        check_handoff(System.of(bundle, name), file.read_text(), whole=False)
    except (BundleError, OSError, UnicodeDecodeError) as error:
        raise DeviceError(f"{bitstream}: {error}") from error


def _load(bitstream: Path, board: PynqDevice) -> Overlay:
    try:
        return Overlay(str(bitstream), device=board)
    except BitfoldError:
        raise
    except Exception as error:  # pynq has no family of errors
        raise DeviceError(f"{bitstream}: pynq can't load it: {error!r}") from error


def _clock_mhz() -> float | None:
    """What the overlay's clock is set to; None where pynq can't tell (3.0 on an emulated board)."""
    try:
        return Clocks.fclk0_mhz
    except RuntimeError:
        return None


def _interrupt(overlay: Overlay) -> Interrupt | None:
    """The overlay's interrupt; None where the system hands none on, and a call is polled."""
    pin = f"{System.ip}/{System.interrupt_port}"
    if pin not in overlay.interrupt_pins or _event_loop() is None:
        return None
    try:
        return Interrupt(pin)
    except (ValueError, OSError):
        return None


def _event_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that pynq listens to interrupts in; None in a thread that has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn where they make the loop
        try:
            return asyncio.get_event_loop()
        except RuntimeError:
            return None
