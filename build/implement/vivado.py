"""Makes bitstreams: writes a bundle's Vivado project for a board, runs it, keeps the result."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import bitfold.overlays.boards
from bitfold.build.implement.synthesis import CELLS
from bitfold.models.errors import BundleError, ToolError
from bitfold.models.files import whole_file
from bitfold.overlays.boards.agreement import check_bitstream, check_handoff
from bitfold.overlays.boards.settings import settings
from bitfold.overlays.boards.system import System
from bitfold.overlays.bundle import Bundle, add_bitstream

TCL = Path(bitfold.overlays.boards.__file__).parent / "tcl"
SCRIPTS = ("build.tcl", "package_ip.tcl", "block_design.tcl", "implement.tcl", "bitfold_ip.v")
COMMAND = ("-mode", "batch", "-nojournal", "-log", "vivado.log", "-source", "build.tcl")
_SAYS = "bitfold: "
_ERROR = "bitfold: error: "


def write_project(bundle: Bundle, board: str, folder: Path) -> None:
    """Writes all that Vivado needs to `folder`: Tcl, RTL and images, none of it elsewhere.

    What Vivado has finished there stays if the project is the same. Raises OverlayError for a
    board or clock that can't be, BundleError for a folder with other things in it.
    """
    system = System.of(bundle, board)
    files = {name: (TCL / name).read_bytes() for name in SCRIPTS}
    files["processor.tcl"] = (TCL / system.board.processor).read_bytes()
    sources = [CELLS.get(file.name, file) for file in bundle.rtl]
    files |= {f"rtl/{file.name}": file.read_bytes() for file in sources}
    files |= {f"images/{f.name}": f.read_bytes() for f in bundle.image_files}
    files["system.tcl"] = settings(system).encode()
    if folder.exists() and any(folder.iterdir()):
        if not (folder / SCRIPTS[0]).is_file():
            raise BundleError(f"{folder}: holds other things; choose another folder with -o")
        inputs = [
            file for kind in ("*.tcl", "*.v", "rtl/*", "images/*") for file in folder.glob(kind)
        ]
        if {f.relative_to(folder).as_posix(): f.read_bytes() for f in inputs} == files:
            return
        for name in ("rtl", "images", "work", "output"):
            shutil.rmtree(folder / name, ignore_errors=True)
    for name, content in files.items():
        with whole_file(folder / name) as partial:
            partial.write_bytes(content)


def find_vivado(path: Path | None) -> Path | None:
    """Vivado's executable: `path` (which may be its installation), or else the one on PATH.

    Raises ToolError if `path` is given and holds none.
    """
    if path is None:
        found = shutil.which("vivado")
        return Path(found) if found else None
    for candidate in (path, path / "bin" / "vivado"):
        if candidate.is_file():
            return candidate.resolve()
    raise ToolError(f"{path}: no Vivado there; give its executable or its installation folder")


def run_vivado(vivado: Path, folder: Path, say: Callable[[str], None]) -> tuple[Path, Path]:
    """Runs the project in `folder`, which takes minutes to hours; gives the .bit and the .hwh.

    `say` gets a line for each step. Its log is vivado.log there. After an interruption another
    run goes on where it stopped. Raises ToolError with Vivado's or the Tcl's reason.
    """
    error = None
    with subprocess.Popen(
        [vivado, *COMMAND],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Vivado is a script that starts others: they end together
    ) as process:
        try:
            for line in process.stdout:
                if line.startswith(_ERROR):
                    error = line.removeprefix(_ERROR).strip()
                elif line.startswith(_SAYS):
                    say(line.removeprefix(_SAYS).strip())
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    output = folder / "output"
    made = [*output.glob("*.bit"), *output.glob("*.hwh")]
    if error or process.returncode or len(made) != 2:
        raise ToolError(error or f"Vivado failed; see {folder / 'vivado.log'}")
    return made[0], made[1]


def keep_bitstream(bundle: Bundle, board: str, bit: Path, hwh: Path) -> Bundle:
    """Adds a bitstream and its handoff to `bundle`, if both are what its overlay needs.

    Raises BundleError if they are of another overlay, board, chip or clock, or can't be read.
    """
    system = System.of(bundle, board)
    try:
        content, text = bit.read_bytes(), hwh.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{bit}, {hwh}: can't be read ({error})") from error
    check_bitstream(system, content)
    check_handoff(system, text)
    return add_bitstream(bundle, board, content, text)
