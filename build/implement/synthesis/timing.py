"""Places and routes a design on an open fabric, Lattice's ECP5, for a frequency that was reached.

It is the frequency of that fabric and not a Zynq's: ECP5 has 4-input LUTs of an older process, so
that a design reaches less there. What it is good for: comparing designs, and finding long paths.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from os import cpu_count
from pathlib import Path

import numpy as np

from bitfold.build.compile.compiler import RTL
from bitfold.build.implement.synthesis import ROMS
from bitfold.build.implement.synthesis.elaboration import (
    Part,
    core_of,
    elaborate,
    elaborate_bundle,
    under,
    within,
)
from bitfold.build.implement.synthesis.tools import nextpnr, yosys
from bitfold.models.cache import Cache
from bitfold.models.errors import ToolError
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.dataflow.images import Image
from bitfold.overlays.dataflow.stages import Stage
from bitfold.runtime.cplusplus import digest

DEVICE = "LFE5U-85F-6"
"""The largest of the family, of its slowest speed grade."""
SEED = 1
"""The first of the seeds: the same design is placed the same way again."""
_PLACE = ("--85k", "--package", "CABGA756", "--speed", "6", "--timing-allow-fail")
# Above what the fabric reaches, so that nextpnr does not stop at less than it could.
_TARGET_MHZ = "500"
_RESULT = "timing.json"


@dataclass(frozen=True)
class Timing:
    """The frequency that a design reaches between its registers on `device`."""

    mhz: float
    """Of the worst seed."""
    slowest_path: tuple[str, str]
    """The registers that its longest path goes from and to."""
    seeds: int
    device: str
    yosys: str
    nextpnr: str


def place_and_route(
    part: Part,
    *,
    seeds: int = 1,
    clock: str = "aclk",
    yosys_program: Path | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Timing:
    """The frequency of `part`, the worst of so many `seeds`, each from `cache` where it was done
    before.

    Every input but `clock` comes from a register and every output goes to one, so that the paths to
    and from the ports count too. Raises ToolError, also for what does not fit the device.
    """
    synthesiser, placer = yosys(yosys_program), nextpnr()
    harness = _harness(part.module, part.ports, clock)
    script = (
        "read_rtlil part.il\nread_verilog harness.v\nhierarchy -top harness\n"
        f"{ROMS}\nsynth_ecp5 -top harness -json netlist.json\n"
    )
    place = (*_PLACE, "--freq", _TARGET_MHZ)
    files = {"part.il": part.rtlil, "harness.v": harness, "script.ys": script}
    versions = (synthesiser.version, placer.version)
    name = part.path or part.module

    def make(folder: Path, work: Path, seed: int) -> None:
        if not work.exists():
            work.mkdir()
            for file, text in files.items():
                (work / file).write_text(text)
            progress(f"synthesising {name} for {DEVICE} with Yosys {synthesiser.version}")
            synthesiser.run(["-q", "-s", "script.ys"], work, cache)
        progress(f"placing and routing {name} with nextpnr {placer.version}, seed {seed}")
        asked = ("--seed", str(seed), "--json", "netlist.json", "--report", "report.json")
        placer.run([*place, *asked, "--quiet"], work, cache)
        (folder / _RESULT).write_text(json.dumps(_read(work / "report.json")) + "\n")

    reached = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(SEED, SEED + seeds):
            key = digest((*files.values(), *place, str(seed), *versions))
            run = partial(make, work=Path(scratch) / "work", seed=seed)
            entry = Cache(cache).keep("timing", key, run)
            reached.append(json.loads((entry / _RESULT).read_text()))
    mhz, path = min(reached)
    return Timing(mhz, tuple(path), seeds, DEVICE, *versions)


def time_overlay(
    bundle: Bundle, core_only: bool = False, *, seeds: int = 1, **more
) -> dict[str, Timing | ToolError]:
    """The frequencies of the overlay of `bundle` and of its parts by themselves, by path.

    "" is the top: shell and core together, or the core alone. The parts are the core, the shell
    where that is one module, and each stage of the core; not what only passes data on. Where one
    can't be placed the error stands for it. `more`: as `place_and_route` takes it.
    """
    parts = elaborate_bundle(bundle, **more)
    whole = core_of(parts) if core_only else parts[""]
    timed = {within(whole, part): part for part in (whole, *under(whole, parts))}
    timed = {path: part for path, part in timed.items() if part.module not in _PASSING}
    # What is the same is done once; the largest first, the others beside it.
    alike = {part.rtlil: part for part in timed.values()}
    alike = dict(sorted(alike.items(), key=lambda named: -len(named[0])))

    def time(part: Part) -> Timing | ToolError:
        try:
            return place_and_route(part, seeds=seeds, **more)
        except ToolError as error:
            return error

    with ThreadPoolExecutor(cpu_count() or 1) as workers:
        done = dict(zip(alike, workers.map(time, alike.values())))
    return {path: done[part.rtlil] for path, part in timed.items()}


_PASSING = {"stream_link", "stream_fork", "stream_register", "stable_beat", "ram", "rom"}


def time_stage(
    stage: Stage,
    constants: Sequence[np.ndarray] = (),
    *,
    module: Path | None = None,
    seeds: int = 1,
    **more,
) -> Timing:
    """The frequency of one stage of a dataflow overlay by itself.

    `constants`: as the design holds them; without, its memories hold random words. `module`: the
    file of an unrolled stage, which is a module of its own, named after it. `more`: as
    `place_and_route` takes it.
    """
    sources = [module] if module else []
    sources += [file for room in _ROOMS for file in sorted((RTL / room).glob("*.sv"))]
    texts = {} if module else _image_texts(stage, constants)
    parameters = stage.rtl_parameters | {role.upper(): f"{role}.hex" for role in texts}
    with tempfile.TemporaryDirectory() as scratch:
        images = [Path(scratch) / f"{role}.hex" for role in texts]
        for image, text in zip(images, texts.values()):
            image.write_text(text)
        top = module.stem if module else stage.module
        parts = elaborate(sources, top, images, parameters, **more)
    return place_and_route(parts[""], seeds=seeds, **more)


_ROOMS = ("common", "mvau", "windows", "unrolled", "dataflow")


def _image_texts(stage: Stage, constants: Sequence[np.ndarray]) -> dict[str, str]:
    """The memory images of a stage by role: those of `constants`, or of random words."""
    images = stage.images
    if not constants:
        return {role: image.text(_random_words(image)) for role, image in images.items()}
    return {
        role: images[role].text(stage.encode(role, values))
        for role, values in zip(stage.roles, constants)
    }


def _random_words(image: Image) -> np.ndarray:
    encoding, random = image.encoding, np.random.default_rng(0)
    levels = (encoding.maximum - encoding.minimum) // encoding.step + 1
    drawn = random.integers(levels, size=(image.words, image.fields))
    return encoding.minimum + encoding.step * drawn


def _read(report: Path) -> tuple[float, tuple[str, str]]:
    """The frequency that nextpnr reports of the harness, whose one clock times all, and the ends of
    the longest path."""
    said = json.loads(report.read_text())
    for path in said["critical_paths"]:
        if path["from"] == path["to"]:  # the same edge of the same clock
            ends = path["path"][0]["from"]["cell"], path["path"][-1]["to"]["cell"]
            mhz = said["fmax"][path["from"].removeprefix("posedge ")]["achieved"]
            return mhz, (_register(ends[0]), _register(ends[1]))
    raise ToolError("nextpnr found no path between registers, so there is no frequency")


def _register(cell: str) -> str:
    """The name in the source of the register that nextpnr calls `cell`."""
    return re.sub(r"_TRELLIS_.*|_DP16KD.*|_MULT18.*", "", cell).removeprefix("timed.")


def _harness(top: str, ports: Mapping[str, tuple[str, int]], clock: str) -> str:
    """Verilog that gives `top` registers at all its ports, in a chain each, so that few pins do."""
    ends = {"input": [], "output": []}
    for name, (way, bits) in sorted(ports.items()):
        if name != clock:
            ends[way].append((name, bits))
    connected = [f".{clock}(clock)"] if clock in ports else []
    width = {}
    for way, chain in (("input", "into"), ("output", "from")):
        low = 0
        for name, bits in ends[way]:
            connected.append(f".{name}({chain}[{low}+:{bits}])")
            low += bits
        width[way] = low
    last = width["output"] - 1
    lines = (
        "module harness (",
        "  input wire clock, input wire shift, input wire load, output wire shifted",
        ");",
        f"  reg [{width['input'] - 1}:0] into;",
        f"  reg [{last}:0] out;",
        f"  wire [{last}:0] from;",
        "  always @(posedge clock) into <= {into, shift};",
        "  always @(posedge clock) out <= load ? from : {out, shift};",
        f"  assign shifted = out[{last}] ^ into[{width['input'] - 1}];",
        f"  {top} timed ({', '.join(connected)});",
        "endmodule",
        "",
    )
    return "\n".join(lines)
