"""`bitfold diff`: the first layer, channel and sample in which two stages differ."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from bitfold.build.cli import console
from bitfold.models.datasets import DATASETS
from bitfold.models.errors import InputError

if TYPE_CHECKING:
    from bitfold.build.inspect.diff.compare import Comparison

RANDOM_SAMPLES = 100


@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The samples: an .npy or .csv file, as for `bitfold run`.",
)
@console.inputs_option
@click.option("--dataset", type=click.Choice(DATASETS), help="The samples of this data.")
@click.option(
    "--samples",
    type=click.IntRange(1, 1_000_000),
    help=f"Random samples, so many; default {RANDOM_SAMPLES}, where nothing else is given.",
)
@click.option(
    "--waves",
    type=console.OUTPUT_FILE,
    metavar="FILE.fst",
    help="The RTL's waveform of the first sample that differs, for GTKWave or Surfer.",
)
@console.trust_rtl_option
def diff(one, other, data, inputs, dataset, samples, waves, trust_rtl) -> dict:
    """Compare two stages, A and B, on the same samples, layer by layer.

    A stage is a checkpoint (.safetensors, run by torch), a QONNX file (run by qonnx), the folder of
    a saved network, a bundle, or the outputs that a board left (results/NAME.npz of a package, or
    what `bitfold run --output` wrote). Behind a bundle, :rtl (the default), :functional, :netlist
    or :network says on what it runs; an offload overlay runs the network of the other stage.

    Names the first layer, channel and sample that differ, with both accumulators, the thresholds
    around them, and the weights that are not the same. The exit code is 0 where all is equal, 1
    where something differs.

    \b
    bitfold diff iris.onnx iris.bundle --dataset iris
    bitfold diff iris.safetensors iris.bundle:netlist
    bitfold diff iris.onnx offload-64x64.bundle --waves first.fst
    bitfold diff iris.bundle:network package/results/iris-on-iris.npz
    """
    if sum(given is not None for given in (data, dataset, samples)) > 1:
        raise click.UsageError("give one of --data, --dataset and --samples")
    if inputs and not (data or dataset):
        raise click.UsageError("--inputs goes with --data or --dataset")
    if waves and waves.suffix != ".fst":
        raise click.UsageError(f"--waves {waves}: name an .fst file")
    with console.steps("comparing") as say:
        from bitfold.build.inspect.diff.align import align
        from bitfold.build.inspect.diff.opening import open_stages
        from bitfold.build.inspect.diff.search import search

        a, b = open_stages(one, other, say, trust_rtl)
        align(a, b)  # before anything is built
        bundle = b.bundle or a.bundle
        if waves and bundle is None:
            raise InputError(f"neither {a.label} nor {b.label} has RTL to draw a waveform of")
        rows = _samples(a, b, data, inputs, dataset, samples)
        found, seen = search(a, b, rows, say)
        if waves and found.first:
            from bitfold.runtime.observation import write_waves

            network = (b if b.bundle else a).network
            integers = rows.integers(network)[[found.first.sample]]
            write_waves(bundle, network, integers, waves, None, say)
    result = _result(a.label, b.label, found)
    result["seen"] = seen
    result["waves"] = str(waves) if waves and found.first else None
    _show(result, found)
    return result


def _samples(a, b, data, inputs, dataset, samples):
    """The samples that are asked for, else those that were recorded, else random ones."""
    from bitfold.build.frontend import random_samples
    from bitfold.build.inspect.diff.recorded import RecordedStage
    from bitfold.build.workflows.samples import Samples, read_samples

    if data or dataset:
        return read_samples(data, dataset, None, a.network, inputs)
    recorded = [stage for stage in (a, b) if isinstance(stage, RecordedStage)]
    if not recorded:
        return Samples(random_samples(a.network, samples or RANDOM_SAMPLES))
    found = next((r.recording.samples for r in recorded if r.recording.samples is not None), None)
    if found is None or samples:
        raise InputError(
            f"{recorded[0].label} was recorded with certain samples; give them with --data or "
            "--dataset"
        )
    return found


def _result(a: str, b: str, found: Comparison) -> dict:
    return {
        "a": a,
        "b": b,
        "samples": found.samples,
        "compared": list(found.compared),
        "equal": found.equal,
        "says": found.says(a, b),
        "first": asdict(found.first) if found.first else None,
        "layers": [asdict(layer) for layer in found.layers],
        "parameters": [asdict(parameter) for parameter in found.parameters],
        "outputs_differ": found.outputs_differ.tolist(),
        "failed": not found.equal,
    }


def _show(result: dict, found: Comparison) -> None:
    colour = "green" if found.equal else "red"
    head, colon, rest = result["says"].partition(":")
    console.out.print(
        console.styled((head, colour), f"{colon}{rest}"), highlight=False, soft_wrap=True
    )
    if result["seen"]:
        console.out.print(result["seen"], highlight=False)
    if found.layers:
        console.out.print(_table(found))
        console.out.print(
            f"outputs differ for {len(found.outputs_differ)} of {found.samples} samples",
            highlight=False,
        )
    if result["waves"]:
        console.out.print(f"waveform: {result['waves']}", highlight=False)


def _table(found: Comparison) -> Table:
    """A row for each layer that differs, with the first place in it."""
    maps = any(layer.pixel for layer in found.layers)
    headings = ("samples", "values", "first sample", *(["row, column"] * maps), "channel", "A", "B")
    table = console.table("what differs", "", *map(console.numbers, headings))
    for layer in found.layers:
        pixel = ["{}, {}".format(*layer.pixel) if layer.pixel else ""] * maps
        counts = layer.samples, layer.values, layer.sample, *pixel, layer.channel
        values = f"{layer.a:g}", f"{layer.b:g}"
        table.add_row(layer.layer, layer.kind, *map(str, counts), *values)
    return table


diff_command = console.command(diff)
