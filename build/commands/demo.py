"""`bitfold demo`: all of it, from training to answers on the RTL, as one table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bitfold.build import console
from bitfold.overlays.bundle import default_cache


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
    """Train, export, compile and run iris networks, and print what came out.

    Each network is trained once, lowered to integers, made into a dataflow overlay, and run: all
    150 flowers go through its RTL. Trained networks and built simulations of an earlier run are
    used again.
    """
    from bitfold.build.demo import NETWORKS, run_network

    names = {
        f"{topology}-{quantization}": (topology, quantization)
        for topology, quantization in NETWORKS
    }
    unknown = [name for name in only if name not in names]
    if unknown:
        raise click.UsageError(f"no network {unknown[0]!r} in the demo; it has {', '.join(names)}")
    chosen = [names[name] for name in only or names]
    folder = folder or default_cache() / "demo"
    rows = []
    with console.progress() as bars:
        task = bars.add_task("", total=len(chosen))
        for topology, quantization in chosen:
            name = f"{topology}-{quantization}"

            def say(step: str, name=name) -> None:
                bars.update(task, description=f"{name}: {step}")

            say("starting")  # the first loads torch and FINN
            rows.append(run_network(topology, quantization, folder, cycles, say=say))
            bars.advance(task)
    _show(rows, folder)
    return {"rows": [asdict(row) for row in rows], "failed": not all(row.exact for row in rows)}


def _show(rows, folder: Path) -> None:
    from bitfold.models.cross_validation import FOLDS, REPEATS, SEEDS, look_up

    table = console.table(
        "network,\nquantization",
        "cross-\nvalidated",
        "accuracy,\nprec., rec.",
        "weight bits,\nPE x SIMD",
        "latency,\ninterval",
        "exact",
        title="iris on dataflow overlays: all 150 flowers through the RTL",
    )
    for row in rows:
        validated = (
            "not run"
            if row.cv_accuracy_mean is None
            else f"{100 * row.cv_accuracy_mean:.1f} ± {100 * row.cv_accuracy_std:.1f}"
        )
        holdout = [
            100 * v for v in (row.holdout_accuracy, row.holdout_precision, row.holdout_recall)
        ]
        folds = " ".join(f"{pe}x{simd}" for pe, simd in row.folding.values())
        table.add_row(
            f"{row.network}\n{row.quantization}",
            validated,
            "{:.1f}\n{:.1f}, {:.1f}".format(*holdout),
            f"{row.weight_bits:,}\n{folds}",
            f"{row.latency_cycles} ({row.latency_cycles_predicted})\n"
            f"{row.initiation_interval:g} ({row.initiation_interval_predicted})",
            "[green]yes[/]" if row.exact else f"[red]{row.mismatches} differ[/]",
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
        "latency, interval": "cycles of the core, measured in the RTL (and as predicted)",
        "exact": "RTL = integer network = QONNX = torch, for every flower",
        "files": str(folder),
    }
    for what, note in notes.items():
        console.out.print(f"{what}: {note}", highlight=False, markup=False)


demo_command = console.command(demo)
