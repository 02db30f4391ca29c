"""The simulated RTL beside da4ml's own Verilator emulator: cold builds, and samples a second.

The same integers on both sides, every layer fully parallel, a sample a cycle, one thread. Ours is
the whole overlay with its shell, registers and memory in front; da4ml's is the bare pipeline. A
cold build is everything from Verilog to a loaded library with nothing in a cache, Verilator's own
runtime included. da4ml builds with -O unless asked for -O3, which takes the dense network many
minutes and is shown for the pruned one.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import da4ml_peer
import numpy as np
from frame import Result
from networks import random_inputs, six_bit

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.lowering import foldable
from bitfold.models.network import Network
from bitfold.runtime.verilated import VerilatedDevice

PACKAGES = ("verilator", "da4ml", "numpy")
CYCLES_A_LAYER = 2  # four layers are no deeper so than in da4ml's pipeline
FRAMES = 20_000
REPEATS = 5


def run() -> list[Result]:
    results = []
    for network, flags in ((six_bit(pruned=0.75), ("-O", "-O3")), (six_bit(), ("-O",))):
        with tempfile.TemporaryDirectory() as folder:
            results += _compare(network, flags, Path(folder))
    return results


def _compare(network: Network, flags: Sequence[str], folder: Path) -> list[Result]:
    name = network.name
    build, rate = _ours(network, folder)
    results = [
        Result(f"{name}: cold build", build, "s"),
        Result(f"{name}: emulation", rate, "samples/s"),
    ]
    peer = da4ml_peer.make(network)
    for flag in flags:
        peer_build, rates = peer.emulator(folder / flag, FRAMES, flag == "-O3", REPEATS)
        peer_rate = statistics.median(rates)
        goal = ("at most 0.5",) if flag == "-O" else ()
        results += [
            Result(f"{name}: da4ml's cold build, {flag}", peer_build, "s"),
            Result(f"{name}: da4ml's emulation, {flag}", peer_rate, "samples/s"),
            Result(f"{name}: build beside da4ml's, {flag}", build / peer_build, "x", *goal),
            Result(
                f"{name}: emulation beside da4ml's, {flag}", rate / peer_rate, "x", "at least 1"
            ),
        ]
    return results


def _ours(network: Network, folder: Path) -> tuple[float, float]:
    """Seconds of a cold build, and the median samples a second."""
    logic = {
        layer: replace(size.whole, unrolled=CYCLES_A_LAYER)
        for layer, size in foldable(network).items()
    }
    bundle = compile_dataflow(network, logic, folder / "bundle")
    start = time.perf_counter()
    device = VerilatedDevice(bundle, cache=folder / "cache")
    build = time.perf_counter() - start
    x = random_inputs(network, FRAMES, 2)
    rates = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        outputs, _ = device.run(x)
        rates.append(FRAMES / (time.perf_counter() - start))
    np.testing.assert_array_equal(outputs, network(x))
    device.close()
    return build, statistics.median(rates)
