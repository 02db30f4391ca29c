"""Designs that are placed and routed, for calibrate.py: stages and whole cores, shells, engines."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import networks

from bitfold.build.compile import folding
from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.compile.lowering import lower
from bitfold.build.implement.synthesis.elaboration import elaborate_bundle
from bitfold.build.implement.synthesis.timing import (
    Timing,
    place_and_route,
    time_overlay,
    time_stage,
)
from bitfold.models.encoding import Encoding
from bitfold.models.network import Network
from bitfold.models.ops import Add, ArgMax, Concatenate, Op, Softmax
from bitfold.models.ops.softmax import scaled
from bitfold.models.value import Value
from bitfold.overlays.dataflow.clock import SHELL_PATH
from bitfold.overlays.dataflow.cost import Features
from bitfold.overlays.dataflow.fold import Fold, Folding
from bitfold.overlays.dataflow.stages import (
    AddStage,
    ArgMaxStage,
    ConcatenateStage,
    MatrixStage,
    SoftmaxStage,
    Stage,
)
from bitfold.overlays.offload import Engine

FOLDED = (
    ((4, 64, 32, 32, 3), 64, ("BIPOLAR", "BIPOLAR", "BIPOLAR")),
    ((4, 64, 32, 32, 3), 64, ("UINT8", "BIPOLAR", "UINT2")),
    ((4, 64, 32, 32, 3), 64, ("UINT8", "INT4", "UINT4")),
    ((4, 64, 32, 32, 3), 64, ("UINT8", "BIPOLAR", "BIPOLAR")),
    ((4, 64, 32, 32, 3), 64, ("UINT4", "BIPOLAR", "UINT3")),
    ((4, 64, 32, 32, 3), 64, ("INT8", "INT2", "UINT2")),
    ((64, 64, 64, 10), 512, ("BIPOLAR", "BIPOLAR", "BIPOLAR")),
    ((64, 64, 64, 10), 512, ("UINT8", "BIPOLAR", "UINT2")),
)
"""Widths of the layers, cycles a frame, and the encodings of inputs, weights and activations."""

UNROLLED = (
    ((4, 64, 32, 32, 3), 8, ("BIPOLAR", "BIPOLAR", "BIPOLAR")),
    ((4, 16, 8, 3), 16, ("UINT4", "TERNARY", "UINT2")),
    ((4, 16, 8, 3), 8, ("UINT4", "TERNARY", "UINT2")),
    ((4, 16, 8, 3), 3, ("UINT4", "TERNARY", "UINT2")),
    ((8, 16, 4), 4, ("UINT4", "INT4", "UINT4")),
)
"""The same, with LUTs between registers in place of cycles."""

DOT_PRODUCTS = (
    ((64, 64), ("BIPOLAR", "BIPOLAR"), (16, 64), 0),
    ((64, 64), ("BIPOLAR", "BIPOLAR"), (16, 64), 1),
    ((64, 64), ("BIPOLAR", "BIPOLAR"), (1, 64), -1),
    ((64, 64), ("BIPOLAR", "BIPOLAR"), (1, 64), 1),
    ((64, 784), ("BIPOLAR", "BIPOLAR"), (1, 784), 0),
    ((64, 784), ("BIPOLAR", "BIPOLAR"), (16, 49), 0),
    ((64, 64), ("UINT2", "BIPOLAR"), (8, 32), 0),
    ((64, 64), ("UINT2", "BIPOLAR"), (8, 32), 1),
    ((64, 64), ("UINT8", "BIPOLAR"), (4, 32), 0),
    ((64, 64), ("UINT8", "BIPOLAR"), (1, 32), -1),
    ((64, 64), ("UINT8", "BIPOLAR"), (1, 32), 1),
    ((64, 64), ("UINT4", "INT4"), (1, 16), 0),
    ((64, 64), ("UINT4", "INT4"), (4, 16), 0),
    ((64, 64), ("UINT4", "INT4"), (1, 16), 1),
    ((64, 64), ("UINT8", "INT8"), (2, 16), 0),
    ((64, 64), ("UINT8", "INT8"), (8, 1), 0),
    ((64, 64), ("UINT2", "INT2"), (2, 32), 0),
    ((64, 64), ("UINT2", "INT2"), (2, 32), 1),
    ((64, 64), ("BIPOLAR", "INT4"), (2, 32), 0),
    ((64, 64), ("UINT3", "TERNARY"), (2, 32), 0),
    ((1024, 256), ("BIPOLAR", "BIPOLAR"), (4, 64), 0),
    ((256, 256), ("UINT2", "BIPOLAR"), (2, 32), 0),
    ((256, 256), ("UINT4", "INT4"), (1, 8), 0),
    ((64, 64), ("BIPOLAR", "BIPOLAR"), (64, 8), 0),
    ((64, 64), ("UINT8", "BIPOLAR"), (1, 1), 0),
)
"""Rows and columns, encodings of inputs and weights, PE and SIMD, and registers beside those that
pipelining.py asks for."""

ANY_CLOCK = 1.0
"""MHz: what the designs are depends on no estimate of a clock."""

ENGINE = Engine(rows=16)
"""A larger one takes nextpnr hours."""


@dataclass(frozen=True)
class Timed:
    """A design that was placed and routed: what its longest path is estimated by, and takes.

    Of a core `path` is None, and there are the paths of its stages, and its LUTs and DSPs by
    estimate.
    """

    name: str
    path: Features | None
    ns: float
    stages: tuple[Features, ...] = ()
    luts: int = 0
    dsps: int = 0


def timed() -> Iterator[Timed]:
    """All of them, one after the other; minutes each, unless they are cached."""
    for widths, cycles, encodings in FOLDED:
        network = networks.any_bits(widths, *encodings)
        folds = folding.for_cycles(network, cycles, clock_mhz=ANY_CLOCK)
        yield from _core(f"{network.name} at {cycles}", network, folds)
    for widths, levels, encodings in UNROLLED:
        network = networks.any_bits(widths, *encodings)
        folds = folding.unrolled(network, levels, ANY_CLOCK)
        yield from _core(f"{network.name} unrolled, {levels} levels", network, folds)
    for stage, name in (*_dot_products(), *_others()):
        yield Timed(name, stage.path, 1000 / time_stage(stage).mhz)
    yield _shell()
    yield _engine(ENGINE)


def _core(name: str, network: Network, folds: Folding) -> Iterator[Timed]:
    """The stages of a core, and the whole of it."""
    with tempfile.TemporaryDirectory() as scratch:
        bundle = compile_dataflow(network, folds, Path(scratch) / "core.bundle", ANY_CLOCK)
        found = time_overlay(bundle, core_only=True)
    stages = bundle.design.stages
    for i, stage in enumerate(stages):
        timing = found.get(f"stage_{i}")
        if isinstance(timing, Timing):
            yield Timed(f"{name}: {stage.name}", stage.path, 1000 / timing.mhz)
    if isinstance(found[""], Timing):
        paths = tuple(stage.path for stage in stages)
        yield Timed(
            name, None, 1000 / found[""].mhz, paths, bundle.design.luts(), bundle.design.dsps
        )


def _dot_products() -> Iterator[tuple[Stage, str]]:
    for (rows, columns), (x, w), (pe, simd), more in DOT_PRODUCTS:
        network = networks.any_bits((columns, rows), x, w, x)
        stage = lower(network, {"fc0": Fold(pe, simd)}, ANY_CLOCK).stages[0]
        assert isinstance(stage, MatrixStage)
        made = replace(stage, registers=stage.registers + more)
        yield made, f"{rows} x {columns} {x} {w}, {pe} x {simd}, {made.registers} registers"


def _others() -> Iterator[tuple[Stage, str]]:
    """Stages that the cores above do not have."""
    for rows, pe, name in (
        (10, 1, "INT6"),
        (10, 2, "INT12"),
        (10, 5, "INT6"),
        (10, 10, "INT12"),
        (32, 8, "INT12"),
        (32, 32, "INT6"),
        (64, 4, "INT16"),
    ):
        score, index = Encoding.of(name), Encoding.for_range(0, rows - 1)
        stage = alone(ArgMaxStage, ArgMax(), rows, pe, score, Value((1,), index))
        yield stage, f"argmax of {rows} {name}, {pe} at once"
    for rows, name, scale in (
        (2, "INT6", 0.3),
        (3, "INT12", 0.02),
        (10, "INT8", 0.05),
        (33, "INT16", 1e-3),
        (64, "INT14", 2e-3),
    ):
        op = Softmax(*scaled(scale, "reduced"), "reduced")
        shares = Value((rows,), Encoding.of("UINT8"))
        stage = alone(SoftmaxStage, op, rows, 1, Encoding.of(name), shares)
        yield stage, f"softmax of {rows} {name}"
    for inputs, pe, name in ((2, 1, "INT8"), (2, 16, "INT4"), (5, 4, "INT12")):
        value = Value((32,), Encoding.of(name))
        total = Value((32,), Encoding.of(f"INT{value.encoding.bits + 3}"))
        for kind, op, output in (
            (AddStage, Add(), total),
            (ConcatenateStage, Concatenate(), Value((32 * inputs,), value.encoding)),
        ):
            named = {"name": "alone", "layer": "alone", "value": "alone"}
            stage = kind(**named, ops=(op,), inputs=(value,) * inputs, output=output, fold=Fold(pe))
            yield stage, f"{stage.module} of {inputs} {name}, {pe} at once"


def _shell() -> Timed:
    """The shell of a network of three layers: it has a counter or two for each."""
    network = networks.any_bits((4, 8, 8, 3), "UINT8", "BIPOLAR", "BIPOLAR")
    with tempfile.TemporaryDirectory() as scratch:
        folds = folding.for_cycles(network, 64, clock_mhz=ANY_CLOCK)
        parts = elaborate_bundle(compile_dataflow(network, folds, Path(scratch) / "b.bundle"))
    shell = next(part for part in parts.values() if part.module == "dataflow_shell")
    return Timed("shell, 3 layers", SHELL_PATH, 1000 / place_and_route(shell, seeds=3).mhz)


def _engine(engine: Engine) -> Timed:
    with tempfile.TemporaryDirectory() as scratch:
        parts = elaborate_bundle(make_engine(engine, Path(scratch) / "engine.bundle"))
    name = f"offload {engine.rows} x {engine.lanes}, with its shell"
    return Timed(name, engine.path, 1000 / place_and_route(parts[""]).mhz)


def alone(kind: type[Stage], op: Op, rows: int, pe: int, score: Encoding, output: Value) -> Stage:
    """A stage for `rows` scores."""
    value = Value((rows,), score)
    names = {"name": "alone", "layer": "alone", "value": "alone"}
    return kind(**names, ops=(op,), inputs=(value,), output=output, fold=Fold(pe))
