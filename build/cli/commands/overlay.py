"""`bitfold overlay offload`: makes an engine that runs any network."""

from __future__ import annotations

from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.overlays.offload import LEGAL_SIZES, Engine


def _size(name: str, text: str):
    """An option for one of the engine's sizes."""
    return click.option(
        f"--{name.replace('_', '-')}",
        name,
        type=click.IntRange(min=1),
        default=getattr(Engine, name),
        show_default=True,
        help=f"{text}; {LEGAL_SIZES[name][0]} to {LEGAL_SIZES[name][-1]}.",
    )


@_size("rows", "Rows of one-bit products a cycle")
@_size("lanes", "Products a row and cycle")
@_size("input_words", "Words of LANES bits on chip for inputs and outputs")
@_size("weight_words", "Words a row for a block's weights")
@_size("layers", "Layers of the longest program")
@click.option(
    "--softmax/--no-softmax",
    default=Engine.softmax,
    show_default=True,
    help="A softmax on chip, or left to the host.",
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
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    help="The bundle; default offload-ROWSxLANES.bundle.",
)
def offload(rows, lanes, input_words, weight_words, layers, softmax, clock_mhz, output) -> dict:
    """Make an offload overlay: one engine for every network up to its limits.

    \b
    bitfold overlay offload
    bitfold overlay offload --rows 32 --lanes 128 -o large.bundle
    """
    from bitfold.build.cli.commands.inspect import show_engine
    from bitfold.build.compile.compiler import make_engine
    from bitfold.build.inspect.describe import describe_engine

    engine = Engine(rows, lanes, input_words, weight_words, layers, softmax)
    output = output or Path(f"offload-{rows}x{lanes}.bundle")
    bundle = make_engine(engine, output, clock_mhz)
    description = describe_engine(bundle)
    show_engine(description)
    console.out.print(f"bundle: {output}")
    return {**description, "bundle": str(output)}


@click.group(cls=console.Group)
def overlay() -> None:
    """Make an overlay that is not for one network."""


overlay.add_command(console.command(offload))
overlay_command = overlay
