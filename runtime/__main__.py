"""`python -m bitfold.runtime`: what can be asked of an environment that has only the runtime."""

from __future__ import annotations

import argparse
import runpy
import sys
import warnings
from pathlib import Path

from bitfold.models.errors import BitfoldError, DeviceError
from bitfold.overlays.bundle import Bundle


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bitfold.runtime", description=__doc__)
    commands = parser.add_subparsers(required=True)
    emulate = commands.add_parser(
        "emulate",
        help="run a PYNQ script with an emulated board behind pynq",
        description="Run a PYNQ script, unmodified, with an emulated board behind pynq. The "
        "simulation of its overlay is built by `bitfold emulate`, or is in the cache already.",
    )
    emulate.add_argument(
        "--bundle",
        type=Path,
        action="append",
        default=[],
        help="a bundle whose bitstream the script may load, beside those where the bitstreams are",
    )
    emulate.add_argument(
        "--board", help="which emulated board; scripts with the same one take turns"
    )
    emulate.add_argument(
        "--trust-rtl",
        action="store_true",
        help="compile the bundle's RTL whatever it is: as you would run a program of its maker's",
    )
    emulate.add_argument("script", type=Path)
    emulate.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script is given")
    emulate.set_defaults(run=_emulate)
    arguments = parser.parse_args()
    arguments.run(arguments)


def _emulate(arguments: argparse.Namespace) -> None:
    try:
        _plug_in(arguments)
    except BitfoldError as error:
        sys.exit(f"error: {error}")
    sys.argv = [str(arguments.script), *arguments.arguments]
    sys.path.insert(0, str(arguments.script.parent.resolve()))
    runpy.run_path(str(arguments.script), run_name="__main__")


def _plug_in(arguments: argparse.Namespace) -> None:
    if not arguments.script.is_file():
        raise DeviceError(f"{arguments.script}: there is no such script")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pynq's libraries warn of each other
            from bitfold.runtime.emulated_board import EmulatedBoard, plug_in
    except ImportError as error:
        raise DeviceError(
            f"pynq can't be imported here ({error}); pip install 'bitfold[board]'"
        ) from error
    trust_rtl = arguments.trust_rtl
    bundles = tuple(Bundle.load(path, trust_rtl=trust_rtl) for path in arguments.bundle)
    plug_in(EmulatedBoard(arguments.board, bundles, trust_rtl=trust_rtl))


if __name__ == "__main__":
    main()
