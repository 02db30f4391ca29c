"""What drives any overlay through its registers: the same on a board and on the RTL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import contextmanager

import numpy as np

from bitfold.models.errors import BuildIdError, DeviceError, StallError
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.registers import (
    ABI_VERSION,
    MAGIC,
    REGISTERS,
    ErrorCode,
    Kind,
    Register,
    stall_reason,
)
from bitfold.runtime.device import Call, Port

MAX_CALL_BEATS = 1 << 20
"""A call moves at most 8 MiB each way; more frames take more calls."""


class Driver:
    """One overlay behind `port`. Raises DeviceError unless it is the one that `bundle` is."""

    def __init__(self, bundle: Bundle, port: Port):
        self.bundle = bundle
        self.port = port
        self._check_overlay()

    def _call(self, sent: np.ndarray, expected_beats: int, frames: int, **settings) -> np.ndarray:
        """One call: `sent` beats lie at SOURCE, the `expected_beats` at DESTINATION come back.

        `settings` are further registers. Raises DeviceError or StallError.
        """
        with self._buffer(sent.size) as source, self._buffer(expected_beats) as destination:
            source.beats[:] = sent.reshape(-1)
            source.flush()
            destination.flush()  # so that no stale line is written back over the results
            self._free_the_bus()
            settings = {
                **settings,
                "SOURCE": source.address,
                "DESTINATION": destination.address,
                "FRAMES": frames,
            }
            for name, value in settings.items():
                self.port.write(getattr(REGISTERS, name).offset, value)
            self._start_and_wait(frames)
            destination.invalidate()
            return destination.beats.copy()

    def _start_and_wait(self, frames: int) -> None:
        control, status = REGISTERS.CONTROL, REGISTERS.STATUS
        enabled = control["irq_enable"].mask
        self.port.write(REGISTERS.IRQ_PENDING.offset, REGISTERS.IRQ_PENDING["done"].mask)
        self.port.write(control.offset, enabled | control["start"].mask)
        try:
            word = self.port.read(status.offset)
            while not status["done"].get(word):
                self.port.wait()
                word = self.port.read(status.offset)
        except BaseException:  # an interrupted call must not write into freed memory
            self._reset()
            raise
        error = ErrorCode(status["error"].get(word))
        if error is ErrorCode.NONE:
            return
        taken = self.port.read(REGISTERS.FRAMES_IN.offset)
        given = self.port.read(REGISTERS.FRAMES_OUT.offset)
        stalled = self.port.read(REGISTERS.STALLED_PORTS.offset)
        progress = f"{taken} of {frames} frames went in, {given} came out"
        if error is ErrorCode.WATCHDOG:
            raise StallError(
                f"{self.bundle.name}: stalled: {stall_reason(stalled)} ({progress}); "
                "the call was ended, and another can be made once that port moves again"
            )
        raise DeviceError(f"{self.bundle.name}: {error.text} ({progress})")

    def _free_the_bus(self) -> None:
        """Lets the memory give what it owes an earlier call, if it came back to life."""
        stuck = REGISTERS.STATUS["bus_stuck"]
        if stuck.get(self.port.read(REGISTERS.STATUS.offset)):
            self._reset()
            if stuck.get(self.port.read(REGISTERS.STATUS.offset)):
                raise DeviceError(
                    f"{self.bundle.name}: the memory still does not answer what an earlier call "
                    "asked of it; load the overlay anew"
                )

    def _reset(self) -> None:
        """Ends any call; returns when the bus has drained, or is stuck: the watchdog sees to it."""
        self.port.write(REGISTERS.CONTROL.offset, REGISTERS.CONTROL["soft_reset"].mask)
        while not REGISTERS.STATUS["idle"].get(self.port.read(REGISTERS.STATUS.offset)):
            self.port.wait()

    def _cycles(self) -> int:
        read = self.port.read
        return read(REGISTERS.CYCLES_LOW.offset) | read(REGISTERS.CYCLES_HIGH.offset) << 32

    def _layer_counters(self, register: Register, layers: Iterable[str]) -> dict[str, int]:
        return {layer: self.port.read(register.at(i)) for i, layer in enumerate(layers)}

    def _check_overlay(self) -> None:
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

    @contextmanager
    def _buffer(self, beats: int):
        buffer = self.port.allocate(beats)
        try:
            yield buffer
        finally:
            buffer.free()


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
