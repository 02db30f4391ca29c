"""`bitfold compile`: makes a dataflow overlay from a QONNX file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

from bitfold.build.cli import console
from bitfold.build.compile import folding
from bitfold.build.compile.lowering import foldable, lower
from bitfold.build.compile.passes.head import HEADS
from bitfold.models.errors import FrontendError
from bitfold.models.network import Network
from bitfold.overlays.boards.system import BOARDS
from bitfold.overlays.dataflow.fold import Fold


def folding_options(function: Callable) -> Callable:
    """Adds what says how far to fold; `fold` takes it."""
    return _options(
        click.option(
            "--cycles",
            type=click.IntRange(min=1),
            help="Target: at most so many cycles a frame (default 64).",
        ),
        click.option("--fps", type=console.NUMBER, help="Target: frames a second at --clock."),
        click.option(
            "--luts",
            type=click.IntRange(min=1),
            help="Target: as fast as so many LUTs (estimated) allow.",
        ),
        click.option(
            "--reuse",
            type=click.IntRange(min=1),
            metavar="N",
            help="Target: N products a multiplier and frame, hls4ml's reuse factor.",
        ),
        click.option(
            "--unroll", is_flag=True, help="Every layer as logic: a frame each cycle, no memories."
        ),
        click.option(
            "--levels",
            type=click.IntRange(min=1),
            default=folding.LEVELS_A_CYCLE,
            show_default=True,
            help="LUTs between registers of an unrolled layer, at most; fewer where --clock asks.",
        ),
        click.option(
            "--folding",
            "folding_file",
            type=click.Path(dir_okay=False, path_type=Path),
            help="PE and SIMD from a JSON file: bitfold's own or FINN's folding config.",
        ),
        click.option(
            "--fold",
            "folds",
            multiple=True,
            metavar="LAYER=PE,SIMD",
            help="PE and SIMD of one layer, or LAYER=unrolled; may be repeated.",
        ),
        click.option(
            "--clock",
            "clock_mhz",
            type=console.NUMBER,
            default=100.0,
            show_default=True,
            help="Clock in MHz.",
        ),
    )(function)


def board_options(function: Callable) -> Callable:
    """Adds the board whose chip an overlay has to fit, and what lets it not fit."""
    return _options(
        click.option(
            "--board",
            type=click.Choice(tuple(BOARDS)),
            default="pynq-z2",
            show_default=True,
            help="The board whose chip it has to fit.",
        ),
        click.option("--force", is_flag=True, help="Go on though it does not fit."),
    )(function)


def input_options(function: Callable) -> Callable:
    """Adds what says how to read a QONNX file; `read` takes it."""
    return _options(
        click.option(
            "--input-encoding",
            metavar="NAME",
            help="What the hardware takes where the file does not say: UINT8 for pixels.",
        ),
        click.option(
            "--input-scale",
            type=console.FRACTION,
            metavar="NUMBER",
            help="What one step of --input-encoding is worth: 1/255 for pixels.",
        ),
        click.option("--name", help="Of the network; default the file's."),
    )(function)


def _options(*options: Callable) -> Callable:
    """The options as one decorator, in this order in the help."""

    def add(function: Callable) -> Callable:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def read(qonnx: Path, input_encoding, input_scale, name, say, **options) -> Network:
    """The network in `qonnx`; `options` are those of read_qonnx. A .network is what it is."""
    if qonnx.suffix == ".network":
        return Network.load(qonnx)
    say("loading FINN's passes")
    from bitfold.build.frontend import read_qonnx

    return read_qonnx(
        qonnx,
        input_encoding=input_encoding,
        input_scale=input_scale,
        name=name,
        progress=say,
        **options,
    )


def fold(
    network: Network, cycles, fps, luts, reuse, unroll, levels, folding_file, folds, clock_mhz
) -> dict[str, Fold]:
    """The folding that the options ask for; prints which layers can't have the reuse factor."""
    chosen = folding.choose(
        network,
        cycles=cycles,
        frames_per_second=fps,
        luts=luts,
        reuse=reuse,
        file=folding_file,
        unroll=unroll,
        clock_mhz=clock_mhz,
        levels=levels,
    )
    if reuse is not None:
        for name, size in foldable(network).items():
            taken = size.cycles(chosen[name])
            if taken != reuse:
                legal = ", ".join(map(str, folding.legal_reuse(size)))
                console.out.print(f"{name}: reuse {taken} in place of {reuse}; it can have {legal}")
    return folding.override(network, chosen, folds, levels, clock_mhz)


def check(network: Network, qonnx: Path, samples: np.ndarray) -> None:
    """Raises FrontendError unless `network` gives what `qonnx` gives on all samples."""
    from bitfold.build.frontend import verify_against_source

    comparison = verify_against_source(network, qonnx, samples)
    if not comparison.faithful:
        raise FrontendError(
            f"{qonnx}: the integer network differs from the file on "
            f"{len(comparison.mismatches)} of {len(samples)} samples, first in "
            f"{comparison.layer}; nothing was written. Please report the file"
        )


@click.argument("qonnx", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    help="The bundle; default QONNX with .bundle.",
)
@folding_options
@click.option(
    "--head",
    type=click.Choice(tuple(HEADS)),
    default="scores",
    show_default=True,
    help="What the overlay gives: the last layer's integers; the class, where that is exact; "
    "probabilities in 8 bits, by a range-reduced softmax or by the published one.",
)
@click.option("--argmax", "head", flag_value="argmax", help="The same as --head argmax.")
@input_options
@click.option(
    "--no-check", is_flag=True, help="Skip the comparison with the QONNX file on random samples."
)
@board_options
def compile_qonnx(
    qonnx,
    output,
    head,
    input_encoding,
    input_scale,
    name,
    no_check,
    board,
    force,
    clock_mhz,
    **target,
) -> dict:
    """Make a dataflow overlay for the network in QONNX.

    The bundle that it leaves holds the overlay's RTL, its memory images and the integer network,
    which is compared with the file on random samples first. QONNX may be a .network that `bitfold
    import` made, too: there is nothing to compare it with.

    \b
    bitfold compile iris.onnx
    bitfold compile iris.onnx --cycles 16 --head argmax
    bitfold compile iris.onnx --head softmax
    bitfold compile tfc.onnx --input-encoding UINT8 --input-scale 1/255
    bitfold compile lfc.network --cycles 1024
    """
    output = output or qonnx.with_suffix(".bundle")
    with console.steps(f"compiling {qonnx.name}") as say:
        from bitfold.build.frontend import CHECKED_SAMPLES, random_samples

        checked = 0 if no_check or qonnx.suffix == ".network" else CHECKED_SAMPLES
        options = input_encoding, input_scale, name
        network = read(qonnx, *options, say, checked_samples=checked)
        from bitfold.build.compile.compiler import bundle_design

        samples = random_samples(network, 100)
        network = HEADS[head](network)
        changed = network.changed_classes(network.quantize(samples))
        design = lower(network, fold(network, clock_mhz=clock_mhz, **target), clock_mhz)
        chip = BOARDS[board].chip
        if not force:
            from bitfold.build.compile.fitting import check_fit

            check_fit(network, design, chip, clock_mhz)
        say("writing the overlay")
        bundle = bundle_design(network, design, output, clock_mhz)
    from bitfold.build.cli.commands.inspect import show
    from bitfold.build.inspect.describe import describe_dataflow

    description = describe_dataflow(bundle) | {"board": board}
    show(description)
    taken = design.resources(chip)
    description["overlay_estimated"] = {
        "luts": taken.luts,
        "block_rams": taken.block_rams,
        "dsps": taken.dsps,
    }
    console.out.print(
        f"with its shell about {taken.luts:,} of {chip.has.luts:,} LUTs, {taken.block_rams:g} of "
        f"{chip.has.ramb36} block RAMs and {taken.dsps} of {chip.has.dsps} DSPs of a {chip.name}",
        highlight=False,
    )
    if changed:
        console.out.print(console.styled(("warning", "yellow"), f": on random samples, {changed}"))
    if checked:
        rounded = network.info.get("rounded")
        but = f", but for {rounded}, which the file rounds otherwise" if rounded else ""
        console.out.print(f"equal to {qonnx.name} on {checked} random samples, every layer{but}")
    console.out.print(f"bundle: {output}")
    return {**description, "bundle": str(output), "checked_samples": checked}


compile_command = console.command(compile_qonnx)
compile_command.name = "compile"
