"""`bitfold finn`: FINN's estimate beside ours, and a folder to build FINN's own bitstream in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.build.cli.commands.compile import fold, folding_options, input_options, read

BOARDS = ("Pynq-Z1", "Pynq-Z2")


@click.argument("qonnx", type=click.Path(dir_okay=False, path_type=Path))
@folding_options
@input_options
def estimate(qonnx, input_encoding, input_scale, name, clock_mhz, **target) -> dict:
    """Show FINN's estimates for the network in QONNX beside ours, layer by layer.

    FINN's own code runs in process, without Vivado, on the same integers and with the same PE and
    SIMD; and once more with the folding that FINN chooses for as many cycles a frame.

    \b
    bitfold finn estimate iris.onnx
    bitfold finn estimate iris.onnx --cycles 16
    """
    with console.steps(f"estimating {qonnx.name}") as say:
        network = read(qonnx, input_encoding, input_scale, name, say)
        chosen = fold(network, clock_mhz=clock_mhz, **target)
        say("FINN's hardware layers")
        from bitfold.build.implement.finn.estimate import estimate as estimate_both

        made = estimate_both(network, chosen)
    result = _document(network.name, made, clock_mhz)
    _show(result)
    return result


def _document(name: str, made, clock_mhz: float) -> dict:
    def finn(estimate) -> dict:
        return {
            "layers": {name: asdict(layer) for name, layer in estimate.layers.items()},
            "luts": estimate.total("luts"),
            "brams": estimate.total("brams"),
            "dsps": estimate.total("dsps"),
            "interval_cycles": estimate.interval_cycles,
            "latency_cycles": estimate.latency_cycles,
            "warnings": list(estimate.warnings),
        }

    def overlay(overlay) -> dict:
        return {
            "initiation_interval_predicted": overlay.initiation_interval,
            "latency_cycles_predicted": overlay.latency_cycles,
        }

    return {
        "network": name,
        "clock_mhz": clock_mhz,
        "bitfold": {
            "layers": {
                stage.name: {
                    "fold": asdict(stage.fold),
                    "cycles_predicted": stage.cycles,
                    "luts_estimated": made.luts[stage.name],
                }
                for stage in made.overlay.stages
            },
            **overlay(made.overlay),
            "luts_estimated": sum(made.luts.values()),
        },
        "finn": finn(made.finn),
        "finn_own_folding": {**finn(made.own), "bitfold": overlay(made.own_overlay)},
    }


def _show(result: dict) -> None:
    ours, theirs, own = result["bitfold"], result["finn"], result["finn_own_folding"]
    table = console.table(
        "layer",
        console.numbers("PE x\nSIMD"),
        console.numbers("cycles\nours"),
        console.numbers("\nFINN"),
        console.numbers("LUTs\nours"),
        console.numbers("\nFINN"),
        console.numbers("BRAM18\nFINN"),
        console.numbers("DSP\nFINN"),
        console.numbers("FINN's own\nPE x SIMD"),
        console.numbers("\ncycles"),
        title=f"{result['network']}: ours and FINN's with the same folding, and FINN's own",
    )
    for name, finn in theirs["layers"].items():
        layer, chosen = ours["layers"].get(name), own["layers"][name]
        table.add_row(
            name,
            _factors((layer or finn)["fold"]),
            f"{layer['cycles_predicted']:,}" if layer else "-",
            f"{finn['cycles']:,}",
            f"{layer['luts_estimated']:,}" if layer else "-",
            *(f"{finn[what]:,}" for what in ("luts", "brams", "dsps")),
            _factors(chosen["fold"]),
            f"{chosen['cycles']:,}",
        )
    table.add_row(
        "in all",
        "",
        f"{ours['initiation_interval_predicted']:,}",
        f"{theirs['interval_cycles']:,}",
        f"{ours['luts_estimated']:,}",
        *(f"{theirs[what]:,}" for what in ("luts", "brams", "dsps")),
        "",
        f"{own['interval_cycles']:,}",
    )
    console.out.print(table)
    console.out.print(
        f"latency in cycles: ours {ours['latency_cycles_predicted']:,}, FINN's "
        f"{theirs['latency_cycles']:,} (the sum of its layers); at {result['clock_mhz']:g} MHz "
        f"{_fps(result, ours['initiation_interval_predicted'])} and "
        f"{_fps(result, theirs['interval_cycles'])} frames a second"
    )
    console.out.print(
        f"FINN's own folding: {own['luts']:,} LUTs, {own['brams']:,} BRAM18, {own['dsps']:,} DSPs"
    )
    for warning in dict.fromkeys([*theirs["warnings"], *own["warnings"]]):
        console.out.print(f"FINN says: {warning}", highlight=False)
    console.out.print(
        "cycles: ours are those of the RTL, counted in simulation too; FINN's are its formula for "
        "each layer alone"
    )
    console.out.print(
        "LUTs: both are estimates; ours hold the weights and the buffers between layers, FINN's "
        "leave its FIFOs, width converters and DMA out and may put weights into BRAM"
    )


def _factors(fold: dict) -> str:
    return f"{fold['pe']}x{fold['simd']}"


def _fps(result: dict, cycles: int) -> str:
    return f"{result['clock_mhz'] * 1e6 / cycles:,.0f}"


@click.argument("qonnx", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--output",
    "-o",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write.",
)
@click.option(
    "--board",
    type=click.Choice(BOARDS),
    default=BOARDS[0],
    show_default=True,
    help="The board, by FINN's name for it.",
)
@folding_options
@input_options
def script(qonnx, folder, board, input_encoding, input_scale, name, clock_mhz, **target) -> dict:
    """Write a folder to build FINN's own bitstream in, for the network in QONNX.

    It is for a machine with Vivado and FINN; the README.md in it says how to run it and what has
    not been run.

    \b
    bitfold finn script iris.onnx -o iris-finn
    """
    with console.steps(f"writing {folder.name}") as say:
        network = read(qonnx, input_encoding, input_scale, name, say)
        chosen = fold(network, clock_mhz=clock_mhz, **target)
        say("FINN's hardware layers")
        from bitfold.build.implement.finn.script import write_build_folder

        write_build_folder(network, chosen, folder, board, clock_mhz)
    console.out.print(f"{network.name}: {folder / 'build.py'} for {board} at {clock_mhz:g} MHz")
    console.out.print("not run here: it needs Vivado. README.md in the folder says how to run it")
    return {
        "network": network.name,
        "folder": str(folder),
        "board": board,
        "clock_mhz": clock_mhz,
        "folding": {name: [fold.pe, fold.simd] for name, fold in chosen.items()},
    }


@click.group(cls=console.Group)
def finn() -> None:
    """Compare with FINN: its estimates and its build."""


finn.add_command(console.command(estimate))
finn.add_command(console.command(script))
finn_command = finn
