"""The demo's path: one network from training to its answers on both overlays, each step checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bitfold.models.dataset import Dataset
from bitfold.models.datasets import holdout, load
from bitfold.models.zoo import topology as topology_named
from bitfold.overlays.dataflow.fold import Folding

NETWORKS = (
    ("iris_64_32_32", "W1A1"),
    ("iris_64_32_32", "W1A1-thermometer"),
    ("iris_64_32_32", "W1A2"),
    ("iris_64_32_32", "W1A3"),
    ("iris_64_32_32", "W2A2"),
    ("iris_64_32_32", "W4A4"),
    ("iris_64_32_32", "W6A6-pruned"),
    ("iris_64_32_32", "W8A8"),
    ("irisnet", "W1A3"),
    ("iris_64_64", "W1A1"),
    ("digits_conv", "W2A2"),
)
SEED = 0
MOST_SAMPLES = 500
"""Of a dataset that goes through the RTL as a whole; of a larger one only what is held out."""


@dataclass(frozen=True)
class Row:
    """What came out for one network on one overlay; the names are those of the demo's JSON.

    `one_cycles` are those of a whole call with one sample, `call_cycles` with all.
    """

    network: str
    quantization: str
    dataset: str
    overlay: str
    exact: bool
    samples: int
    mismatches: int
    cv_accuracy_mean: float | None
    cv_accuracy_std: float | None
    holdout_accuracy: float
    holdout_precision: float
    holdout_recall: float
    trained_on: str
    accuracy: float
    weight_bits: int
    folding: dict[str, tuple[int, int]] | None
    latency_cycles: int
    latency_cycles_predicted: int
    initiation_interval: float
    initiation_interval_predicted: float
    one_cycles: int
    call_cycles: int
    call_cycles_predicted: int
    bundle: str


def run_network(
    topology: str,
    quantization: str,
    folder: Path,
    cycles: int | None = None,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda step: None,
) -> list[Row]:
    """Trains (or takes the checkpoint in `folder`), exports, compiles and runs all samples.

    A row for each overlay. `exact` says that its RTL gives the integers of the network for every
    sample, and the network those of the qonnx executor, layer by layer; the export already gave
    what torch gives.
    """
    from bitfold.build.compile import folding
    from bitfold.build.compile.compiler import compile_dataflow
    from bitfold.build.frontend import read_qonnx, verify_against_source
    from bitfold.build.workflows.networks import default_engine
    from bitfold.models.cross_validation import look_up
    from bitfold.models.export import export_qonnx
    from bitfold.models.metrics import measure

    dataset = topology_named(topology).dataset
    rows = samples_of(dataset)
    stem = folder / f"{topology}-{quantization}"
    model, fresh = _trained(topology, quantization, stem, say)
    qonnx = stem.with_suffix(".onnx")
    if fresh or not qonnx.is_file():
        say("exporting")
        export_qonnx(model, qonnx, rows.features)
    say("compiling")
    network = read_qonnx(qonnx)
    comparison = verify_against_source(network, qonnx, rows.features)
    chosen = folding.choose(network, cycles=cycles)
    made = compile_dataflow(network, chosen, stem.with_suffix(".bundle"))
    validation = look_up(topology, quantization)
    made_rows = []
    for bundle in (made, default_engine(cache)):
        outputs, figures = _run(bundle, network, rows.features, cache, say)
        wrong = (outputs != network(network.quantize(rows.features))).any(axis=1)
        wrong[comparison.mismatches] = True
        classes = network.classes(outputs)
        row = Row(
            network=topology,
            quantization=quantization,
            dataset=dataset,
            overlay=bundle.kind,
            exact=not wrong.any(),
            samples=len(rows),
            mismatches=int(wrong.sum()),
            cv_accuracy_mean=validation.mean if validation else None,
            cv_accuracy_std=validation.std if validation else None,
            holdout_accuracy=model.metrics.accuracy,
            holdout_precision=model.metrics.precision,
            holdout_recall=model.metrics.recall,
            trained_on=model.split,
            accuracy=measure(rows.labels, classes, len(rows.class_names)).accuracy,
            weight_bits=network.weight_bits,
            folding=_factors(chosen) if bundle is made else None,
            latency_cycles=figures.latency_cycles,
            latency_cycles_predicted=figures.latency_cycles_predicted,
            initiation_interval=figures.initiation_interval,
            initiation_interval_predicted=figures.initiation_interval_predicted,
            one_cycles=figures.one_cycles,
            call_cycles=figures.cycles,
            call_cycles_predicted=figures.cycles_predicted,
            bundle=str(bundle.path),
        )
        made_rows.append(row)
    return made_rows


def samples_of(dataset: str) -> Dataset:
    """What goes through the RTL of a dataset's networks."""
    rows = load(dataset)
    return rows if len(rows) <= MOST_SAMPLES else holdout(dataset, SEED)[1]


def _run(bundle, network, x, cache: Path | None, say: Callable[[str], None]):
    """The outputs of all samples on the RTL of `bundle`, and what they took."""
    from bitfold.runtime.accelerator import Accelerator

    with Accelerator(bundle, "verilated", cache, say, network=network) as accelerator:
        say(f"running {len(x)} samples on the {bundle.kind} overlay")
        return accelerator.run(x), accelerator.figures(x)


def _factors(folding: Folding) -> dict[str, tuple[int, int]]:
    return {name: (fold.pe, fold.simd) for name, fold in folding.items()}


def _trained(topology: str, quantization: str, stem: Path, say: Callable[[str], None]):
    """The network's checkpoint if it is of today's recipe, else a new training; and which."""
    from bitfold.models.checkpoints import load_checkpoint, save_checkpoint
    from bitfold.models.errors import TrainingError
    from bitfold.models.training import recipe_hash, train_on_holdout

    file = stem.with_suffix(".safetensors")
    if file.is_file():
        try:
            model = load_checkpoint(file)
            if model.recipe_hash == recipe_hash(topology, quantization) and model.seed == SEED:
                return model, False
        except TrainingError:
            pass  # damaged or of another format: it is only a cache here
    model = train_on_holdout(
        topology,
        quantization,
        SEED,
        progress=lambda done, total: say(f"training, step {done} of {total}"),
    )
    save_checkpoint(model, file)
    return model, True
