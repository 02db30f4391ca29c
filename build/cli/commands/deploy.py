"""`bitfold deploy`: makes one folder with all that a board needs."""

from __future__ import annotations

from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.models.datasets import DATASETS


@click.argument(
    "bundles", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="BUNDLES"
)
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("package"),
    show_default=True,
    help="The package; an older one there is replaced.",
)
@click.option(
    "--network",
    "network_files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A further network, a QONNX file or dataflow bundle, for an offload overlay; may be "
    "repeated.",
)
@click.option("--dataset", type=click.Choice(DATASETS), help="The test vectors.")
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The test vectors: an .npy or .csv file, as for `bitfold run`; default random ones.",
)
@console.inputs_option
def deploy(bundles, output, network_files, dataset, data, inputs) -> dict:
    """Make one folder for a PYNQ board of BUNDLES.

    It holds the overlays, the networks with test vectors and the integers that must come out, the
    runtime as a wheel, a script that runs all vectors on the board, one that compares the results
    sample by sample, and a notebook. A dataflow bundle brings its network; an offload overlay also
    runs those of the other bundles.

    \b
    bitfold deploy iris.bundle --dataset iris
    bitfold deploy offload-64x64.bundle --network iris.onnx --dataset iris
    """
    if data and dataset:
        raise click.UsageError("give --data or --dataset, not both")
    if inputs and not (data or dataset):
        raise click.UsageError("--inputs goes with --data or --dataset")
    with console.steps(f"writing {output}") as say:
        from bitfold.build.implement.deploy import write_package
        from bitfold.build.workflows.networks import find_network
        from bitfold.build.workflows.samples import read_samples
        from bitfold.overlays.bundle import Bundle, DataflowBundle

        loaded = {f"{_stem(bundle)}.bundle": Bundle.load(bundle) for bundle in bundles}
        if len(loaded) < len(bundles):
            raise click.UsageError("two bundles have the same name; rename one")
        networks = [find_network(file, say) for file in network_files]
        made_for = [b.network for b in loaded.values() if isinstance(b, DataflowBundle)]
        given = {}
        if data or dataset:
            first = next(iter([*made_for, *networks]), None)
            rows = read_samples(data, dataset, None, first, inputs)
            given = {"samples": rows.x, "inputs": rows.inputs, "labels": rows.labels}
        say("copying")
        contents = write_package(output, loaded, networks, **given)
    for run in contents["runs"]:
        console.out.print(f"{run['network']} on {run['bundle']}", highlight=False)
    for name, bundle in loaded.items():
        boards = ", ".join(bundle.boards)
        console.out.print(
            f"{name}: " + (f"for {boards}" if boards else "no bitstream yet (`bitfold bitstream`)"),
            highlight=False,
        )
    console.out.print(f"package: {output}")
    return {**contents, "package": str(output)}


def _stem(bundle: Path) -> str:
    """What the user calls it, without what says that it is a bundle."""
    return bundle.resolve().name.removesuffix(".zip").removesuffix(".bundle")


deploy_command = console.command(deploy)
