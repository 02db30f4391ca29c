"""Synthesises Verilog for a Zynq-7000 with Yosys, and says what each module takes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from bitfold.build.implement.synthesis.elaboration import (
    CORES,
    TOP,
    Part,
    core_of,
    elaborate,
    elaborate_bundle,
    under,
    within,
)
from bitfold.build.implement.synthesis.resources import count
from bitfold.build.implement.synthesis.tools import yosys
from bitfold.models.cache import Cache
from bitfold.models.errors import ToolError
from bitfold.overlays.boards.chip import Resources
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.trust import RTL
from bitfold.runtime.cplusplus import digest

CELLS = {file.name: file for file in (RTL / "xc7").glob("*.sv")}
"""Portable modules made of primitives of the 7 series, and so smaller, by file name."""

RECIPE = "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf"
"""What it does without, measured with Yosys 0.70 on the cores of iris W1A1, W1A3 and W4A4: -abc9 is
the default already; -nowidelut takes 2 to 14 % more LUTs; -widemux 5 between 12 % fewer and 38 %
more, and hundreds of MUXF7; -dff 6 % fewer to 5 % more, in three times the time; nothing flattened
17 % more. -nocarry takes 14 to 39 % fewer on sums this narrow, but chains of LUTs are slow."""

# A table is LUTs up to as many words, if these have no more bits: a block RAM costs as much then.
_TABLES = ((128, 1 << 16), *((128 << i, 64 >> i) for i in range(1, 7)))
_SMALL = [f"t:$mem_v2 r:SIZE<={words} %i r:WIDTH<={bits} %i" for words, bits in _TABLES]
ROMS = "\n".join(
    (
        "proc",
        "memory_collect *rom",
        *(f"setattr -mod -set keep_hierarchy 1 *rom/{s} r:RD_PORTS<2 %i %m" for s in _SMALL),
        "flatten",
        "opt_expr",
        "opt_clean",
        "memory_collect",
        *(f"memory_map -rom-only {small}" for small in _SMALL),
        "memory_map -rom-only t:$mem_v2 r:RD_PORTS>2 %i",
    )
)
"""Makes a read-only memory LUTs where a block RAM would not pay, or has not the ports, and keeps
one with one reader from being mixed with the logic behind it.

Left to itself Yosys 0.70 breaks a table of 64 constants, which is one LUT6 a bit, up into four;
moves registers through it; and runs out of memory over one with 32 readers. On the cores of iris
W1A1, W1A3 and W4A4 these lines save 27, 12 and 34 % of the LUTs."""

DSPS = """memory_dff
alumacc -macc-only
maccmap -unmap
opt_clean
techmap -map +/mul2dsp.v -map +/xilinx/xc7_dsp_map.v -D DSP_A_MAXWIDTH=25 -D DSP_B_MAXWIDTH=18 \\
-D DSP_A_MAXWIDTH_PARTIAL=18 -D DSP_A_MINWIDTH=2 -D DSP_B_MINWIDTH=2 -D DSP_Y_MINWIDTH=9 \\
-D DSP_SIGNEDONLY=1 -D DSP_NAME=$__MUL25X18
select a:mul2dsp
setattr -unset mul2dsp
opt_expr -fine
wreduce
select -clear
chtype -set $mul t:$__soft_mul"""
"""What synth_xilinx does for DSPs at its label map_dsp, but for the pass xilinx_dsp: that one moves
the registers around a product into the DSP, and with Yosys 0.70 the netlist then computes something
else (its sign extension is unsound: github.com/YosysHQ/yosys/issues/5059). So DSPs are counted
right, and flip-flops beside them rather too high."""


@dataclass(frozen=True)
class Instance:
    """One instance of a module, and what it takes without the instances in it that are apart, which
    CELLS never are."""

    path: str
    module: str
    resources: Resources


@dataclass(frozen=True)
class Synthesis:
    """What a design takes after synthesis, by `yosys` with `recipe`."""

    top: str
    instances: tuple[Instance, ...]
    """The top first; together they are the whole design."""
    ports: Mapping[str, tuple[str, int]]
    """Of the top: ("input" or "output", bits)."""
    netlist: Path | None
    """The netlist in Verilog, of primitives that Yosys's xilinx/cells_sim.v describes; None where
    it was made part by part."""
    yosys: str
    recipe: str
    missing: Mapping[str, str] = field(default_factory=dict)
    """What Yosys said of the parts that it can't synthesise, by path."""

    @property
    def total(self) -> Resources:
        return self.under()

    @property
    def core(self) -> Resources:
        """What computes, without the shell: all of it where the top is no overlay."""
        cores = [i.path for i in self.instances if i.module in CORES.values()]
        return self.under(*cores) if cores else self.total

    def under(self, path: str = "") -> Resources:
        """What the instance at `path` takes with all that is in it."""
        inside = (
            i.resources
            for i in self.instances
            if not path or i.path == path or i.path.startswith(f"{path}.")
        )
        return sum(inside, Resources())

    luts = property(lambda self: self.total.luts)
    flip_flops = property(lambda self: self.total.flip_flops)
    carry4 = property(lambda self: self.total.carry4)
    ramb18 = property(lambda self: self.total.ramb18)
    ramb36 = property(lambda self: self.total.ramb36)
    dsps = property(lambda self: self.total.dsps)


def synthesise(
    sources: Sequence[Path],
    top: str,
    images: Sequence[Path] = (),
    parameters: Mapping[str, int | str] | None = None,
    *,
    apart: Sequence[str] = (),
    options: Sequence[str] = (),
    **more,
) -> Synthesis:
    """Synthesises module `top` of `sources` (Verilog or SystemVerilog, packages first), from
    `cache` where the same was done before.

    `apart` and `options`: as `synthesise_part` takes them; all else as `elaborate`. Raises
    ToolError.
    """
    part = elaborate(sources, top, images, parameters, cells=CELLS, **more)[""]
    return synthesise_part(part, apart=apart, options=options, **more)


def synthesise_bundle(bundle: Bundle, core_only: bool = False, *, options=(), **more) -> Synthesis:
    """The overlay of `bundle`, or its core alone, with each part of shell and core apart.

    What is too much for Yosys at once is synthesised part by part: there is no netlist then, and
    what lies between the parts is not counted. All else as `synthesise` takes it.
    """
    parts = elaborate_bundle(bundle, cells=CELLS, **more)
    core = core_of(parts)
    whole = core if core_only else parts[""]
    wires = (core,) if core_only else (whole, core)
    try:
        return synthesise_part(whole, apart=(TOP, core.module), options=options, **more)
    except ToolError as error:
        pieces = [piece for piece in under(whole, parts) if piece not in wires]
        if not pieces:
            raise
        made, missing = [], {}
        for piece in pieces:
            try:
                made.append((piece, synthesise_part(piece, options=options, **more)))
            except ToolError as cause:
                missing[within(whole, piece)] = str(cause)
        if not made:
            raise error
    return replace(
        made[0][1],
        top=whole.module,
        instances=(
            *(Instance(within(whole, p), p.module, Resources()) for p in wires),
            *(Instance(within(whole, p), p.module, synthesis.total) for p, synthesis in made),
        ),
        ports=whole.ports,
        netlist=None,
        missing=missing,
    )


def synthesise_part(
    part: Part,
    *,
    apart: Sequence[str] = (),
    options: Sequence[str] = (),
    yosys_program: Path | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Synthesis:
    """Synthesises a part of an elaborated design.

    `apart`: modules whose instances are counted one by one; they are then not optimised into each
    other, all else is. `options`: more of synth_xilinx's, such as "-nodsp". Raises ToolError.
    """
    tool = yosys(yosys_program)
    recipe = " ".join((RECIPE, *options))
    script = _script(part.module, apart, recipe)

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            work = Path(scratch)
            (work / "part.il").write_text(part.rtlil)
            (work / "script.ys").write_text(script)
            progress(f"synthesising {part.module} with Yosys {tool.version}")
            tool.run(["-q", "-s", "script.ys"], work, cache)
            read = _read(work, part.module)
            (folder / "synthesis.json").write_text(json.dumps(read, indent=1) + "\n")
            (work / "netlist.v").replace(folder / "netlist.v")

    key = digest((part.rtlil, script, tool.version))
    folder = Cache(cache).keep("synthesis", key, make)
    read = json.loads((folder / "synthesis.json").read_text())
    return Synthesis(
        top=part.module,
        instances=tuple(Instance(path, module, Resources(**taken)) for path, module, taken in read),
        ports=part.ports,
        netlist=folder / "netlist.v",
        yosys=tool.version,
        recipe=recipe,
    )


def _script(top: str, apart: Sequence[str], recipe: str) -> str:
    kept = " ".join(f"*{module}/t:* %M" for module in apart)
    return "\n".join(
        (
            "read_verilog -lib +/xilinx/cells_sim.v",
            f"read_rtlil part.il\nhierarchy -top {top}",
            f"setattr -mod -set keep_hierarchy 1 {kept}" if kept else "",
            ROMS,
            f"{recipe} -top {top} -run :map_dsp",
            *([] if "-nodsp" in recipe.split() else [DSPS]),
            f"{recipe} -top {top} -run coarse:",
            "tee -q -o cells.json stat -json",
            "dump -m -o instances.il c:* %M %C",  # which instances there are
            "write_verilog -noattr netlist.v",
            "",
        )
    )


def _read(work: Path, top: str) -> list:
    """The instances, as they are kept: path, module and resources of each."""
    stat = json.loads((work / "cells.json").read_text())["modules"]
    cells = {name.removeprefix("\\"): m["num_cells_by_type"] for name, m in stat.items()}
    inner: dict[str, list[tuple[str, str]]] = {name: [] for name in cells}
    module = ""
    for line in (work / "instances.il").read_text().splitlines():
        if line.startswith("module "):
            module = line.split()[1].removeprefix("\\")
        elif line.lstrip().startswith("cell "):
            _, kind, name = line.split()
            inner[module].append((name.removeprefix("\\"), kind.removeprefix("\\")))
    instances = []

    def name_of(module: str) -> str:
        return module.split("\\")[1] if module.startswith("$paramod") else module

    def visit(path: str, module: str) -> Resources:
        """What an instance takes, with the cells of primitives in it; the rest of what is in it is
        left in `instances`."""
        place = len(instances)
        taken = count({kind: n for kind, n in cells[module].items() if kind not in cells})
        for instance, kind in sorted(inner[module]):
            inside = visit(f"{path}.{instance}".lstrip("."), kind)
            if f"{name_of(kind)}.sv" in CELLS:
                taken += inside
        if f"{name_of(module)}.sv" not in CELLS:
            instances.insert(place, (path, name_of(module), asdict(taken)))
        return taken

    visit("", top)
    return instances
