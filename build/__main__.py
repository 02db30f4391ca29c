"""The start of `bitfold`: one line for Ctrl-C, from before the first library is loaded."""

from __future__ import annotations

import os
import sys

from bitfold.build.cli import ending


def main() -> None:
    """What the program `bitfold` and `python -m bitfold.build` run."""
    ending.until_a_command_runs()
    _keep_standard_streams()
    try:
        from bitfold.build.cli.main import main as bitfold
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error.name} is not installed; pip install 'bitfold[compile]'")
    bitfold(prog_name="bitfold")


def _keep_standard_streams() -> None:
    """No file of ours takes the place of a standard stream that is closed, and no character is one
    that a stream can't write."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
