"""`bitfold demo`: all of it, from training to answers on the RTL, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bitfold.build import console
from bitfold.overlays.bundle import default_cache

if TYPE_CHECKING:
    from bitfold.build.demo import Row


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
    help="Where checkpoints, QONNX files and bundles stay; default ~/.cache/bitfold/demo.",
)
def demo(only, cycles, folder) -> dict:
    """Train, export, compile and run iris networks.

    Ends with a table of what came out. Each network is trained once, lowered to integers, made into a dataflow overlay, and run on that
    and on the offload overlay: all 150 flowers go through the RTL of both. Trained networks and
    built simulations of an earlier run are used again.
    """
    folder = folder or default_cache() / "demo"
    rows = run_networks(only, cycles, folder)
    _show(rows, folder)
    return {"rows": [asdict(row) for row in rows], "failed": not all(row.exact for row in rows)}


def run_networks(only: Sequence[str], cycles: int | None, folder: Path) -> list[Row]:
    """The rows of the demo's networks, or of those named in `only`; shows progress."""
    from bitfold.build.demo import NETWORKS, run_network

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

    table = console.table(
        "network,\nquantization",
        "cross-\nvalidated",
        "accuracy,\nprec., rec.",
        console.numbers("weight\nbits"),
        "overlay",
        console.numbers("latency\n(predicted)"),
        console.numbers("interval\n(predicted)"),
        "exact",
        title="iris on both overlays: all 150 flowers through the RTL",
    )
    for dataflow, offload in zip(rows[::2], rows[1::2]):
        validated = (
            "not run"
            if dataflow.cv_accuracy_mean is None
            else f"{100 * dataflow.cv_accuracy_mean:.1f} ± {100 * dataflow.cv_accuracy_std:.1f}"
        )
        holdout = (
            dataflow.holdout_accuracy,
            dataflow.holdout_precision,
            dataflow.holdout_recall,
        )
        folds = " ".join(f"{pe}x{simd}" for pe, simd in dataflow.folding.values())
        both = (dataflow, offload)
        table.add_row(
            f"{dataflow.network}\n{dataflow.quantization}",
            validated,
            "{:.1f}\n{:.1f}, {:.1f}".format(*(100 * value for value in holdout)),
            f"{dataflow.weight_bits:,}",
            f"dataflow {folds}\noffload",
            "\n".join(f"{row.latency_cycles:,} ({row.latency_cycles_predicted:,})" for row in both),
            "\n".join(
                f"{row.initiation_interval:,.0f} ({row.initiation_interval_predicted:,.0f})"
                for row in both
            ),
            "\n".join(
                "[green]yes[/]" if row.exact else f"[red]{row.mismatches} differ[/]" for row in both
            ),
        )
    console.out.print(table)
    console.out.print()
    baseline = look_up("iris_64_32_32", "float")
    notes = {
        "cross-validated": f"accuracy in %, mean and spread of {REPEATS} x {FOLDS} folds over "
        f"{len(SEEDS)} seeds, from the committed results"
        + (f"; in float {100 * baseline.mean:.1f} ± {100 * baseline.std:.1f}" if baseline else ""),
        "accuracy, precision, recall": "in %, on the flowers held out; trained on "
        f"{rows[0].trained_on}",
        "overlay": "dataflow with PE x SIMD of each layer; offload is one engine for all",
        "latency, interval": "cycles measured in the RTL (and predicted): of the core on dataflow; "
        "on offload of a call with one flower, and of one with 150 by 150",
        "exact": "RTL = integer network = QONNX = torch, for every flower",
        "files": str(folder),
    }
    for what, note in notes.items():
        console.out.print(f"{what}: {note}", highlight=False, markup=False)


demo_command = console.command(demo)
