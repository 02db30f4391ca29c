"""All that can be said of a bundle, or of a program, without running it."""

from __future__ import annotations

from dataclasses import asdict

from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle, DataflowBundle, OffloadBundle
from bitfold.overlays.kernels import fuse
from bitfold.overlays.program import DESCRIPTOR_BEATS, Head, Origin, decode
from bitfold.runtime.offload.assembler import Program
from bitfold.runtime.offload.schedule import schedule
from bitfold.runtime.offload.steps import HostStep, split

KINDS = {"mvau": "matrix"}
"""What stages are called that are not called as their modules."""

MEMORY_LATENCY_CYCLES = 20
"""Of the memory that schedules are shown for."""


def describe_dataflow(bundle: DataflowBundle) -> dict:
    """The stages of a dataflow overlay, their folding and what they take."""
    network = bundle.network
    design = bundle.design
    weights = {k.name: k.product.parameter("weights") for k in fuse(network) if k.product}
    stages = [
        {
            "name": stage.name,
            "kind": KINDS.get(stage.module, stage.module),
            "in": sum(value.size for value in stage.inputs),
            "out": stage.output.size,
            "input_encoding": stage.inputs[0].encoding.name,
            "output_encoding": stage.output.encoding.name,
            "weight_encoding": network.parameters[weights[stage.name]].encoding.name
            if stage.name in weights
            else None,
            "weights": weights.get(stage.name),
            "pe": stage.fold.pe if design.layer_ends(i)[0] else None,
            "simd": stage.fold.simd if stage.name in weights else None,
            "unrolled": stage.fold.unrolled,
            "cycles": stage.cycles,
            "mhz_estimated": stage.mhz,
        }
        for i, stage in enumerate(design.stages)
    ]
    return {
        "name": bundle.name,
        "overlay": bundle.kind,
        "network_id": bundle.network.id,
        "build_id": bundle.build_id,
        "input": {"elements": design.input.elements, "encoding": design.input.encoding.name},
        "output": {"elements": design.output.elements, "encoding": design.output.encoding.name},
        "labels": list(bundle.network.labels),
        "weight_bits": bundle.network.weight_bits,
        "host": describe_host(network),
        "stages": stages,
        "bottleneck": design.bottleneck,
        "latency_cycles_predicted": design.latency_cycles,
        "initiation_interval_predicted": design.initiation_interval,
        **describe_clock(bundle),
        "frames_per_second_predicted": bundle.reached_mhz * 1e6 / design.initiation_interval,
        "luts_estimated": design.luts(),
    }


def describe_clock(bundle: Bundle) -> dict:
    """The clock that was asked for, what the overlay is estimated to reach, what limits that, and
    the clock that figures in seconds are of."""
    return {
        "clock_mhz": bundle.clock_mhz,
        "mhz_estimated": bundle.clock.mhz,
        "limited_by": bundle.clock.limited_by,
        "reached_mhz": bundle.reached_mhz,
    }


def describe_host(network: Network) -> dict[str, list[str]]:
    """What the host does in float32 around the overlay, step by step."""
    return {
        "in_front": [str(step) for step in network.quantizer],
        "behind": [str(step) for step in network.head],
    }


def describe_engine(bundle: OffloadBundle) -> dict:
    """The size of an offload overlay."""
    return {
        "name": bundle.name,
        "overlay": bundle.kind,
        "build_id": bundle.build_id,
        **describe_clock(bundle),
        "engine": asdict(bundle.engine),
    }


def describe_steps(bundle: OffloadBundle, network: Network, frames: int) -> list[dict]:
    """How `network` runs on the engine: host steps, and programs disassembled with their schedule.

    Raises OverlayError where it does not fit.
    """
    steps = []
    for step in split(bundle.engine, network):
        if isinstance(step, HostStep):
            steps.append({"host": step.node.name, "kind": step.node.kind})
        else:
            steps.append(_describe_program(bundle, step.program, frames))
    return steps


def _describe_program(bundle: OffloadBundle, program: Program, frames: int) -> dict:
    frames = min(frames, program.frames)
    made = schedule(bundle.engine, program, frames, MEMORY_LATENCY_CYCLES)
    descriptors = program.image[: len(program.layers) * DESCRIPTOR_BEATS]
    layers = []
    for words, layer, when in zip(
        descriptors.reshape(-1, DESCRIPTOR_BEATS), program.layers, made.layers
    ):
        fields = decode(words)
        fields["head"] = Head(fields["head"]).name.lower()
        fields["origin"] = Origin(fields["origin"]).name.lower()
        layers.append({"name": layer.name, "descriptor": fields, "schedule": asdict(when)})
        layers[-1]["schedule"]["slowest"] = when.slowest
    products = sum(
        layer.rows * layer.columns * layer.weight_encoding.bits * layer.input.bits
        for layer in program.layers
    )
    engine = bundle.engine
    return {
        "program_bytes": program.image.nbytes,
        "frames_a_call": program.frames,
        "frames": frames,
        "cycles_predicted": made.cycles,
        "utilization_predicted": products * frames / (made.cycles * engine.rows * engine.lanes),
        "layers": layers,
    }
