"""What all commands share: options, progress, JSON for machines, and one line for errors."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column, Table

from bitfold.models.errors import BitfoldError
from bitfold.models.files import whole_file

# Results go to the standard output; progress and errors do not mix with them.
out = Console()
err = Console(stderr=True)
# Asked of the files: in a notebook's shell rich is told to take anything for a terminal.
if not out.file.isatty():
    out.width = 140  # nobody's window: room for the tables


def command(function: Callable[..., dict]) -> click.Command:
    """A click command from `function`, with --json and --debug behind its own options.

    `function` gives a dictionary: what --json writes. "failed" in it makes the exit code 1, or what
    "exit_code" says. An error of ours becomes one line and exit code 1, as click's own usage errors
    become exit code 2.
    """

    @functools.wraps(function)
    def run(json_file: Path | None, debug: bool, **arguments) -> None:
        try:
            result = function(**arguments)
            if json_file:
                _write_json(json_file, result)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            if debug:
                raise
            err.print("interrupted; what was finished is kept")
            sys.exit(130)
        except Exception as error:
            if debug:
                raise
            said = str(error)
            if not isinstance(error, (BitfoldError, OSError)):
                said = f"{error!r}: a fault in bitfold; report it with what --debug shows"
            err.print(f"[bold red]error:[/] {escape(said)}", highlight=False, soft_wrap=True)
            sys.exit(1)
        if result.get("failed"):
            sys.exit(result.get("exit_code", 1))

    made = click.command(run)
    made.params += [
        click.Option(
            ["--json", "json_file"],
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Also write the result to FILE, for machines.",
        ),
        click.Option(["--debug"], is_flag=True, help="Show a traceback where something fails."),
    ]
    return made


def table(*columns: str | Column, title: str | None = None) -> Table:
    """An empty table that spends no width on lines: terminals of 80 columns are common."""
    for_all = {"box": SIMPLE_HEAD, "padding": (0, 1, 0, 0), "pad_edge": False, "show_edge": False}
    made = Table(*columns, title=title, title_justify="left", **for_all)
    for column in made.columns:
        column.overflow = "fold"
    return made


def numbers(heading: str) -> Column:
    """A column of numbers."""
    return Column(heading, justify="right")


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
    with Progress(*columns, console=err, transient=True, disable=not err.file.isatty()) as bars:
        yield bars


@contextmanager
def steps(what: str) -> Iterator[Callable[[str], None]]:
    """A line that says which step of `what` runs; yields the function to say it with."""
    if not err.file.isatty():
        yield lambda step: None
        return
    with err.status(what) as status:
        yield lambda step: status.update(f"{what}: {step}")


def _write_json(file: Path, result: dict) -> None:
    with whole_file(file) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n")
