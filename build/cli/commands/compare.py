"""`bitfold compare`: the same networks on both overlays, side by side."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.build.cli.commands.demo import FOLDER
from bitfold.models.cache import default_cache


@click.argument("dataset", type=click.Choice(["iris"]))
@click.option(
    "--network",
    "-n",
    "only",
    multiple=True,
    metavar="NAME",
    help="Only this network, such as iris_64_32_32-W1A1; may be repeated.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER,
    show_default=True,
    help="Where the demo keeps its networks.",
)
def compare(dataset, only, folder) -> dict:
    """Run the demo's networks on both overlays, and compare.

    Beside cycles a flower it measures what changing the network costs: on a dataflow overlay making
    the hardware again (here its RTL and simulation; for a board, hours of Vivado), on an offload
    overlay writing a program to memory and loading its weights.
    """
    from bitfold.build.cli.commands.demo import run_networks

    rows = run_networks(only or flowers(), None, folder)
    result = []
    with console.progress() as bars:
        task = bars.add_task("changing networks", total=len(rows) // 2)
        for dataflow, offload in zip(rows[::2], rows[1::2]):
            name = f"{dataflow.network}-{dataflow.quantization}"
            bars.update(task, description=f"{name}: changing the network")
            result.append(_compare(name, dataflow, offload))
            bars.advance(task)
    _show(result)
    return {"rows": result, "failed": not all(row.exact for row in rows)}


def flowers() -> list[str]:
    """The demo's networks of flowers, by name."""
    from bitfold.build.workflows.demo import NETWORKS
    from bitfold.models.zoo import topology

    return [
        f"{name}-{quantization}"
        for name, quantization in NETWORKS
        if topology(name).dataset == "iris"
    ]


def _compare(name: str, dataflow, offload) -> dict:
    from bitfold.overlays.bundle import Bundle

    network = Bundle.load(dataflow.bundle).network
    image_bytes, load_cycles, write_seconds = _reload(network, Bundle.load(offload.bundle))
    clock_mhz = Bundle.load(offload.bundle).reached_mhz
    return {
        "network": name,
        "accuracy": dataflow.accuracy,
        "exact": dataflow.exact and offload.exact,
        "dataflow_cycles_batch_1": dataflow.one_cycles,
        "offload_cycles_batch_1": offload.one_cycles,
        "dataflow_cycles_a_flower_batch_150": dataflow.call_cycles / dataflow.samples,
        "offload_cycles_a_flower_batch_150": offload.call_cycles / offload.samples,
        "dataflow_rebuild_seconds": _rebuild(network, dataflow.folding),
        "offload_program_bytes": image_bytes,
        "offload_program_load_us": load_cycles / clock_mhz,
        "offload_assemble_seconds": write_seconds,
    }


def _rebuild(network, folding) -> float:
    """Seconds from a network to its simulated dataflow overlay, with nothing cached but tools."""
    from bitfold.build.compile.compiler import compile_dataflow
    from bitfold.overlays.dataflow.fold import Fold
    from bitfold.runtime.verilator import build_library

    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch) / "cache"
        shutil.copytree(default_cache() / "runtime", cache / "runtime")
        begin = time.perf_counter()
        folds = {layer: Fold(*factors) for layer, factors in folding.items()}
        bundle = compile_dataflow(network, folds, Path(scratch) / "bundle")
        build_library(bundle.rtl, cache)
        return time.perf_counter() - begin


def _reload(network, bundle) -> tuple[int, int, float]:
    """Bytes of the network's programs, the cycles in which the engine loads them (a beat each),
    and the seconds in which the host assembles them."""
    from bitfold.runtime.offload.steps import EngineStep, split

    begin = time.perf_counter()
    steps = split(bundle.engine, network)
    seconds = time.perf_counter() - begin
    images = [step.program.image for step in steps if isinstance(step, EngineStep)]
    return sum(image.nbytes for image in images), sum(len(image) for image in images), seconds


def _show(rows: list[dict]) -> None:
    table = console.table(
        "network,\naccuracy",
        "\noverlay",
        console.numbers("cycles,\nbatch of 1"),
        console.numbers("a flower,\nbatch of 150"),
        console.numbers("another\nnetwork"),
        "\nexact",
        title="the same networks on both overlays",
    )
    for row in rows:
        table.add_row(
            f"{row['network']}\n  {row['accuracy']:.1%}",
            "dataflow\noffload",
            f"{row['dataflow_cycles_batch_1']:,}\n{row['offload_cycles_batch_1']:,}",
            f"{row['dataflow_cycles_a_flower_batch_150']:,.1f}\n"
            f"{row['offload_cycles_a_flower_batch_150']:,.1f}",
            f"{row['dataflow_rebuild_seconds']:.1f} s\n{row['offload_program_load_us']:.1f} µs",
            console.styled(("yes", "green") if row["exact"] else ("no", "red")),
        )
    console.out.print(table)
    console.out.print()
    for note in (
        "cycles: of the whole call through shell and memory, measured in the RTL",
        "accuracy: on all 150 flowers, 120 of which the network was trained on",
        "another network: on dataflow its RTL and simulation are made on this machine (a board "
        "needs Vivado as well); on offload its program is loaded, a beat a cycle at the clock",
    ):
        console.out.print(note, highlight=False)


compare_command = console.command(compare)
