"""`bitfold export`: writes a checkpoint as QONNX."""

from __future__ import annotations

from pathlib import Path

import click

from bitfold.build.cli import console


@click.argument("checkpoint", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--output",
    "-o",
    type=console.OUTPUT_FILE,
    help="The QONNX file; default CHECKPOINT with .onnx.",
)
def export(checkpoint, output) -> dict:
    """Write CHECKPOINT as QONNX.

    The file is left only if it gives exactly what torch gives.

    \b
    bitfold export iris.safetensors
    """
    output = output or checkpoint.with_suffix(".onnx")
    with console.steps(f"exporting {checkpoint.name}") as say:
        say("loading torch")
        from bitfold.models.checkpoints import load_checkpoint
        from bitfold.models.datasets import DATASETS, IN_PARTS, load
        from bitfold.models.export import export_qonnx
        from bitfold.models.zoo import topology

        model = load_checkpoint(checkpoint)
        say("writing and checking")
        dataset = topology(model.topology).dataset
        zoo_rows = dataset in DATASETS and dataset not in IN_PARTS
        rows = load(dataset).features if zoo_rows else None
        export_qonnx(model, output, rows)
    equal = "within 1e-5" if model.quantization == "float" else "bit for bit"
    console.out.print(f"{model.name}: {output}, equal to torch {equal}")
    return {"network": model.name, "qonnx": str(output)}


export_command = console.command(export)
