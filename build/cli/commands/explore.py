"""`bitfold explore`: what a network can cost and reach, before any overlay is made."""

from __future__ import annotations

import json
from importlib.util import find_spec
from math import inf
from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.build.cli.commands.compile import board_options
from bitfold.models.errors import ToolError
from bitfold.models.files import whole_file
from bitfold.overlays.boards.system import BOARDS


@click.argument("network", type=click.Path(path_type=Path))
@click.option("--max-luts", type=click.IntRange(min=1), help="Only what takes so many at most.")
@click.option(
    "--min-fps",
    type=console.NUMBER,
    help="Only what does so many frames a second.",
)
@click.option(
    "--clock",
    "clock_mhz",
    type=console.NUMBER,
    default=100.0,
    show_default=True,
    help="Clock in MHz.",
)
@click.option(
    "--levels",
    type=click.IntRange(min=1),
    help="LUTs between two registers of an unrolled layer, at most; fewer where --clock asks.",
)
@click.option(
    "--picture",
    type=console.OUTPUT_FILE,
    help="Draw it all to this file: .svg, .png or .pdf.",
)
@click.option(
    "--output",
    "-o",
    type=console.OUTPUT_FILE,
    help="Write the folding of the smallest one here, for `bitfold compile --folding` with the "
    "same --clock.",
)
@board_options
def explore(network, max_luts, min_fps, clock_mhz, levels, picture, output, board, force) -> dict:
    """Search the foldings of NETWORK for those that no other beats.

    NETWORK is a QONNX file, or a dataflow bundle. Shown are those that no other beats in all of
    LUTs, latency and frames a second. Cycles are exact. LUTs are of the core, without its shell,
    and estimated, with the error that is stated below the table: `bitfold synth` counts them. "u3"
    is an unrolled layer of 3 cycles.

    \b
    bitfold explore iris.onnx --max-luts 20000 --min-fps 1e6
    bitfold explore iris.onnx --picture iris.svg -o smallest.json
    bitfold compile iris.onnx --folding smallest.json
    """
    if picture and picture.suffix not in {".svg", ".png", ".pdf"}:
        raise click.UsageError(f"--picture {picture}: name a file that ends in .svg, .png or .pdf")
    if picture and find_spec("matplotlib") is None:
        raise ToolError("--picture needs matplotlib; pip install 'bitfold[synthesis]'")
    with console.steps(network.name) as say:
        say("loading FINN's passes")
        from bitfold.build.compile import folding
        from bitfold.build.inspect.explore import explore as search
        from bitfold.build.workflows.networks import find_network
        from bitfold.overlays.dataflow.cost import calibration

        found = find_network(network, say)
        result = search(
            found,
            levels or folding.LEVELS_A_CYCLE,
            clock_mhz,
            BOARDS[board].chip,
            force,
            lambda done, of: say(f"folding {done} of {of}"),
        )
        kept = result.within(max_luts or inf, min_fps or 0)
    fitted, clock = calibration().luts, calibration().clock
    description = {
        "network": found.name,
        "clock_mhz": clock_mhz,
        "tried": len(result.candidates),
        "front": [_describe(c, c in kept) for c in result.front],
        "luts_error_median": fitted.median_error,
        "luts_error_worst": fitted.worst_error,
        "calibrated_on": {"cores": fitted.designs, "tools": fitted.tools},
        "clock_error_median": clock.median_error,
        "clock_error_worst": clock.worst_error,
        "clock_calibrated_on": {"designs": clock.designs, "tools": clock.tools},
    }
    _show(description)
    if output:
        with whole_file(output) as partial:
            partial.write_text(json.dumps(_folding(kept[0]), indent=1) + "\n")
        console.out.print(f"folding of the smallest: {output}")
    if picture:
        from bitfold.build.inspect.picture import draw

        note = _note(description)
        with whole_file(picture) as partial:
            draw(
                result,
                kept,
                partial,
                title=found.name,
                note=note,
                clock_mhz=clock_mhz,
                max_luts=max_luts,
                min_fps=min_fps,
            )
        console.out.print(f"picture: {picture}")
    return description


def _describe(candidate, kept: bool) -> dict:
    return {
        "luts_estimated": candidate.luts,
        "dsps_estimated": candidate.dsps,
        "latency_cycles_predicted": candidate.latency_cycles,
        "initiation_interval_predicted": candidate.initiation_interval,
        "mhz_estimated": candidate.clock.mhz,
        "limited_by": candidate.clock.limited_by,
        "reached_mhz": candidate.clock_mhz,
        "frames_per_second_predicted": candidate.frames_per_second,
        "within_limits": kept,
        "folding": _folding(candidate),
    }


def _folding(candidate) -> dict:
    """As a folding file."""
    return {
        name: {"PE": fold.pe, "SIMD": fold.simd}
        | ({"unrolled": fold.unrolled} if fold.unrolled else {})
        for name, fold in candidate.folding.items()
    }


def _show(description: dict) -> None:
    table = console.table(
        *map(console.numbers, ("LUTs", "DSPs", "latency", "interval", "MHz", "frames/s")),
        "limited by",
        "PE x SIMD",
    )
    for point in description["front"]:
        if not point["within_limits"]:
            continue
        folds = (
            f"u{fold['unrolled']}" if "unrolled" in fold else f"{fold['PE']}x{fold['SIMD']}"
            for fold in point["folding"].values()
        )
        table.add_row(
            f"{point['luts_estimated']:,}",
            f"{point['dsps_estimated']:,}",
            f"{point['latency_cycles_predicted']:,}",
            f"{point['initiation_interval_predicted']:,}",
            f"{point['reached_mhz']:.0f}",
            f"{point['frames_per_second_predicted']:,.0f}",
            point["limited_by"],
            " ".join(folds),
        )
    kept = sum(point["within_limits"] for point in description["front"])
    console.out.print(
        console.styled(
            (description["network"], "bold"),
            f" · {description['tried']} foldings tried, {len(description['front'])} on the front, "
            f"{kept} within the limits, at {description['clock_mhz']:g} MHz",
        )
    )
    console.out.print(table)
    console.out.print(_note(description))


def _note(description: dict) -> str:
    fitted, clock = description["calibrated_on"], description["clock_calibrated_on"]
    return (
        f"LUTs: estimated, off by {description['luts_error_median']:.0%} in the median and "
        f"{description['luts_error_worst']:.0%} at worst, on {fitted['cores']} cores\n"
        f"MHz: estimated for ECP5, off by {description['clock_error_median']:.0%} in the median "
        f"and {description['clock_error_worst']:.0%} at worst, on {clock['designs']} designs"
    )


explore_command = console.command(explore)
