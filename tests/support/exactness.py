"""Runs a network on the RTL of its dataflow overlay: every integer and every cycle is exact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from support.random_networks import random_inputs

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.models.network import Network
from bitfold.overlays.dataflow.fold import Fold
from bitfold.runtime.verilated import Memory, VerilatedDevice

FRAMES = 6
WATCHDOG_CYCLES = 100_000
"""So that what hangs is an error, and soon."""


def check_network(
    network: Network, folding: Mapping[str, Fold], seed: int, folder: Path, cache: Path
) -> None:
    """One network on its design and its RTL, unhindered and with a hesitating memory."""
    bundle = compile_dataflow(network, folding, folder / "bundle")
    x = random_inputs(network, FRAMES, seed)
    expected = network(x).reshape(FRAMES, -1)
    np.testing.assert_array_equal(bundle.design(x), expected)
    device = VerilatedDevice(bundle, cache=cache, watchdog_cycles=WATCHDOG_CYCLES)
    try:
        _, first = device.run(x[:1])
        y, call = device.run(x)
        np.testing.assert_array_equal(y, expected)
        assert first.latency_cycles == call.latency_cycles == bundle.design.latency_cycles
        assert (first.cycles, call.cycles) == (first.predicted_cycles, call.predicted_cycles)
        for hesitation in (30, 80):
            device.port.configure(Memory(seed % 40 + 1, hesitation, seed))
            y, _ = device.run(x)
            np.testing.assert_array_equal(y, expected)
    finally:
        device.close()
