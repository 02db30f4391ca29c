"""`bitfold import`: makes a network of what other projects keep in files of their own."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.models.files import whole_file, whole_folder
from bitfold.models.storage import FILE


@click.argument("files", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    help="The network; default FILES with .network.",
)
@click.option("--name", help="Of the network; default that of FILES.")
def bnn_pynq(files, output, name) -> dict:
    """Read a network of BNN-PYNQ: FILES is a folder or zip of its parameters.

    It holds config.h, classes.txt, and for each layer and PE the files LAYER-PE-weights.bin and
    LAYER-PE-thres.bin. The network takes pixels: give `--inputs pixels` where it runs. The folding
    of config.h is written beside it, for `--folding`.

    \b
    bitfold import bnn-pynq cifar10-cnvW1A1.zip -o cnv.network
    bitfold compile cnv.network --folding cnv.folding.json
    """
    from bitfold.build.compile.folding import nearest_below
    from bitfold.build.compile.lowering import foldable
    from bitfold.build.frontend.bnn_pynq import read_bnn_pynq, read_folding

    output = output or files.with_suffix(".network")
    with console.steps(f"reading {files.name}"):
        network = read_bnn_pynq(files, name)
        with whole_folder(output, FILE) as folder:
            network.save(folder)
        sizes = foldable(network)
        folds = {
            layer: nearest_below(sizes[layer], *fold) for layer, fold in read_folding(files).items()
        }
        folding = output.with_suffix(".folding.json")
        with whole_file(folding) as partial:
            content = {layer: {"PE": fold.pe, "SIMD": fold.simd} for layer, fold in folds.items()}
            partial.write_text(json.dumps(content, indent=1) + "\n")
    table = console.table("", "makes")
    for node in network.nodes:
        table.add_row(f"{node.name} ({node.kind})", str(network.values[node.output]))
    console.out.print(table)
    console.out.print(f"network: {output}")
    console.out.print(f"folding: {folding}")
    return {
        "network": network.name,
        "network_id": network.id,
        "layers": [node.name for node in network.nodes],
        "weight_bits": network.weight_bits,
        "labels": list(network.labels),
        "output": str(output),
        "folding": str(folding),
    }


@click.group("import", cls=console.Group)
def import_command() -> None:
    """Read networks from files of other projects."""


import_command.add_command(console.command(bnn_pynq))
