"""Places and routes a design on an open fabric, Lattice's ECP5, for a frequency that was reached.

It is the frequency of that fabric and not a Zynq's: ECP5 has 4-input LUTs of an older process, so
that a design reaches less there. What it is good for: comparing designs, and finding long paths.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bitfold.build.implement.synthesis import (
    CORES,
    ROMS,
    content_key,
    engine_parameters,
    gather,
    read_design,
)
from bitfold.build.implement.synthesis.tools import nextpnr, yosys
from bitfold.models.cache import Cache
from bitfold.models.errors import ToolError
from bitfold.overlays.bundle import Bundle

DEVICE = "LFE5U-85F-6"
"""The largest of the family, of its slowest speed grade."""
_PLACE = ("--85k", "--package", "CABGA756", "--speed", "6", "--seed", "1", "--timing-allow-fail")
# Above what the fabric reaches, so that nextpnr does not stop at less than it could.
_TARGET_MHZ = "500"
RESULT = "timing.json"


@dataclass(frozen=True)
class Timing:
    """The frequency that a design reaches between its registers on `device`."""

    mhz: float
    slowest_path: tuple[str, str]
    """The registers that the longest path goes from and to."""
    device: str
    yosys: str
    nextpnr: str


def place_and_route(
    sources: Sequence[Path],
    top: str,
    ports: Mapping[str, tuple[str, int]],
    images: Sequence[Path] = (),
    parameters: Mapping[str, int | str] | None = None,
    *,
    clock: str = "aclk",
    yosys_program: Path | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Timing:
    """The frequency of module `top`, from `cache` where the same was done before.

    `ports`: as Synthesis gives them. Every input but `clock` comes from a register and every
    output goes to one, so that the paths to and from the ports count too. All else as
    `synthesise` takes it. Raises ToolError, also for what does not fit the device.
    """
    synthesiser, placer = yosys(yosys_program), nextpnr()
    files = {file.name: file for file in (*sources, *images)}
    harness = _harness(top, ports, parameters or {}, clock)
    script = (
        read_design([*(s.name for s in sources), "harness.v"], "harness", {})
        + f"{ROMS}\nsynth_ecp5 -top harness -json netlist.json\n"
    )
    place = (*_PLACE, "--freq", _TARGET_MHZ)
    key = content_key(files, harness, script, *place, synthesiser.version, placer.version)

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            work = gather(files, Path(scratch) / "work")
            (work / "harness.v").write_text(harness)
            (work / "script.ys").write_text(script)
            progress(f"synthesising {top} for {DEVICE} with Yosys {synthesiser.version}")
            synthesiser.run(["-q", "-s", "script.ys"], work, cache)
            progress(f"placing and routing {top} with nextpnr {placer.version}")
            asked = ("--json", "netlist.json", "--report", "report.json", "--quiet")
            placer.run([*place, *asked], work, cache)
            made = _read(work / "report.json", synthesiser.version, placer.version)
            (folder / RESULT).write_text(json.dumps(asdict(made)) + "\n")

    read = json.loads((Cache(cache).keep("timing", key, make) / RESULT).read_text())
    return Timing(**{**read, "slowest_path": tuple(read["slowest_path"])})


def time_bundle_core(bundle: Bundle, ports: Mapping[str, tuple[str, int]], **more) -> Timing:
    """The frequency of the core of `bundle`. `more`: as `place_and_route` takes it."""
    core, parameters = CORES[bundle.kind], engine_parameters(bundle)
    return place_and_route(bundle.rtl, core, ports, bundle.image_files, parameters, **more)


def _read(report: Path, yosys_version: str, nextpnr_version: str) -> Timing:
    """What nextpnr reports of the harness, whose one clock times all."""
    said = json.loads(report.read_text())
    for path in said["critical_paths"]:
        if path["from"] == path["to"]:  # the same edge of the same clock
            ends = path["path"][0]["from"]["cell"], path["path"][-1]["to"]["cell"]
            mhz = said["fmax"][path["from"].removeprefix("posedge ")]["achieved"]
            return Timing(mhz, tuple(map(_register, ends)), DEVICE, yosys_version, nextpnr_version)
    raise ToolError("nextpnr found no path between registers, so there is no frequency")


def _register(cell: str) -> str:
    """The name in the source of the register that nextpnr calls `cell`."""
    return re.sub(r"_TRELLIS_.*|_DP16KD.*|_MULT18.*", "", cell).removeprefix("timed.")


def _harness(
    top: str,
    ports: Mapping[str, tuple[str, int]],
    parameters: Mapping[str, int | str],
    clock: str,
) -> str:
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
    chosen = ", ".join(
        f".{name}({json.dumps(value) if isinstance(value, str) else value})"
        for name, value in parameters.items()
    )
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
        f"  {top} #({chosen}) timed ({', '.join(connected)});" if chosen else "",
        "" if chosen else f"  {top} timed ({', '.join(connected)});",
        "endmodule",
        "",
    )
    return "\n".join(lines)
