"""The driver of each kind of overlay."""

from __future__ import annotations

from bitfold.overlays.bundle import Bundle, DataflowBundle, OffloadBundle
from bitfold.runtime.dataflow import DataflowDriver
from bitfold.runtime.device import Port
from bitfold.runtime.offload.driver import OffloadDriver

_DRIVERS = {DataflowBundle: DataflowDriver, OffloadBundle: OffloadDriver}


def open_driver(bundle: Bundle, port: Port) -> DataflowDriver | OffloadDriver:
    """The driver for `bundle`'s overlay behind `port`. Raises DeviceError if it is another."""
    return _DRIVERS[type(bundle)](bundle, port)
