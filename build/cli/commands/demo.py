"""`bitfold demo`: all of it, from training to answers on the RTL, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bitfold.build.cli import console

if TYPE_CHECKING:
    from bitfold.build.workflows.demo import Row

FOLDER = Path("bitfold-demo")


@click.option(
    "--network",
    "-n",
    "only",
    multiple=True,
    metavar="NAME",
    help="Only this network, such as iris_64_32_32-W1A1; may be repeated.",
)
@click.option(
    "--cycles",
    type=click.IntRange(min=1),
    help="Fold for at most so many cycles a frame (default 64).",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER,
    show_default=True,
    help="Where checkpoints, QONNX files and bundles stay.",
)
def demo(only, cycles, folder) -> dict:
    """Train, export, compile and run networks of flowers and of digits.

    Ends with a table of what came out. Each network is trained once, lowered to integers, made into
    a dataflow overlay, and run on that and on the offload overlay: all 150 flowers, and the digits
    that are held out, go through the RTL of both. What an earlier run left in the folder, and built
    simulations, are used again.
    """
    rows = run_networks(only, cycles, folder)
    _show(rows, folder)
    return {"rows": [asdict(row) for row in rows], "failed": not all(row.exact for row in rows)}


def run_networks(only: Sequence[str], cycles: int | None, folder: Path) -> list[Row]:
    """The rows of the demo's networks, or of those named in `only`; shows progress."""
    from bitfold.build.workflows.demo import NETWORKS, run_network

    names = {
        f"{topology}-{quantization}": (topology, quantization)
        for topology, quantization in NETWORKS
    }
    unknown = [name for name in only if name not in names]
    if unknown:
        raise click.UsageError(f"no network {unknown[0]!r} in the demo; it has {', '.join(names)}")
    rows = []
    with console.progress() as bars:
        task = bars.add_task("", total=len(only or names))
        for name in only or names:

            def say(step: str, name=name) -> None:
                bars.update(task, description=f"{name}: {step}")

            say("starting")  # the first loads torch and FINN
            rows += run_network(*names[name], folder, cycles, say=say)
            bars.advance(task)
    return rows


def _show(rows, folder: Path) -> None:
    from bitfold.models.cross_validation import FOLDS, REPEATS, SEEDS, look_up

    networks = console.table(
        "network",
        *map(console.numbers, ("cross-\nvalidated", "accuracy", "precision", "recall")),
        console.numbers("weight\nbits"),
        title="what was learnt, in %",
    )
    overlays = console.table(
        "network\nand its PE x SIMD",
        "\noverlay",
        console.numbers("latency\n(predicted)"),
        console.numbers("interval\n(predicted)"),
        "\nexact",
        title="150 flowers, or 360 held-out digits, through the RTL, in cycles",
    )
    for dataflow, offload in zip(rows[::2], rows[1::2]):
        name = f"{dataflow.network}-{dataflow.quantization}"
        holdout = (
            dataflow.holdout_accuracy,
            dataflow.holdout_precision,
            dataflow.holdout_recall,
        )
        networks.add_row(
            name,
            _mean_and_spread(dataflow.cv_accuracy_mean, dataflow.cv_accuracy_std),
            *(f"{100 * value:.1f}" for value in holdout),
            f"{dataflow.weight_bits:,}",
        )
        folds = " ".join(f"{pe}x{simd}" for pe, simd in dataflow.folding.values())
        for first, row in ((name, dataflow), (f"  {folds}", offload)):
            overlays.add_row(
                first,
                row.overlay,
                f"{row.latency_cycles:,} ({row.latency_cycles_predicted:,})",
                f"{row.initiation_interval:,.0f} ({row.initiation_interval_predicted:,.0f})",
                console.styled(
                    ("yes", "green") if row.exact else (f"{row.mismatches} differ", "red")
                ),
            )
    console.out.print(networks)
    console.out.print()
    console.out.print(overlays)
    console.out.print()
    baseline = look_up("iris_64_32_32", "float")
    notes = {
        "cross-validated": f"accuracy, mean and spread of {REPEATS} x {FOLDS} folds over "
        f"{len(SEEDS)} seeds, from the committed results"
        + (f"; in float {_mean_and_spread(baseline.mean, baseline.std)}" if baseline else ""),
        "accuracy, precision, recall": "on the fifth of the samples that is held out, stratified",
        "dataflow": "an overlay for each network, with the PE x SIMD below its name; cycles of the "
        "core",
        "offload": "one engine for all, beside the host; cycles of a call with one sample, and a "
        "sample's share of one with all",
        "exact": "RTL = integer network = QONNX = torch, for every sample",
        "files": str(folder),
    }
    for what, note in notes.items():
        console.out.print(f"{what}: {note}", highlight=False)


def _mean_and_spread(mean: float | None, std: float | None) -> str:
    return "not run" if mean is None else f"{100 * mean:.1f} ± {100 * std:.1f}"


demo_command = console.command(demo)
