"""What drives any overlay through its registers: the same on a board and on the RTL."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import numpy as np

from bitfold.models.errors import BuildIdError, DeviceError, MemoryFullError, StallError
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.registers import (
    ABI_VERSION,
    MAGIC,
    REGISTERS,
    WATCHDOG_DEFAULT_CYCLES,
    ErrorCode,
    Field,
    Kind,
    Register,
    stall_reason,
)
from bitfold.runtime.device import Buffer, Call, Port

MAX_CALL_BEATS = 1 << 20
"""A call moves at most 8 MiB each way; more frames take more calls."""
SLOWEST = 10
"""A call may take so many times what is predicted: memory is shared with the processor."""
WATCHDOGS = 4
"""And so many periods of the watchdog more, which should end it before the runtime does."""
PATIENCE_S = 5.0
"""How long the cycle counter may stand still during a call."""


class Driver:
    """One overlay behind `port`. Raises DeviceError unless it is the one that `bundle` is.

    No wait is without a limit: the watchdog ends a call in which nothing moves; this ends one that
    takes `limit_cycles` (by default SLOWEST times the predicted ones and WATCHDOGS periods of the
    watchdog), and one whose cycle counter stands still for PATIENCE_S.
    """

    def __init__(self, bundle: Bundle, port: Port):
        self.bundle = bundle
        self.port = port
        self.limit_cycles: int | None = None
        self.check_overlay()

    def load(self, network: Network) -> None:
        """As Device.load."""
        self.port.turns.take(lambda: self._load(network))

    def run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        """As Device.run."""
        return self.port.turns.call(lambda: self._run(x))

    def _load(self, network: Network) -> None:
        """What a kind of overlay does to load."""
        raise NotImplementedError

    def _run(self, x: np.ndarray) -> tuple[np.ndarray, Call]:
        """What a kind of overlay does to run."""
        raise NotImplementedError

    def _call(
        self,
        sent: np.ndarray,
        expected_beats: int,
        frames: int,
        predicted_cycles: int,
        **settings: int,
    ) -> np.ndarray:
        """One call: `sent` beats lie at SOURCE, the `expected_beats` at DESTINATION come back.

        `settings` are further registers. Raises DeviceError or StallError.
        """
        self._free_the_bus()  # before memory is handed out that an earlier call may still write to
        source, destination = self._allocate(sent.size, expected_beats)
        try:
            source.beats[:] = sent.reshape(-1)
            source.flush()
            destination.flush()  # so that no stale line is written back over the results
            settings = {
                **settings,
                "SOURCE": source.address,
                "DESTINATION": destination.address,
                "FRAMES": frames,
            }
            for name, value in settings.items():
                self.port.write(getattr(REGISTERS, name).offset, value)
            try:
                self._start_and_wait(frames, predicted_cycles)
            finally:
                destination.invalidate()  # of a call that failed too: the memory serves again
            return destination.beats.copy()
        finally:
            source.free()
            destination.free()

    def _start_and_wait(self, frames: int, predicted_cycles: int) -> None:
        control, status = REGISTERS.CONTROL, REGISTERS.STATUS
        enabled = control["irq_enable"].mask
        self.port.write(REGISTERS.IRQ_PENDING.offset, REGISTERS.IRQ_PENDING["done"].mask)
        self.port.write(control.offset, enabled | control["start"].mask)
        try:
            overdue = self._wait_for(status["done"], self._limit(SLOWEST * predicted_cycles))
        except BaseException:  # an interrupted call must not write into freed memory
            self._reset()
            raise
        error = ErrorCode(status["error"].get(self.port.read(status.offset)))
        if error is ErrorCode.NONE and not overdue:
            return
        given = self.port.read(REGISTERS.FRAMES_OUT.offset)
        taken = self.port.read(REGISTERS.FRAMES_IN.offset)
        stalled = self.port.read(REGISTERS.STALLED_PORTS.offset)
        progress = f"{taken} of {frames} frames went in, {given} came out"
        if overdue:
            side = "input" if taken < frames else "output"
            remedy = "the call was ended, and another can be made"
            try:
                self._reset()
            except DeviceError as error:
                remedy = str(error)
            raise StallError(
                f"{self.bundle.name}: stalled at its {side}: {overdue} ({progress}); {remedy}"
            )
        if error is ErrorCode.WATCHDOG:
            raise StallError(
                f"{self.bundle.name}: stalled: {stall_reason(stalled)} ({progress}); "
                "the call was ended, and another can be made once that port moves again"
            )
        raise DeviceError(f"{self.bundle.name}: {error.text} ({progress})")

    def _free_the_bus(self) -> None:
        """Lets the memory give what it owes an earlier call, if it came back to life."""
        stuck, idle = REGISTERS.STATUS["bus_stuck"], REGISTERS.STATUS["idle"]
        word = self.port.read(REGISTERS.STATUS.offset)
        if stuck.get(word) or not idle.get(word):
            self._reset()
            if stuck.get(self.port.read(REGISTERS.STATUS.offset)):
                raise DeviceError(
                    f"{self.bundle.name}: the memory still does not answer what an earlier call "
                    "asked of it; load the overlay anew"
                )

    def _reset(self) -> None:
        """Ends any call; returns when the bus has drained, or is stuck: the watchdog sees to it."""
        self.port.write(REGISTERS.CONTROL.offset, REGISTERS.CONTROL["soft_reset"].mask)
        overdue = self._wait_for(REGISTERS.STATUS["idle"], self._limit(0), self._cycles())
        if overdue:
            raise DeviceError(
                f"{self.bundle.name}: does not come to rest after a reset: {overdue}; load the "
                "overlay anew"
            )

    def _limit(self, cycles: int) -> int:
        """The cycles that are too many where `cycles` are plenty, unless a limit was set."""
        watchdog = self.port.read(REGISTERS.WATCHDOG.offset) or WATCHDOG_DEFAULT_CYCLES
        return self.limit_cycles or cycles + WATCHDOGS * watchdog

    def _wait_for(self, field: Field, limit_cycles: int, since: int = 0) -> str | None:
        """Returns once the `field` of STATUS is set, or says why it waits no more.

        The limit counts from where the cycle counter was at `since`; a call starts it at 0.
        """
        overdue, last, moved = None, None, time.monotonic()
        while not field.get(self.port.read(REGISTERS.STATUS.offset)):
            if overdue:
                return overdue
            self.port.wait()
            # In the overlay's own time, so that a simulated board is given as long as a real one.
            cycles = self._cycles()
            if cycles != last:
                last, moved = cycles, time.monotonic()
            if cycles - since >= limit_cycles:
                overdue = f"it took {limit_cycles} cycles and did not finish"
            elif time.monotonic() - moved > PATIENCE_S:
                overdue = f"its cycle counter stood still for {PATIENCE_S:g} s: it has no clock"
        return None

    def _cycles(self) -> int:
        """Of the last call, or so far."""
        low, high = REGISTERS.CYCLES_LOW.offset, REGISTERS.CYCLES_HIGH.offset
        upper = self.port.read(high)
        while True:
            lower, before = self.port.read(low), upper
            upper = self.port.read(high)
            if upper == before:
                return lower | upper << 32

    def _layer_counters(self, register: Register, layers: Iterable[str]) -> dict[str, int]:
        return {layer: self.port.read(register.at(i)) for i, layer in enumerate(layers)}

    def check_overlay(self) -> None:
        """Raises DeviceError unless the overlay on the device is the bundle's."""
        magic, version = (
            self.port.read(register.offset) for register in (REGISTERS.MAGIC, REGISTERS.ABI_VERSION)
        )
        if magic != MAGIC:
            raise DeviceError(f"the device holds no bitfold overlay (it reads 0x{magic:08X})")
        if version != ABI_VERSION:
            raise DeviceError(
                f"the overlay has register map {version}, this bitfold drives {ABI_VERSION}; "
                "compile the bundle again"
            )
        kind = Kind(self.port.read(REGISTERS.KIND.offset)).name.lower()
        if kind != self.bundle.kind:
            raise BuildIdError(
                f"{self.bundle.name} is a {self.bundle.kind} overlay, the device holds a {kind} one"
            )
        words = [self.port.read(REGISTERS.BUILD_ID_0.offset + 4 * i) for i in range(4)]
        build_id = "".join(f"{word:08x}" for word in reversed(words))
        if build_id != self.bundle.build_id:
            raise BuildIdError(
                f"the device holds build {build_id}, but bundle {self.bundle.path} is build "
                f"{self.bundle.build_id}; load the bundle's own bitstream"
            )

    def _allocate(self, *beats: int) -> list[Buffer]:
        """Buffers of so many beats each. Raises MemoryFullError if there is no room for all."""
        while True:
            try:
                return [self.port.allocate(each) for each in beats]
            except MemoryFullError:
                if not self._make_room():
                    raise
            # Those that it had got are free again: they may have lain between two gaps.

    def _make_room(self) -> bool:
        """Frees memory that is held for later calls only; whether there was any."""
        return False


def frames_a_call(*layouts) -> int:
    """Frames that a call may move of each of the layouts."""
    return max(1, MAX_CALL_BEATS // max(layout.beats for layout in layouts))


def total(calls: list[Call]) -> Call:
    """Calls on one batch after each other as one; latency and interval are those of the first."""
    if len(calls) == 1:
        return calls[0]
    return Call(
        frames=sum(call.frames for call in calls),
        predicted_cycles=sum(call.predicted_cycles for call in calls),
        cycles=sum(call.cycles for call in calls),
        latency_cycles=calls[0].latency_cycles,
        initiation_interval=calls[0].initiation_interval,
        busy_cycles=_sum_by_layer([call.busy_cycles for call in calls]),
        stalled_cycles=_sum_by_layer([call.stalled_cycles for call in calls]),
    )


def _sum_by_layer(counters: list[Mapping[str, int]]) -> dict[str, int]:
    layers = dict.fromkeys(layer for counter in counters for layer in counter)
    return {layer: sum(counter.get(layer, 0) for counter in counters) for layer in layers}
