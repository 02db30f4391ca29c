"""`bitfold bitstream`: writes a bundle's Vivado project, and adds its bitstream to the bundle."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.overlays.boards.system import BOARDS, System

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--board", required=True, help=f"The board: {' or '.join(BOARDS)}.")
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    help="The project's folder; default BUNDLE-BOARD.vivado.",
)
@click.option(
    "--vivado",
    type=click.Path(path_type=Path),
    help="Vivado's executable or installation folder; else the one on PATH.",
)
@click.option(
    "--add",
    "files",
    type=EXISTING_FILE,
    nargs=2,
    metavar="FILE.bit FILE.hwh",
    help="Add a bitstream that Vivado made elsewhere from this project.",
)
@click.option("--force", is_flag=True, help="Go on though it does not fit the board's chip.")
@console.trust_rtl_option
def bitstream(bundle, board, output, vivado, files, force, trust_rtl) -> dict:
    """Make a bitstream for BUNDLE and keep it in there.

    Writes a folder with all that Vivado needs (2020.2 or newer, with Zynq-7000) and runs it where
    there is one. Run it again after an interruption: finished steps are kept. Without Vivado it
    says what to type where there is one.

    \b
    bitfold bitstream iris.bundle --board pynq-z2
    bitfold bitstream iris.bundle --board pynq-z2 --add bitfold.bit bitfold.hwh
    """
    from bitfold.build.compile.fitting import check_bundle
    from bitfold.build.implement.vivado import (
        COMMAND,
        find_vivado,
        keep_bitstream,
        run_vivado,
        write_project,
    )
    from bitfold.models.errors import BundleError
    from bitfold.overlays.bundle import BITSTREAM_STEM, Bundle

    loaded = Bundle.load(bundle, trust_rtl=trust_rtl)
    if bundle.is_file():
        raise BundleError(f"{bundle}: a bitstream can't be added to a zip; unpack it first")
    if files:
        return _kept(keep_bitstream(loaded, board, *files), board)
    if not force:
        check_bundle(loaded, System.of(loaded, board).board.chip)
    executable = find_vivado(vivado)
    folder = output or Path(f"{bundle.resolve().name.removesuffix('.bundle')}-{board}.vivado")
    write_project(loaded, board, folder)
    if executable is None:
        made = [str(folder / "output" / f"{BITSTREAM_STEM}{suffix}") for suffix in (".bit", ".hwh")]
        run = f"cd {shlex.quote(str(folder))} && {shlex.join(['vivado', *COMMAND])}"
        add = shlex.join(["bitfold", "bitstream", str(bundle), "--board", board, "--add", *made])
        console.out.print(f"no Vivado here; where there is one: {run}", soft_wrap=True)
        console.out.print(f"and then: {add}", soft_wrap=True)
        return {"project": str(folder), "board": board, "run": run, "add": add}
    with console.steps(f"Vivado, log in {folder / 'vivado.log'}") as say:
        bit, hwh = run_vivado(executable, folder, say)
    return {"project": str(folder), **_kept(keep_bitstream(loaded, board, bit, hwh), board)}


def _kept(bundle, board: str) -> dict:
    kept = bundle.bitstream(board)
    console.out.print(f"bitstream: {kept.bit}", soft_wrap=True)
    return {
        "bundle": str(bundle.path),
        "board": board,
        "build_id": bundle.build_id,
        "bit": str(kept.bit),
        "hwh": str(kept.hwh),
    }


bitstream_command = console.command(bitstream)
