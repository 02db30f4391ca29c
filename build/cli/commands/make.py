"""`bitfold make`: from a CSV file to an overlay that is checked on every row of it."""

from __future__ import annotations

from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.build.cli.commands.compile import board_options, check, fold, folding_options
from bitfold.build.cli.commands.run import show
from bitfold.build.cli.commands.train import train_and_show
from bitfold.build.workflows.run import run_rows
from bitfold.build.workflows.samples import Samples
from bitfold.models.quantization import QUANTIZATIONS
from bitfold.models.zoo import ANY_TABLE
from bitfold.overlays.boards.system import BOARDS


@click.argument("data", metavar="DATA.csv", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--label", metavar="COLUMN", required=True, help="The column that names the class.")
@click.option(
    "--quantization",
    "-q",
    type=click.Choice([name for name in QUANTIZATIONS if name != "float"]),
    metavar="NAME",
    default="W1A3",
    show_default=True,
    help="Bits of weights (W) and activations (A), as for `bitfold train`.",
)
@click.option(
    "--seed",
    type=console.SEED,
    default=0,
    show_default=True,
    help="Of the split and the training.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Training steps; the recipe's own if left out."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    help="The bundle; default DATA.bundle. Checkpoint and QONNX file stay beside it.",
)
@folding_options
@board_options
def make(data, label, quantization, seed, steps, output, clock_mhz, board, force, **target) -> dict:
    """Make an overlay from DATA.csv, and run every row.

    The same as `bitfold train`, `export`, `compile` and `run`, one after the other: the rows go
    through torch, the QONNX file, the integer network and the RTL, which all have to agree.

    \b
    bitfold make wine.csv --label cultivar
    bitfold make wine.csv --label cultivar -q W4A4 --cycles 16 -o fast.bundle
    """
    from bitfold.models.tables import load_table

    rows = load_table(data, label)
    output = output or data.with_suffix(".bundle")
    checkpoint, qonnx = output.with_suffix(".safetensors"), output.with_suffix(".onnx")
    model = train_and_show(ANY_TABLE.name, quantization, seed, steps, rows)
    with console.steps(f"making {output.name}") as say:
        say("exporting")
        from bitfold.models.checkpoints import save_checkpoint
        from bitfold.models.export import export_qonnx

        save_checkpoint(model, checkpoint)
        export_qonnx(model, qonnx, rows.features)
        say("loading FINN's passes")
        from bitfold.build.compile.compiler import bundle_design
        from bitfold.build.compile.fitting import check_fit
        from bitfold.build.compile.lowering import lower
        from bitfold.build.frontend import read_qonnx
        from bitfold.runtime.library import Library

        network = read_qonnx(qonnx, progress=say)
        say("comparing with the QONNX file")
        check(network, qonnx, rows.features)
        design = lower(network, fold(network, clock_mhz=clock_mhz, **target), clock_mhz)
        if not force:
            check_fit(network, design, BOARDS[board].chip, clock_mhz)
        bundle = bundle_design(network, design, output, clock_mhz)
        samples = Samples(rows.features, labels=rows.labels)
        result, _ = run_rows(Library(bundle), network, samples, say)
    console.out.print(f"all {len(rows)} rows, those that it was trained on among them:")
    show(result, network.labels)
    console.out.print("equal too: torch, the QONNX file and the integer network, on every row")
    console.out.print(f"bundle: {output}")
    return {
        **result,
        "holdout": model.metrics.to_json(),
        "split": model.split,
        "bundle": str(output),
        "qonnx": str(qonnx),
        "checkpoint": str(checkpoint),
    }


make_command = console.command(make)
