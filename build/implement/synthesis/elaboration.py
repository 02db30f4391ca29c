"""Elaborates a design, and takes it apart: each part as RTLIL that stands on its own."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bitfold.build.implement.synthesis.tools import yosys
from bitfold.models.cache import Cache
from bitfold.overlays.bundle import Bundle
from bitfold.runtime.cplusplus import digest

TOP = "bitfold_top"
"""The module that an overlay is."""
CORES = {"dataflow": "dataflow_core", "offload": "offload_engine"}
"""The module of each overlay that computes; all else is its shell."""
_DESIGN = "design.il"


@dataclass(frozen=True)
class Part:
    """One instance of a module in an elaborated design."""

    path: str
    """Names of instances, from the top down; "" is the top."""
    module: str
    """As it is called in the source."""
    rtlil: str
    """It and all that it is made of, with the contents of its memories."""
    ports: Mapping[str, tuple[str, int]]
    """("input" or "output", bits), by name."""


def elaborate(
    sources: Sequence[Path],
    top: str,
    images: Sequence[Path] = (),
    parameters: Mapping[str, int | str] | None = None,
    *,
    inside: Sequence[str] = (),
    cells: Mapping[str, Path] | None = None,
    yosys_program: Path | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, Part]:
    """The parts of module `top`, by path: the top itself, and what lies in it or directly in an
    instance of the modules `inside`.

    `images`: the memory images that the sources read. `parameters`: of the top. `cells`: sources in
    place of those of the same file name. `yosys_program`: a native one instead of the packaged one.
    Raises ToolError.
    """
    tool = yosys(yosys_program)
    sources = _needed([(cells or {}).get(file.name, file) for file in sources], top)
    files = [*sources, *images]
    chosen = "".join(f" -chparam {n} {_constant(v)}" for n, v in (parameters or {}).items())
    lines = (
        # One module at a time, as its parameters are known: unread images can't be missed.
        f"read_verilog -sv -defer {' '.join(file.name for file in sources)}",
        f"hierarchy -top {top}{chosen}",
        "proc",
        f"write_rtlil {_DESIGN}",
    )
    script = "".join(f"{line}\n" for line in lines)

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            work = Path(scratch)
            for file in files:
                shutil.copyfile(file, work / file.name)
            (work / "script.ys").write_text(script)
            progress(f"elaborating {top} with Yosys {tool.version}")
            tool.run(["-q", "-s", "script.ys"], work, cache)
            (work / _DESIGN).replace(folder / _DESIGN)

    content = (part for file in files for part in (file.name, file.read_bytes()))
    key = digest((script, tool.version, *content))
    folder = Cache(cache).keep("synthesis", f"{key}-elaborated", make)
    modules = dict(_modules((folder / _DESIGN).read_text()))
    parts = {}

    def visit(path: str, name: str) -> None:
        parts[path] = _part(path, name, modules)
        if not path or parts[path].module in inside:
            for instance, kind in modules[name].cells:
                if kind in modules:
                    visit(f"{path}.{instance}".lstrip("."), kind)

    visit("", f"\\{top}" if f"\\{top}" in modules else _derived(top, modules))
    return parts


def elaborate_bundle(bundle: Bundle, **more) -> dict[str, Part]:
    """The overlay of `bundle`, and the parts of its shell and of its core. `more`: as `elaborate`
    takes it."""
    inside = (TOP, CORES[bundle.kind])
    return elaborate(bundle.rtl, TOP, bundle.image_files, inside=inside, **more)


def core_of(parts: Mapping[str, Part]) -> Part:
    """The one of them that computes."""
    return next(part for part in parts.values() if part.module in CORES.values())


def under(whole: Part, parts: Mapping[str, Part]) -> list[Part]:
    """Those of `parts` that lie in `whole`, itself left out."""
    inner = f"{whole.path}." if whole.path else ""
    return [part for path, part in parts.items() if path.startswith(inner) and path != whole.path]


def within(whole: Part, part: Part) -> str:
    """The path of `part` from `whole` on, which it lies in."""
    return part.path[len(whole.path) :].lstrip(".")


def _constant(value: int | str) -> str:
    """A parameter as Yosys reads it; text is a number of 8 bits a character, unless it says bits as
    Verilog does."""
    if isinstance(value, str) and not re.fullmatch(r"\d+'h[0-9a-f]+", value):
        return f"{8 * len(value)}'b" + "".join(f"{ord(c):08b}" for c in value)
    return str(value)


def _needed(sources: Sequence[Path], top: str) -> list[Path]:
    """Those of `sources` that hold `top` and what it is made of, a module or package a file named
    after it; all where no file is named after `top`."""
    texts = {file.stem: file.read_text() for file in sources}
    found, open_ = set(), [top]
    while open_:
        name = open_.pop()
        if name in texts and name not in found:
            found.add(name)
            open_ += set(re.findall(r"\w+", texts[name])) & set(texts)
    return [file for file in sources if file.stem in found] or list(sources)


@dataclass(frozen=True)
class _Module:
    """One module of an RTLIL file; `cells` are (instance, module) of its own."""

    text: str
    cells: tuple[tuple[str, str], ...]


_SOURCE = re.compile(r"^ *attribute \\src .*\n", re.MULTILINE)
_BEGIN = re.compile(r"^module (\S+)\n", re.MULTILINE)
_CELL = re.compile(r"^  cell (\S+) (\S+)$", re.MULTILINE)
# Numbers that Yosys gives count on over the whole design: in names, but not those of modules, and
# in the order of writes to a memory.
_NUMBER = re.compile(r"\$(\d+)(?![0-9a-f])")
_PRIORITY = re.compile(r"(?<=parameter \\PRIORITY )\d+")
_PORT = re.compile(
    r"^  wire (?:width (\d+) )?(?:\w+ )*?(input|output) \d+ (?:signed )?\\(\S+)", re.MULTILINE
)


def _modules(text: str) -> Iterator[tuple[str, _Module]]:
    """Each module of an RTLIL file, without where in the source its lines come from."""
    text = _SOURCE.sub("", text)
    for piece in text.split("\nend\n"):
        begin = _BEGIN.search(piece)
        if begin:
            cells = ((name.removeprefix("\\"), kind) for kind, name in _CELL.findall(piece))
            kept = piece[begin.start() :] + "\nend\n"
            yield begin[1], _Module(kept, tuple(sorted(cells)))


def _derived(top: str, modules: Mapping[str, _Module]) -> str:
    """What Yosys calls a top that was given parameters."""
    return next(name for name in modules if _plain(name) == top)


def _plain(name: str) -> str:
    """The source's name of a module: Yosys puts parameters before or behind it."""
    return name.split("\\")[1]


def _renumbered(text: str) -> str:
    """RTLIL whose numbers tell nothing of the rest of the design."""
    names: dict[str, int] = {}
    text = _NUMBER.sub(lambda found: f"${names.setdefault(found[1], len(names))}", text)
    writes = sorted(set(map(int, _PRIORITY.findall(text))))
    return _PRIORITY.sub(lambda found: str(writes.index(int(found[0]))), text)


def _part(path: str, name: str, modules: Mapping[str, _Module]) -> Part:
    needed, open_ = [], [name]
    while open_:
        found = open_.pop()
        if found not in needed:
            needed.append(found)
            open_ += [kind for _, kind in modules[found].cells if kind in modules]
    text = modules[name].text.replace(f"module {name}\n", f"module \\{_plain(name)}\n", 1)
    text += "".join(modules[each].text for each in sorted(needed[1:]))
    text = _renumbered(text)
    ports = {
        port: (way, int(bits or 1)) for bits, way, port in _PORT.findall(text.split("\nend\n")[0])
    }
    return Part(path, _plain(name), text, ports)
