"""`bitfold report`: one page on a bundle, with what was really run."""

from __future__ import annotations

from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.models.datasets import DATASETS
from bitfold.models.files import whole_file

RANDOM_SAMPLES = 150
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("samples", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option(
    "--output",
    "-o",
    type=console.OUTPUT_FILE,
    help="The page; default BUNDLE with .html.",
)
@console.inputs_option
@click.option(
    "--dataset",
    type=click.Choice(DATASETS),
    help="Run this data; default what the network was trained on, else random inputs.",
)
@click.option("--label", metavar="COLUMN", help="The column of a .csv file that names the class.")
@click.option(
    "--network",
    type=click.Path(path_type=Path),
    help="For an offload overlay: the network, a QONNX file or a dataflow bundle.",
)
@click.option(
    "--source",
    type=EXISTING_FILE,
    help="The QONNX file that the network was read from; default the one beside BUNDLE.",
)
@click.option(
    "--checkpoint",
    type=EXISTING_FILE,
    help="What the QONNX file was exported from; default the one beside it.",
)
@click.option(
    "--synthesis",
    type=EXISTING_FILE,
    help="What `bitfold synth BUNDLE --json` wrote, for counts in place of estimates.",
)
@click.option(
    "--rtl",
    "rtl_samples",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Samples to run through the RTL at most; 0 leaves it out.",
)
@console.trust_rtl_option
def report(
    bundle,
    samples,
    inputs,
    output,
    dataset,
    label,
    network,
    source,
    checkpoint,
    synthesis,
    rtl_samples,
    trust_rtl,
) -> dict:
    """Write one page on BUNDLE, with what was really run.

    The page stands alone: it asks no network for anything. Samples run through every stage that is
    here, from torch to the RTL, and are compared; what did not run is said so. SAMPLES is an .npy
    or .csv file, as for `bitfold run`. --json writes all figures of the page.

    \b
    bitfold report iris.bundle
    bitfold report wine.bundle wine.csv --label cultivar -o wine.html
    bitfold report offload-64x64.bundle --network iris.onnx --dataset iris
    """
    if samples and dataset:
        raise click.UsageError("give SAMPLES or --dataset, not both")
    if label and not (samples and samples.suffix != ".npy"):
        raise click.UsageError("--label goes with a .csv file")
    called = bundle.resolve().name.removesuffix(".zip")
    output = output or Path(f"{called.removesuffix('.bundle')}.html")
    with console.steps(f"reporting on {bundle.name}") as say:
        say("loading")
        from bitfold.build.inspect.report import evidence, facts, page, reproduce
        from bitfold.build.workflows.networks import find_network
        from bitfold.models.checkpoints import load_checkpoint
        from bitfold.overlays.bundle import Bundle, DataflowBundle

        loaded = Bundle.load(bundle, trust_rtl=trust_rtl)
        counted = facts.read_synthesis(synthesis, loaded) if synthesis else None
        if isinstance(loaded, DataflowBundle):
            if network:
                raise click.UsageError(
                    "--network goes with an offload overlay; this one has its own"
                )
            found = loaded.network
        elif network:
            found = find_network(network, say)
        else:
            raise click.UsageError(
                "an offload overlay runs many networks; say which with --network"
            )
        at_hand = evidence.find_source(network or bundle, found)
        source, checkpoint = source or at_hand[0], checkpoint or at_hand[1]
        rows, arguments, what = _samples(samples, inputs, dataset, label, found)
        model = load_checkpoint(checkpoint) if checkpoint else None
        say("comparing with QONNX and torch")
        stages = evidence.source_stages(found, rows, source, model)
        runs, devices = evidence.device_stages(loaded, found, rows, rtl_samples, say)
        stages += [*devices, evidence.netlist_stage(loaded, counted), evidence.board_stage(loaded)]
        description = facts.describe(
            loaded,
            called=called,
            network=found,
            samples={"name": what, "number": len(rows)},
            runs=runs,
            stages=stages,
            accuracy=facts.describe_accuracy(
                found, runs["functional"], runs["rtl"], model, rows.labels
            ),
            pictures=[]
            if rows.pictures is None
            else facts.describe_pictures(runs["functional"]["classes"], rows.labels.tolist()),
            synthesis=counted,
            commands=reproduce.commands(loaded, called, found, model, arguments),
        )
        with whole_file(output) as partial:
            partial.write_text(page.render(description, found, rows.pictures), encoding="utf-8")
    _show(description)
    console.out.print(f"page: {output}")
    return description


def _samples(file, inputs, dataset, label, network):
    """The samples, the arguments that name them, and what they are."""
    from bitfold.build.frontend import random_samples
    from bitfold.build.workflows.samples import Samples, read_samples
    from bitfold.models.errors import DatasetError

    named = ("--inputs", inputs) if inputs else ()
    if file:
        arguments = [file.name, *(("--label", label) if label else ()), *named]
        return read_samples(file, None, label, network, inputs), arguments, file.name
    trained_on = network.info.get("dataset")
    own = trained_on if trained_on in DATASETS else None
    if dataset or own:
        try:
            rows = read_samples(None, dataset or own, None, network, inputs)
            return rows, ["--dataset", dataset or own, *named], dataset or own
        except DatasetError:
            if dataset:
                raise
    return Samples(random_samples(network, RANDOM_SAMPLES)), [], "random inputs"


def _show(description: dict) -> None:
    table = console.table(
        "stage", "equal to", console.numbers("samples"), console.numbers("mismatches")
    )
    for stage in description["stages"]:
        if stage["not_run"]:
            table.add_row(stage["stage"], stage["with"], "-", "not run")
        else:
            counts = (f"{stage['samples']:,}", f"{stage['mismatches']:,}")
            table.add_row(stage["stage"], stage["with"], *counts)
    console.out.print(table)


report_command = console.command(report)
