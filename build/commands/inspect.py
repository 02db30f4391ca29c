"""`bitfold inspect`: shows what a bundle holds."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from bitfold.build import console


@click.argument("bundle", type=click.Path(path_type=Path))
def inspect(bundle) -> dict:
    """Show the layers, folding and figures of BUNDLE, a folder or zip from `bitfold compile`."""
    from bitfold.overlays.bundle import Bundle

    description = describe(Bundle.load(bundle))
    show(description)
    return description


def describe(bundle) -> dict:
    """All that can be said of a bundle without running it."""
    from bitfold.build.dataflow import plan
    from bitfold.build.resources import estimate_luts
    from bitfold.models.network import Dense

    overlay = plan(bundle.network, bundle.folding)
    weights = {n.name: n.weight for n in bundle.network.nodes if isinstance(n, Dense)}
    stages = [
        {
            "name": stage.name,
            "kind": type(stage).__name__.removesuffix("Stage").lower(),
            "in": stage.elements_in,
            "out": stage.elements_out,
            "input_encoding": stage.input.name,
            "output_encoding": stage.output.name,
            "weight_encoding": stage.weight.name if stage.name in weights else None,
            "weights": weights.get(stage.name),
            "pe": stage.fold.pe if link else None,
            "simd": stage.fold.simd if stage.name in weights else None,
            "cycles": stage.cycles,
        }
        for stage, link in zip(overlay.stages, overlay.links)
    ]
    return {
        "name": bundle.name,
        "overlay": bundle.kind,
        "network_id": bundle.network.id,
        "build_id": bundle.build_id,
        "input": {"elements": bundle.input.elements, "encoding": bundle.input.encoding.name},
        "output": {"elements": bundle.output.elements, "encoding": bundle.output.encoding.name},
        "labels": list(bundle.network.labels),
        "weight_bits": bundle.network.weight_bits,
        "stages": stages,
        "bottleneck": overlay.bottleneck,
        "latency_cycles_predicted": bundle.latency_cycles,
        "initiation_interval_predicted": bundle.initiation_interval,
        "clock_mhz": bundle.clock_mhz,
        "frames_per_second_predicted": bundle.clock_mhz * 1e6 / bundle.initiation_interval,
        "luts_estimated": estimate_luts(overlay),
    }


def show(description: dict) -> None:
    """Prints what `describe` gave."""
    table = console.table(
        "layer",
        "kind",
        *(console.numbers(heading) for heading in ("in", "out")),
        "weights",
        "output",
        *(console.numbers(heading) for heading in ("PE", "SIMD", "cycles")),
    )
    for stage in description["stages"]:
        table.add_row(
            stage["name"],
            stage["kind"],
            str(stage["in"]),
            str(stage["out"]),
            stage["weight_encoding"] or "",
            stage["output_encoding"],
            str(stage["pe"] or ""),
            str(stage["simd"] or ""),
            str(stage["cycles"]),
        )
    taken, given = description["input"], description["output"]
    console.out.print(
        f"[bold]{escape(description['name'])}[/] · {description['overlay']} overlay · "
        f"{taken['elements']} {taken['encoding']} in, {given['elements']} {given['encoding']} out"
    )
    console.out.print(table)
    console.out.print(
        f"latency {description['latency_cycles_predicted']} cycles; initiation interval "
        f"{description['initiation_interval_predicted']}, set by {description['bottleneck']}"
    )
    console.out.print(
        f"{description['frames_per_second_predicted']:,.0f} frames a second at "
        f"{description['clock_mhz']:g} MHz"
    )
    console.out.print(
        f"{description['weight_bits']:,} weight bits; core about {description['luts_estimated']:,} "
        "LUTs (estimated, not synthesised)"
    )
    console.out.print(f"build {description['build_id']}, network {description['network_id']}")


inspect_command = console.command(inspect)
