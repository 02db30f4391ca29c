"""`bitfold inspect`: shows what a bundle holds, and how a network runs on an engine."""

from __future__ import annotations

from pathlib import Path

import click

from bitfold.build.cli import console


@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--network",
    type=click.Path(path_type=Path),
    help="On an offload overlay: the program of this network (a QONNX file or a dataflow bundle).",
)
@click.option(
    "--frames",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    help="Frames of the call that the program's schedule is shown for.",
)
def inspect(bundle, network, frames) -> dict:
    """Show the layers, folding and figures of BUNDLE.

    BUNDLE is a folder or zip that `bitfold compile` or `bitfold overlay` made. An offload overlay
    also shows the program and schedule of a network.

    \b
    bitfold inspect iris.bundle
    bitfold inspect offload-64x64.bundle --network iris.onnx --frames 64
    """
    from bitfold.build.inspect.describe import (
        describe_dataflow,
        describe_engine,
        describe_host,
        describe_steps,
    )
    from bitfold.build.workflows.networks import find_network
    from bitfold.overlays.bundle import Bundle, DataflowBundle

    loaded = Bundle.load(bundle)
    if isinstance(loaded, DataflowBundle):
        if network:
            raise click.UsageError("--network goes with an offload overlay; this one has its own")
        description = describe_dataflow(loaded)
        show(description)
        return description
    description = describe_engine(loaded)
    show_engine(description)
    if network:
        found = find_network(network)
        description["steps"] = describe_steps(loaded, found, frames)
        description["host"] = describe_host(found)
        _show_host(description["host"])
        for step in description["steps"]:
            _show_step(step)
    return description


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
        console.styled(
            (description["name"], "bold"),
            f" · {description['overlay']} overlay · {taken['elements']} {taken['encoding']} in, "
            f"{given['elements']} {given['encoding']} out",
        )
    )
    console.out.print(table)
    _show_host(description["host"])
    console.out.print(
        f"latency {description['latency_cycles_predicted']} cycles; initiation interval "
        f"{description['initiation_interval_predicted']}, set by {description['bottleneck']}"
    )
    speed = f"{description['frames_per_second_predicted']:,.0f} frames a second"
    console.out.print(f"{speed} at {_clock(description)}", soft_wrap=True)
    console.out.print(
        f"{description['weight_bits']:,} weight bits; core about {description['luts_estimated']:,} "
        "LUTs (estimated, not synthesised)"
    )
    console.out.print(f"build {description['build_id']}, network {description['network_id']}")


def _clock(description: dict) -> str:
    """The clock that is reached, and what limits it."""
    reached, asked = description["reached_mhz"], description["clock_mhz"]
    about = f"about {description['mhz_estimated']:.0f} (estimated, for ECP5)"
    limit = f"{description['limited_by']} allows {about}"
    if reached < asked:
        return f"{reached:.0f} MHz; {asked:g} were asked for, but {limit}"
    return f"{reached:g} MHz; {limit}"


def _show_host(host: dict[str, list[str]]) -> None:
    places = (("in_front", "in front"), ("behind", "behind"))
    said = [f"{', '.join(host[key])} {where}" for key, where in places if host[key]]
    if said:
        console.out.print(f"on the host: {'; '.join(said)}", highlight=False, soft_wrap=True)


def show_engine(description: dict) -> None:
    """Prints what `describe_engine` gave."""
    engine = description["engine"]
    console.out.print(
        console.styled(
            (description["name"], "bold"),
            f" · {engine['rows'] * engine['lanes']:,} one-bit products a cycle at "
            f"{_clock(description)}",
        )
    )
    console.out.print(
        f"{engine['input_words']:,} words of {engine['lanes']} bits for inputs and outputs, "
        f"2 x {engine['weight_words']} words a row for weights, programs of up to "
        f"{engine['layers']} layers{', a softmax' if engine['softmax'] else ''}"
    )
    console.out.print(f"build {description['build_id']}")


def _show_step(step: dict) -> None:
    if "host" in step:
        console.out.print(f"\non the host: {step['host']} ({step['kind']})")
        return
    console.out.print(
        f"\nprogram of {step['program_bytes']:,} bytes, up to {step['frames_a_call']} frames a call"
    )
    program = console.table(
        "layer", console.numbers("rows x columns"), "weights x input", "head", "input", "output"
    )
    schedule = console.table(
        "layer",
        *map(console.numbers, ("load", "compute", "drain", "from", "to")),
        "slowest",
        title=f"cycles of a call with {step['frames']} frame{'s' * (step['frames'] > 1)}",
    )
    for layer in step["layers"]:
        fields, when = layer["descriptor"], layer["schedule"]
        place = fields["origin"] if fields["origin"] != "chip" else f"chip {fields['input_base']}"
        program.add_row(
            layer["name"],
            f"{fields['rows']} x {fields['columns']}",
            f"{_factor(fields, 'weight')} x {_factor(fields, 'input')} bits",
            f"{fields['head']} {fields['output_planes']}",
            place,
            "memory" if fields["to_memory"] else f"chip {fields['output_base']}",
        )
        schedule.add_row(
            layer["name"],
            *(f"{when[key]:,}" for key in ("load_cycles", "compute_cycles", "drain_cycles")),
            *(f"{when[key]:,}" for key in ("begins", "ends")),
            when["slowest"],
        )
    console.out.print(program)
    console.out.print()
    console.out.print(schedule)
    console.out.print(
        f"in all {step['cycles_predicted']:,} cycles, "
        f"{step['utilization_predicted']:.1%} of the array's products of use"
    )


def _factor(fields: dict, which: str) -> str:
    sign = "±" if fields[f"{which}_bipolar"] else "s" if fields[f"{which}_signed"] else "u"
    return f"{sign}{fields[f'{which}_planes']}"


inspect_command = console.command(inspect)
