"""`bitfold emulate`: runs a PYNQ script with an emulated board behind pynq."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from bitfold.build.cli import console
from bitfold.models.errors import DeviceError
from bitfold.overlays.bundle import MANIFEST, Bundle
from bitfold.runtime.emulated_bitstream import write_bitstream
from bitfold.runtime.verilator import build_library


@click.option(
    "--bundle",
    "-b",
    "given",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A bundle whose overlay SCRIPT loads. Its NAME.bit and NAME.hwh are put beside SCRIPT, "
    "unless they are there. Bundles that lie beside SCRIPT, or in a folder there, are found.",
)
@click.option(
    "--python",
    type=click.Path(path_type=Path),
    default=sys.executable,
    help="The Python of another environment with pynq and bitfold's runtime; no more is needed.",
)
@click.option("--board", help="Which emulated board: scripts that name the same one take turns.")
@console.trust_rtl_option
@click.argument("script", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
def emulate(given, python, board, trust_rtl, script, arguments) -> dict:
    """Run SCRIPT, made for a PYNQ board, on an emulated one.

    SCRIPT stays as it is, and all is simulated cycle by cycle: whatever it does with pynq (Overlay,
    allocate, MMIO) or with bitfold's Accelerator happens to the RTL of the bundle. ARGS are those
    of SCRIPT.

    \b
    bitfold emulate package/on_target.py
    bitfold emulate --bundle iris.bundle script.py --frames 10
    """
    if not script.is_file():
        raise DeviceError(f"{script}: there is no such script")
    bundles = [Bundle.load(path, trust_rtl=trust_rtl) for path in given]
    with console.steps(f"emulating for {script.name}") as say:
        for path, bundle in zip(given, bundles):
            _put_bitstream(bundle, script.parent / f"{path.stem}.bit")
        for bundle in (*bundles, *_beside(script, trust_rtl)):
            build_library(bundle.rtl, progress=say)
    options = [f"--bundle={bundle.path.resolve()}" for bundle in bundles]
    options += [f"--board={board}"] if board else []
    options += ["--trust-rtl"] if trust_rtl else []
    command = [python, "-m", "bitfold.runtime", "emulate", *options, script, *arguments]
    try:
        exit_code = subprocess.run([str(part) for part in command]).returncode
    except OSError as error:
        raise DeviceError(f"{python}: not a Python that runs ({error.strerror})") from error
    return {"script": str(script), "exit_code": exit_code, "failed": exit_code != 0}


def _put_bitstream(bundle: Bundle, bit: Path) -> None:
    if not bit.exists():
        write_bitstream(bundle, bit)


def _beside(script: Path, trust_rtl: bool) -> list[Bundle]:
    folder = script.resolve().parent
    manifests = [*folder.glob(MANIFEST), *sorted(folder.glob(f"*/{MANIFEST}"))]
    return [Bundle.load(manifest.parent, trust_rtl=trust_rtl) for manifest in manifests]


emulate_command = console.command(emulate)
# What follows SCRIPT is SCRIPT's.
emulate_command.allow_interspersed_args = False
