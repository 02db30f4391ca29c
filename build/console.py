"""What all commands share: options, progress, JSON for machines, and one line for errors."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from bitfold.models.errors import BitfoldError
from bitfold.models.files import whole_file

# Results go to the standard output; progress and errors do not mix with them.
out = Console()
if not out.is_terminal:
    out.width = 140  # nobody's window: room for the tables
err = Console(stderr=True)


def command(function: Callable[..., dict]) -> click.Command:
    """A click command from `function`, with --json and --debug.

    `function` gives a dictionary: what --json writes. An error of ours becomes one line and exit
    code 1, as click's own usage errors become exit code 2.
    """

    @click.option(
        "--json",
        "json_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Also write the result to FILE, for machines.",
    )
    @click.option("--debug", is_flag=True, help="Show a traceback where something fails.")
    @functools.wraps(function)
    def run(json_file: Path | None, debug: bool, **arguments) -> None:
        try:
            result = function(**arguments)
            if json_file:
                _write_json(json_file, result)
        except (BitfoldError, OSError) as error:
            if debug:
                raise
            err.print(f"[bold red]error:[/] {_escape(str(error))}", highlight=False, soft_wrap=True)
            sys.exit(1)
        except KeyboardInterrupt:
            if debug:
                raise
            err.print("interrupted; what was finished is kept")
            sys.exit(130)
        if result.get("failed"):
            sys.exit(1)

    return click.command(run)


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars on a terminal that vanish when done; nothing where nobody looks."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        yield bars


@contextmanager
def steps(what: str) -> Iterator[Callable[[str], None]]:
    """A line that says which step of `what` runs; yields the function to say it with."""
    with err.status(what) as status:
        yield lambda step: status.update(f"{what}: {step}")


def _write_json(file: Path, result: dict) -> None:
    with whole_file(file) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n")


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
