"""All that a report says, as one dictionary."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from bitfold.build.implement.synthesis.timing import Timing
from bitfold.build.inspect.describe import (
    describe_clock,
    describe_dataflow,
    describe_engine,
    describe_host,
)
from bitfold.build.inspect.report.timeline import dataflow_timeline, offload_timeline
from bitfold.models.checked import checked
from bitfold.models.cross_validation import CrossValidation, look_up
from bitfold.models.errors import InputError
from bitfold.models.json_files import read_json
from bitfold.models.network import Network
from bitfold.models.ops import Conv2d, Dense, Threshold
from bitfold.models.value import Value
from bitfold.overlays.boards.chip import XC7Z020, Resources
from bitfold.overlays.bundle import Bundle, DataflowBundle, OffloadBundle
from bitfold.overlays.dataflow.cost import calibration
from bitfold.overlays.kernels import Kernel, fuse
from bitfold.runtime.offload.steps import HostStep, split

if TYPE_CHECKING:
    import numpy as np

    from bitfold.models.training import TrainedModel

_PICTURES = 10  # of each kind
# What a synthesis counts, in the words of the page.
COUNTED = {
    "luts": "LUTs",
    "memory_luts": "LUTs as memory",
    "flip_flops": "flip-flops",
    "carry4": "carry chains (CARRY4)",
    "ramb36": "block RAM (36 Kbit)",
    "dsps": "DSPs",
}


def describe_layers(bundle: Bundle, network: Network) -> list[dict]:
    """The layers in order: a Dense with what follows it, its sizes, encodings and folding.

    "reads" names what each takes its input from, where the network is no chain.
    """
    folds = _dataflow_folds if isinstance(bundle, DataflowBundle) else _offload_folds
    folding = folds(bundle, network)
    kernels = fuse(network)
    makers = {network.input: "the input", **{kernel.output: kernel.name for kernel in kernels}}
    branches = any(kernel.inputs != (before.output,) for before, kernel in pairwise(kernels))
    return [
        _layer(network, kernel)
        | {"reads": [makers[name] for name in kernel.inputs] if branches else None}
        | folding[kernel.name]
        for kernel in kernels
    ]


def _layer(network: Network, kernel: Kernel) -> dict:
    values, nodes = network.values, kernel.nodes
    inputs = [values[name] for name in kernel.inputs]
    made = {
        "name": kernel.name,
        "does": [node.kind for node in nodes],
        "in": sum(value.size for value in inputs),
        "out": values[kernel.output].size,
        "in_shape": _map(inputs[0]),
        "out_shape": _map(values[kernel.output]),
        "input_encoding": inputs[0].encoding.name,
        "output_encoding": values[kernel.output].encoding.name,
        "rows": None,
        "columns": None,
        "weight_encoding": None,
        "weight_bits": 0,
        "weights": None,
        "sum_encoding": None,
        "levels": None,
    }
    if linear := next((node for node in nodes if "weights" in node.op.roles), None):
        weight = network.parameter(linear, "weights")
        made["rows"], made["columns"] = len(weight.values), weight.values[0].size
        made["weight_encoding"] = weight.encoding.name
        made["weight_bits"] = weight.values.size * weight.encoding.bits
        made["weights"] = linear.parameter("weights")
        made["sum_encoding"] = values[linear.output].encoding.name
    if threshold := kernel.part(Threshold):
        made["levels"] = network.parameter(threshold, "thresholds").values.shape[1]
    return made


def _map(value: Value) -> list[int] | None:
    """The shape of a feature map; None of what is none."""
    return list(value.shape) if len(value.shape) == 3 else None


def _dataflow_folds(bundle: DataflowBundle, network: Network) -> dict[str, dict]:
    return {
        stage["name"]: {key: stage[key] for key in ("pe", "simd", "unrolled", "cycles")}
        for stage in describe_dataflow(bundle)["stages"]
    }


def _offload_folds(bundle: OffloadBundle, network: Network) -> dict[str, dict]:
    """How the engine cuts each layer: blocks of rows, words of columns, passes over bit planes."""
    engine, folds = bundle.engine, {}
    for step in split(engine, network):
        if isinstance(step, HostStep):
            folds[step.node.name] = {"on": "host"}
            continue
        for layer in step.program.layers:
            blocks, words = -(-layer.rows // engine.rows), engine.words(layer.columns)
            passes = layer.weight_encoding.bits * layer.input.bits
            folds[layer.name] = {
                "on": "engine",
                "blocks": blocks,
                "words": words,
                "passes": passes,
                "cycles": blocks * words * passes,
            }
    return folds


def quantization(network: Network) -> str:
    """As the network calls it, else the encodings of its weights and activations."""
    if "quantization" in network.info:
        return network.info["quantization"]
    layers = [*_of(network, Dense), *_of(network, Conv2d)]
    weights = {network.parameter(node, "weights").encoding.name for node in layers}
    between = {network.values[n.output].encoding.name for n in _of(network, Threshold)}
    activations = f", {' and '.join(sorted(between))} activations" if between else ""
    return f"{' and '.join(sorted(weights))} weights{activations}"


def _of(network: Network, kind: type) -> list:
    return [node for node in network.nodes if isinstance(node.op, kind)]


@dataclass(frozen=True)
class _Part:
    module: str
    layer: str | None
    luts: int


@dataclass(frozen=True)
class _Check:
    inputs: int
    wrong: int


@dataclass(frozen=True)
class _Synthesis:
    """What the page shows of a synthesis."""

    build_id: str
    yosys: str
    recipe: str
    parts: tuple[_Part, ...]
    core: Resources
    shell: Resources | None
    total: Resources
    open_fabric: Timing | None = None
    netlist_check: _Check | None = None


def read_synthesis(file: Path, bundle: Bundle) -> dict:
    """What `bitfold synth --json` wrote. Raises InputError where it is not of `bundle`."""
    called = shlex.join(["bitfold", "synth", bundle.path.name, "--json", file.name])
    remedy = f"make it with `{called}`"
    found = read_json(file, InputError, remedy)
    read = checked(found, _Synthesis, InputError, str(file), remedy, others=True)
    if read.build_id != bundle.build_id:
        raise InputError(
            f"{file}: of build {read.build_id}, but {bundle.path.name} is build {bundle.build_id}; "
            f"make it again with `{called}`"
        )
    counted = {"total": read.total, "core": read.core, "shell": read.shell}
    return found | {part: taken and asdict(taken) for part, taken in counted.items()}


def describe_resources(bundle: Bundle, synthesis: dict | None) -> dict:
    """What the overlay takes of the chip.

    `bars` are what there is to show of each resource; `by_part` are LUTs. Where a synthesis is
    given it counts, and the estimate stands beside it.
    """
    capacity = asdict(XC7Z020.has)
    estimate = _estimate(bundle) if isinstance(bundle, DataflowBundle) else None
    bars, by_part = [], []
    if synthesis:
        whole = synthesis["shell"] is not None
        scope = "core and shell" if whole else "core"
        bars = [_bar(key, synthesis["total"][key], capacity) for key in COUNTED]
        block_rams = synthesis["total"]["ramb36"] + synthesis["total"]["ramb18"] / 2
        bars[list(COUNTED).index("ramb36")] = _bar("ramb36", block_rams, capacity)
        by_part = _synthesised_parts(synthesis)
        source = f"counted by Yosys {synthesis['yosys']}"
    elif estimate:
        scope, source = "core", "estimated"
        bars = [_bar(key, estimate[key], capacity) for key in ("luts", "dsps")]
        by_part = [{"part": name, "luts": n} for name, n in estimate["luts_by_layer"].items() if n]
    else:
        scope, source = None, None
    return {
        "chip": XC7Z020.name,
        "capacity": capacity,
        "source": source,
        "scope": scope,
        "bars": bars,
        "by_part": by_part,
        "estimate": estimate,
        "synthesis": synthesis
        and {key: synthesis[key] for key in ("yosys", "recipe", "core", "shell", "total")}
        | {"open_fabric": synthesis.get("open_fabric")},
    }


def _estimate(bundle: DataflowBundle) -> dict:
    design, fitted = bundle.design, calibration().luts
    by_layer = design.luts_by_stage()
    return {
        "luts": sum(by_layer.values()),
        "dsps": design.dsps,
        "luts_by_layer": by_layer,
        "error_median": fitted.median_error,
        "error_worst": fitted.worst_error,
        "cores": fitted.designs,
    }


def _bar(key: str, taken: float, capacity: Mapping[str, int]) -> dict:
    share = taken / capacity[key]
    return {"resource": COUNTED[key], "taken": taken, "of": capacity[key], "share": share}


def _synthesised_parts(synthesis: dict) -> list[dict]:
    """LUTs of each layer; of what stands between layers, and around the core, by its module."""
    luts: dict[str, int] = {}
    for part in synthesis["parts"]:
        name = part["layer"] or part["module"]
        luts[name] = luts.get(name, 0) + part["luts"]
    return [{"part": name, "luts": number} for name, number in luts.items() if number]


def describe_cycles(run: dict, bundle: Bundle) -> dict:
    """Latency and throughput of `run`, what `bitfold run` says: measured if it was, else
    predicted."""
    measured = run["latency_cycles"] is not None
    keys = ("latency_cycles", "initiation_interval", "cycles")
    predicted = {key: run[f"{key}_predicted"] for key in keys}
    taken = {key: run[key] for key in keys} if measured else predicted
    if taken["initiation_interval"] is None:  # of one frame there is no interval to measure
        taken["initiation_interval"] = predicted["initiation_interval"]
    return {
        "how": "measured on the RTL" if measured else "predicted",
        **describe_clock(bundle),
        "frames": run["samples"],
        **taken,
        "predicted": predicted,
        "latency_us": taken["latency_cycles"] / bundle.reached_mhz,
        "frames_per_second": bundle.reached_mhz * 1e6 / taken["initiation_interval"],
    }


def describe_overlay(bundle: Bundle, called: str, network: Network) -> dict:
    """Names and ids."""
    return {
        "name": network.name,
        "quantization": quantization(network),
        "overlay": bundle.kind,
        "overlay_name": bundle.name,
        "bundle": called,
        "build_id": bundle.build_id,
        "network_id": network.id,
        "clock_mhz": bundle.clock_mhz,
        "engine": describe_engine(bundle)["engine"] if isinstance(bundle, OffloadBundle) else None,
        "weight_bits": network.weight_bits,
        "labels": list(network.labels),
        "boards": bundle.boards,
        "bitfold": version("bitfold"),
    }


def describe_accuracy(
    network: Network,
    functional: dict,
    rtl: dict | None,
    model: TrainedModel | None,
    labels: np.ndarray | None,
) -> dict:
    """How often the class is right; `functional` and `rtl` are what `bitfold run` says."""
    if labels is None:
        return {
            "not_run": "the samples have no labels; give `--dataset`, or `--label` with a .csv file"
        }
    metrics = functional["metrics"]
    classes = len(metrics["confusion"])
    validated = _cross_validation(model) if model else None
    return {
        "not_run": None,
        "labels": list(network.labels) or [str(i) for i in range(classes)],
        "functional": metrics,
        "rtl": rtl and {key: rtl["metrics"][key] for key in ("samples", "accuracy")},
        "trained_on": model.split if model else None,
        "held_out": model.metrics.to_json() if model and model.metrics else None,
        "cross_validated": validated
        and {"mean": validated.mean, "std": validated.std, "fits": len(validated.accuracies)},
    }


def _cross_validation(model: TrainedModel) -> CrossValidation | None:
    """The committed results of the recipe that `model` was trained with."""
    from bitfold.models.training import recipe_hash

    if model.recipe_hash != recipe_hash(model.topology, model.quantization):
        return None
    return look_up(model.topology, model.quantization)


def describe_pictures(classes: list[int], labels: list[int]) -> list[dict]:
    """Which samples to show as pictures: the first of each class, and the first that are taken for
    another; with the class that each is taken for, and the one that it is."""
    first = {label: sample for sample, label in reversed(list(enumerate(labels)))}
    picked = [first[label] for label in sorted(first)][:_PICTURES]
    wrong = [sample for sample, label in enumerate(labels) if classes[sample] != label]
    picked += [sample for sample in wrong if sample not in picked][:_PICTURES]
    return [{"sample": n, "class": classes[n], "is": labels[n]} for n in picked]


def describe(
    bundle: Bundle,
    *,
    called: str,
    network: Network,
    samples: dict,
    runs: dict[str, dict | None],
    stages: list[dict],
    accuracy: dict,
    pictures: list[dict],
    synthesis: dict | None,
    commands: list[dict],
) -> dict:
    """The report: what the page shows and --json writes.

    `called` is the user's name for the bundle. `runs` has what `bitfold run` says of the functional
    device and, where it ran, of the RTL.
    """
    functional, rtl = runs["functional"], runs["rtl"]
    resources = describe_resources(bundle, synthesis)
    ran = [stage for stage in stages if stage["not_run"] is None]
    wrong = sum(stage["mismatches"] for stage in ran)
    timeline = (
        dataflow_timeline(bundle.design)
        if isinstance(bundle, DataflowBundle)
        else offload_timeline(bundle, network)
    )
    return {
        **describe_overlay(bundle, called, network),
        "samples": samples,
        "summary": {
            "accuracy": None if accuracy["not_run"] else accuracy["functional"]["accuracy"],
            "luts": resources["bars"][0]["taken"] if resources["bars"] else None,
            "stages_run": len(ran),
            "stages": len(stages),
            "mismatches": wrong,
        },
        "cycles": describe_cycles(rtl or functional, bundle),
        "host": describe_host(network),
        "layers": describe_layers(bundle, network),
        "timeline": _counted(timeline, rtl),
        "resources": resources,
        "accuracy": accuracy,
        "pictures": pictures,
        "stages": stages,
        "commands": commands,
        "failed": wrong > 0,
    }


def _counted(timeline: dict, run: dict | None) -> dict:
    """`timeline` with what the overlay's own counters said of a call, layer by layer."""
    if run is None:
        return timeline | {"counters": None}
    counters = {"frames": run["samples"], "cycles": run["cycles"]}

    def count(name: str) -> dict:
        kinds = ("busy", "stalled")
        return {kind: run[f"{kind}_cycles"].get(name) for kind in kinds}

    if timeline["overlay"] == "dataflow":
        rows = [row | count(row["name"]) for row in timeline["rows"]]
        return timeline | {"rows": rows, "counters": counters}
    layers = [{"name": name, **count(name)} for name in run["busy_cycles"]]
    return timeline | {"counters": {**counters, "layers": layers}}
