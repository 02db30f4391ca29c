"""`bitfold run`: runs samples through a bundle."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from bitfold.build.cli import console
from bitfold.build.cli.commands.train import confusion_table
from bitfold.build.workflows.networks import find_network, library_for
from bitfold.build.workflows.run import run_rows
from bitfold.build.workflows.samples import read_samples
from bitfold.models.datasets import DATASETS
from bitfold.models.files import is_stream, whole_file
from bitfold.models.inputs import MEASUREMENTS
from bitfold.runtime.accelerator import DEVICES
from bitfold.runtime.library import OVERLAYS
from bitfold.runtime.observation import write_waves

SHOWN = 10


@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("samples", type=click.Path(dir_okay=False, path_type=Path), required=False)
@console.inputs_option
@click.option("--dataset", type=click.Choice(DATASETS), help="Run this data, and score it.")
@click.option(
    "--label", metavar="COLUMN", help="Score a .csv file by the classes that this column names."
)
@click.option(
    "--overlay",
    type=click.Choice(OVERLAYS),
    default="auto",
    show_default=True,
    help="Which kind of overlay; offload takes the default engine where BUNDLE holds none.",
)
@click.option(
    "--network",
    type=click.Path(path_type=Path),
    help="A QONNX file or dataflow bundle, where BUNDLE does not say which network.",
)
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="verilated: the RTL, simulated; functional: the same integers by arithmetic, with the "
    "cycles as predicted; auto: a board if there is one, else verilated.",
)
@console.trust_rtl_option
@click.option("--limit", type=click.IntRange(min=1), help="Run only the first so many samples.")
@click.option(
    "--output",
    "-o",
    type=console.OUTPUT_FILE,
    help="Keep the output integers: .npy or .csv; - is CSV on the standard output.",
)
@click.option(
    "--waves",
    type=console.OUTPUT_FILE,
    metavar="FILE.fst",
    help="Also write the RTL's waveform of the first sample that differs from the integer network, "
    "or else of the first: for GTKWave or Surfer.",
)
def run(
    bundle,
    samples,
    inputs,
    dataset,
    label,
    overlay,
    network,
    device,
    trust_rtl,
    limit,
    output,
    waves,
) -> dict:
    """Run samples through BUNDLE, or through a folder of bundles.

    SAMPLES is an .npy or .csv file, a row a sample: measurements, or what --inputs says. A .csv
    file may start with a line of column names: then the columns that the network was trained on
    are taken by name. Every output is compared with the integer network.

    \b
    bitfold run iris.bundle --dataset iris
    bitfold run iris.bundle flowers.csv --output scores.csv
    bitfold run wine.bundle wine.csv --label cultivar
    bitfold run iris.bundle --dataset iris --overlay offload
    bitfold run offload-64x64.bundle --network iris.onnx --dataset iris
    """
    if output and output.suffix not in (".npy", ".csv") and not is_stream(output):
        raise click.UsageError(f"--output {output}: name a .npy or a .csv file")
    if waves and waves.suffix != ".fst":
        raise click.UsageError(f"--waves {waves}: name an .fst file")
    if (samples is None) == (dataset is None):
        raise click.UsageError("give SAMPLES or --dataset, one of them")
    if label and (samples is None or samples.suffix == ".npy"):
        raise click.UsageError("--label goes with a .csv file")
    with console.steps(f"running {bundle.name}") as say:
        library = library_for(bundle, overlay, trust_rtl)
        network = find_network(network, say) if network else library.only_network()
        rows = read_samples(samples, dataset, label, network, inputs)[:limit]
        result, outputs = run_rows(library, network, rows, say, device, overlay)
        if waves:
            integers = rows.integers(network)
            first = int((outputs != network(integers)).any(axis=1).argmax())
            picked = library.pick(network, overlay)
            write_waves(picked, network, integers[[first]], waves, None, say)
    if output:
        _keep(output, outputs)
    show(result, network.labels)
    if waves:
        console.out.print(f"waveform of sample {first}: {waves}", highlight=False)
    return {"bundle": str(bundle), **result}


def _keep(file: Path, outputs: np.ndarray) -> None:
    with whole_file(file) as partial, partial.open("wb") as stream:
        if file.suffix == ".npy":
            np.save(stream, outputs)
        else:
            np.savetxt(stream, outputs, fmt="%d", delimiter=",")


def show(result: dict, labels: tuple[str, ...]) -> None:
    """Prints what `run_rows` gave."""
    for warning in result["warnings"]:
        console.out.print(console.styled(("warning", "yellow"), f": {warning}"))
    if result["inputs"] != MEASUREMENTS:
        console.out.print(f"samples are taken for {result['inputs']}")
    names = [labels[c] if labels else str(c) for c in result["classes"][:SHOWN]]
    more = f", and {result['samples'] - SHOWN} more" if result["samples"] > SHOWN else ""
    console.out.print(f"classes: {', '.join(names)}{more}", highlight=False)
    if "metrics" in result:
        metrics = result["metrics"]
        console.out.print(f"accuracy {metrics['accuracy']:.2%} of {metrics['samples']} samples")
        numbers = tuple(str(i) for i in range(len(metrics["confusion"])))
        console.out.print(confusion_table(metrics["confusion"], labels or numbers))
    table = console.table("", console.numbers("predicted"), console.numbers("measured"))
    for name, key in (
        ("cycles of the call", "cycles"),
        ("latency, cycles", "latency_cycles"),
        ("initiation interval, cycles", "initiation_interval"),
    ):
        measured = result[key]
        shown = "-" if measured is None else f"{measured:g}"
        table.add_row(name, f"{result[f'{key}_predicted']:g}", shown)
    console.out.print(table)
    for layer, busy in result["busy_cycles"].items():
        stalled = result["stalled_cycles"][layer]
        console.out.print(f"{layer}: busy {busy} cycles, stalled {stalled}", highlight=False)
    if result["exact"]:
        console.out.print(
            console.styled(
                ("exact", "green"),
                f": all outputs of the {result['device']} device equal the integer network's "
                f"(samples: {result['samples']})",
            )
        )
    else:
        console.out.print(
            console.styled(
                ("not exact", "red"),
                f": {result['mismatches']} of {result['samples']} samples differ from the integer "
                "network",
            )
        )


run_command = console.command(run)
