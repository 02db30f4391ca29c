"""When each layer of an overlay is at work, in cycles."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from bitfold.models.network import Network
from bitfold.overlays.bundle import OffloadBundle
from bitfold.overlays.dataflow.design import Design
from bitfold.runtime.functional import MEMORY_LATENCY_CYCLES
from bitfold.runtime.offload.schedule import schedule
from bitfold.runtime.offload.steps import HostStep, split

MOST_FRAMES = 24
BATCH = 16
"""Frames of the larger call that an offload overlay is shown for."""


def dataflow_timeline(design: Design) -> dict:
    """The core's pipeline, for frames that come as often as it takes them and are not held up.

    `rows` are the input port, the layers and the output port with the cycles in which the first
    frame's first beat enters and its last beat leaves; cycle 0 is that of its first beat at all.
    Frame f is `interval` * f cycles later everywhere. `frames` is how many of them show the
    pipeline fill up and go on.
    """
    times = np.arange(design.input.beats, dtype=np.int64)
    rows = [_row("input port", times, times, design.input.beats)]
    flow = design.schedule.flows[0]
    for i, (stage, moves) in enumerate(zip(design.stages, flow.moves)):
        leaves = moves.departures
        if design.layer_ends(i)[0]:
            first = min(flow.arrivals[i], key=lambda beats: beats[0])
            rows.append(_row(stage.layer, first, leaves, stage.cycles))
        next(row for row in rows if row["name"] == stage.layer)["last"] = int(leaves[-1])
    out = flow.out
    rows.append(_row("output port", out, out, design.output.beats))
    latency, interval = design.latency_cycles, design.initiation_interval
    return {
        "overlay": "dataflow",
        "latency": latency,
        "interval": interval,
        "bottleneck": design.bottleneck,
        "frames": min(max(4, latency // interval + 3), MOST_FRAMES),
        "rows": rows,
    }


def _row(name: str, first: np.ndarray, last: np.ndarray, cycles: int) -> dict:
    """`cycles` are those that one frame keeps it busy."""
    return {"name": name, "first": int(first[0]), "last": int(last[-1]), "cycles": cycles}


def offload_timeline(bundle: OffloadBundle, network: Network) -> dict:
    """What the engine loads, computes and drains when, in a call of one frame and in one of more.

    `calls` are in order; `program` counts the engine's programs, of which the host runs one a
    call. Within a call `read` ends with the cycle in which program and samples are there, and
    `written` begins with the one after the last result; each block of a layer has the first cycle
    of its load, compute and drain, and the cycle behind the last.
    """
    steps = split(bundle.engine, network)
    programs = [step.program for step in steps if not isinstance(step, HostStep)]
    calls = []
    for i, program in enumerate(programs):
        for frames in sorted({1, min(BATCH, program.frames)}):
            made = schedule(bundle.engine, program, frames, MEMORY_LATENCY_CYCLES)
            calls.append(
                {
                    "program": i,
                    "frames": frames,
                    "cycles": made.cycles,
                    "read": made.layers[0].begins - 1,
                    "written": made.layers[-1].blocks[-1].drain[1],
                    "layers": [
                        {**asdict(layer), "slowest": layer.slowest} for layer in made.layers
                    ],
                }
            )
    return {
        "overlay": "offload",
        "memory_latency_cycles": MEMORY_LATENCY_CYCLES,
        "programs": len(programs),
        "on_the_host": [step.node.name for step in steps if isinstance(step, HostStep)],
        "calls": calls,
    }
