"""`bitfold synth`: what an overlay takes of a Zynq, without the vendor's tools."""

from __future__ import annotations

import re
import shutil
from dataclasses import asdict
from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.build.cli.commands.compile import board_options
from bitfold.models.files import whole_file
from bitfold.overlays.boards.system import BOARDS


@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--core", "core_only", is_flag=True, help="Only the core, without its shell.")
@click.option("--no-timing", is_flag=True, help="Skip placing and routing, which takes longest.")
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    metavar="N",
    help="Place and route N times, each in another way, and report the worst.",
)
@click.option("--no-dsp", is_flag=True, help="Multiply in LUTs.")
@click.option(
    "--netlist",
    type=console.OUTPUT_FILE,
    help="Also write the netlist, in Verilog, to this file.",
)
@click.option(
    "--verify",
    "verified",
    type=click.IntRange(1, 10_000_000),
    metavar="N",
    help="Simulate the netlist, on N random inputs or all there are, and compare every output.",
)
@click.option(
    "--yosys",
    "yosys_program",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A native Yosys to use instead of the packaged one.",
)
@board_options
@console.trust_rtl_option
def synth(
    bundle,
    core_only,
    no_timing,
    seeds,
    no_dsp,
    netlist,
    verified,
    yosys_program,
    board,
    force,
    trust_rtl,
) -> dict:
    """Synthesise BUNDLE with Yosys, for the chip of the board.

    Shows LUTs, flip-flops, block RAM, DSPs and carry chains of each part, and the frequency that
    it reaches by itself on an open fabric (Lattice ECP5), placed and routed with nextpnr; then
    core, shell, and both together. That is not the frequency of a Zynq, which only Vivado finds; it
    compares designs. What was done before comes from a cache.

    \b
    bitfold synth iris.bundle
    bitfold synth iris.bundle --core --no-timing --netlist core.v
    bitfold synth iris.bundle --seeds 3
    bitfold synth iris.bundle --verify 1000
    """
    from bitfold.build.compile.fitting import check_bundle
    from bitfold.build.implement.synthesis import synthesise_bundle
    from bitfold.build.implement.synthesis.timing import time_overlay
    from bitfold.models.errors import ToolError
    from bitfold.overlays.bundle import Bundle, DataflowBundle

    loaded = Bundle.load(bundle, trust_rtl=trust_rtl)
    if verified and (core_only or not isinstance(loaded, DataflowBundle)):
        raise click.UsageError("--verify is for a whole dataflow overlay, with its shell")
    if not force:
        check_bundle(loaded, BOARDS[board].chip)
    with console.steps(loaded.name) as say:
        options = ("-nodsp",) if no_dsp else ()
        more = {"yosys_program": yosys_program, "progress": say}
        synthesis = synthesise_bundle(loaded, core_only, options=options, **more)
        if synthesis.netlist is None and (netlist or verified):
            raise ToolError(
                f"{loaded.name}: too large for Yosys at once, so that there is no netlist; leave "
                "--netlist and --verify away, or compile it with a smaller folding"
            )
        timings = {} if no_timing else time_overlay(loaded, core_only, seeds=seeds, **more)
        check = _verify(loaded, synthesis, verified, say) if verified else None
    if netlist:
        with whole_file(netlist) as partial:
            shutil.copyfile(synthesis.netlist, partial)
    description = describe(loaded, synthesis, timings)
    show(description)
    if check:
        description["netlist_check"] = check
        description["failed"] = not check["exact"]
        console.out.print(
            f"netlist, simulated: {check['inputs'] - check['wrong']:,} of {check['inputs']:,} "
            f"{'(all) ' * check['all_inputs']}inputs exact, in {check['cycles']:,} cycles "
            f"({check['cycles_predicted']:,} predicted)"
        )
    if netlist:
        console.out.print(f"netlist: {netlist}")
    return description


def _verify(bundle, synthesis, most: int, say) -> dict:
    """Runs inputs through the simulated netlist, and counts those with any output wrong."""
    from bitfold.build.implement.synthesis.netlist import NetlistDevice, sample_inputs

    network = bundle.network
    x = sample_inputs(network, most)
    device = NetlistDevice(bundle, synthesis=synthesis, progress=say)
    say(f"simulating {len(x):,} inputs")
    outputs, call = device.run(x)
    device.close()
    wrong = int((outputs != network(x)).any(axis=1).sum())
    tensor = network.input_value
    levels = (tensor.encoding.maximum - tensor.encoding.minimum) // tensor.encoding.step + 1
    return {
        "inputs": len(x),
        "all_inputs": len(x) == levels**tensor.size,
        "wrong": wrong,
        "exact": not wrong,
        "cycles": call.cycles,
        "cycles_predicted": call.predicted_cycles,
    }


def describe(bundle, synthesis, timings) -> dict:
    """What `synthesis` of `bundle` found, and the `timings` of it and its parts, by path."""
    from bitfold.build.implement.synthesis import CORES
    from bitfold.build.implement.synthesis.timing import Timing
    from bitfold.overlays.boards.chip import XC7Z020
    from bitfold.overlays.bundle import DataflowBundle

    whole = synthesis.top == "bitfold_top"
    layers = _layers(bundle, "core." if whole else "")
    reached = {path: time for path, time in timings.items() if isinstance(time, Timing)}
    parts = [
        {
            "path": i.path or synthesis.top,
            "module": i.module,
            "layer": layers.get(i.path),
            **asdict(i.resources),
            "mhz": reached[i.path].mhz if i.path and i.path in reached else None,
        }
        for i in synthesis.instances
        if any(asdict(i.resources).values())
    ]
    core = synthesis.core
    shell = synthesis.total - core
    modules = {i.module: i.path for i in synthesis.instances}
    places = {"core": modules.get(CORES[bundle.kind], ""), "shell": modules.get("dataflow_shell")}
    places |= {"core and shell": ""} if whole else {}
    timed = {what: reached[path] for what, path in places.items() if path in reached}
    description = {
        "name": bundle.name,
        "overlay": bundle.kind,
        "build_id": bundle.build_id,
        "yosys": synthesis.yosys,
        "recipe": synthesis.recipe,
        "parts": parts,
        "core": asdict(core),
        "shell": asdict(shell) if whole else None,
        "total": asdict(synthesis.total),
        "capacity": {"chip": XC7Z020.name, **asdict(XC7Z020.has)},
        "open_fabric": asdict(timed["core"]) if "core" in timed else None,
        "timings": {what: asdict(timing) for what, timing in timed.items()},
        "not_synthesised": dict(synthesis.missing),
        "not_placed": {
            path or synthesis.top: str(error)
            for path, error in timings.items()
            if path not in reached
        },
    }
    if timed and isinstance(bundle, DataflowBundle):
        slowest = min(timing.mhz for timing in timed.values())
        description["frames_per_second"] = slowest * 1e6 / bundle.design.initiation_interval
        description["initiation_interval"] = bundle.design.initiation_interval
    return description


def show(description: dict) -> None:
    """Prints what `describe` gave."""
    kinds = {
        "LUTs": "luts",
        "of memory": "memory_luts",
        "FFs": "flip_flops",
        "CARRY4": "carry4",
        "MUXF7": "muxf7",
        "MUXF8": "muxf8",
        "RAMB18": "ramb18",
        "RAMB36": "ramb36",
        "DSPs": "dsps",
    }
    shown = {h: k for h, k in kinds.items() if k in _ALWAYS or description["total"][k]}
    timed = ("MHz",) if any(part["mhz"] for part in description["parts"]) else ()
    headings = map(console.numbers, (*shown, *timed))
    table = console.table("part", "module", "layer", *headings)

    def row(path: str, module: str, layer: str, taken: dict) -> None:
        numbers = [f"{taken[kind]:,}" for kind in shown.values()]
        numbers += [f"{taken['mhz']:.1f}" if taken.get("mhz") else "" for _ in timed]
        table.add_row(path, module, layer, *numbers)

    for path, parts in _alike(description["parts"]).items():
        taken = {kind: sum(part[kind] for part in parts) for kind in shown.values()}
        taken["mhz"] = parts[0]["mhz"]
        number = f"{len(parts)} x " if len(parts) > 1 else ""
        row(path, number + parts[0]["module"], parts[0]["layer"] or "", taken)
    table.add_section()
    reached = description["timings"]
    whole = description["shell"] is not None
    for name, key in (("core", "core"), ("shell", "shell"), ("core and shell", "total")):
        if name == "core" or whole:
            row(name, "", "", description[key] | {"mhz": reached.get(name, {}).get("mhz")})
    capacity, total = description["capacity"], description["total"]
    row(capacity["chip"], "", "has", capacity)
    console.out.print(
        console.styled((description["name"], "bold"), f" · Yosys {description['yosys']}")
    )
    console.out.print(table)
    console.out.print(
        f"{total['luts'] / capacity['luts']:.1%} of the chip's LUTs, "
        f"{total['flip_flops'] / capacity['flip_flops']:.1%} of its flip-flops, "
        f"{(total['ramb36'] + total['ramb18'] / 2) / capacity['ramb36']:.1%} of its block RAM, "
        f"{total['dsps'] / capacity['dsps']:.1%} of its DSPs"
    )
    for what, timing in reached.items():
        seeds = f", the worst of {timing['seeds']} seeds" if timing["seeds"] > 1 else ""
        path = " to ".join(timing["slowest_path"])
        console.out.print(f"{what}: {timing['mhz']:.1f} MHz{seeds}; its longest path: {path}")
    for part, reason in description["not_synthesised"].items():
        console.out.print(f"{part}: not synthesised, and in no sum: {reason}")
    for part, reason in description["not_placed"].items():
        console.out.print(f"{part}: not placed: {reason}")
    if reached:
        console.out.print(
            f"MHz: on {timing['device']}, an open fabric and not Zynq's (nextpnr "
            f"{timing['nextpnr']})"
        )
    if "frames_per_second" in description:
        console.out.print(
            f"{description['frames_per_second']:,.0f} frames a second there, one in "
            f"{description['initiation_interval']} cycles"
        )
    console.out.print(
        "LUTs: LUT1 to LUT6, and those that distributed RAM and shift registers take; no inverters"
    )


_ALWAYS = {"luts", "flip_flops", "carry4", "dsps", "ramb36"}


def _alike(parts: list[dict]) -> dict[str, list[dict]]:
    """Parts that differ in an index only, as the rows of an array do, by their common path."""
    groups: dict[str, list[dict]] = {}
    for part in parts:
        groups.setdefault(re.sub(r"\d+(?=\])", "*", part["path"]), []).append(part)
    return groups


def _layers(bundle, prefix: str) -> dict[str, str]:
    """The layer that each stage of a dataflow core computes, by the stage's path."""
    from bitfold.overlays.bundle import DataflowBundle

    if not isinstance(bundle, DataflowBundle):
        return {}
    return {f"{prefix}stage_{i}": stage.name for i, stage in enumerate(bundle.design.stages)}


synth_command = console.command(synth)
