"""`bitfold demo`: all of it, from training to answers on the RTL, as one table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.box import SIMPLE
from rich.table import Table

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
@click.option("--cycles", type=int, help="Fold for at most so many cycles a frame (default 64).")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where checkpoints, QONNX files and bundles stay; default ~/.cache/bitfold/demo.",
)
def demo(only, cycles, folder) -> dict:
    """Train, export, compile and run iris networks, and print what came out.

    What an earlier run left in the folder is used again.
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

            say("starting")
            rows.append(run_network(topology, quantization, folder, cycles, say=say))
            bars.advance(task)
    _show(rows, folder)
    return {"rows": [asdict(row) for row in rows], "failed": not all(row.exact for row in rows)}


def _show(rows, folder: Path) -> None:
    from bitfold.models.cross_validation import FOLDS, REPEATS, SEEDS, look_up

    table = Table(title="iris on dataflow overlays, all 150 flowers through the RTL", box=SIMPLE)
    table.add_column("network", no_wrap=True)
    for title in (
        "cross-\nvalidated",
        "holdout\naccuracy",
        "\nprecision",
        "\nrecall",
        "weight\nbits",
        "\nPE x SIMD",
        "latency\n(predicted)",
        "interval\n(predicted)",
        "exact",
    ):
        table.add_column(title, justify="right", no_wrap="\nPE" not in title)
    for row in rows:
        validated = (
            "not run"
            if row.cv_accuracy_mean is None
            else f"{row.cv_accuracy_mean:.1%} ± {row.cv_accuracy_std:.1%}"
        )
        table.add_row(
            f"{row.quantization}\n[dim]{row.network}[/]",
            validated,
            f"{row.holdout_accuracy:.1%}",
            f"{row.holdout_precision:.1%}",
            f"{row.holdout_recall:.1%}",
            f"{row.weight_bits:,}",
            " ".join(f"{pe}x{simd}" for pe, simd in row.folding.values()),
            f"{row.latency_cycles} ({row.latency_cycles_predicted})",
            f"{row.initiation_interval:g} ({row.initiation_interval_predicted})",
            "[green]yes[/]" if row.exact else f"[red]{row.mismatches} differ[/]",
        )
    console.out.print(table)
    baseline = look_up("iris_64_32_32", "float")
    console.out.print(
        f"cross-validated: mean and spread of {REPEATS} x {FOLDS} folds over {len(SEEDS)} seeds, "
        "from the committed results"
        + (f" (float reference {baseline.mean:.1%} ± {baseline.std:.1%})" if baseline else "")
    )
    console.out.print(f"trained once, on {rows[0].trained_on}; holdout: the others")
    console.out.print("latency and interval in cycles of the core, measured in the RTL")
    console.out.print(f"checkpoints, QONNX files and bundles: {folder}")


demo_command = console.command(demo)
