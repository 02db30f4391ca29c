"""What all commands share: options, progress, JSON for machines, and one line for errors."""

from __future__ import annotations

import functools
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NoReturn

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from bitfold.build.cli import ending
from bitfold.models.errors import BitfoldError, ToolError
from bitfold.models.files import (
    STANDARD_OUTPUT,
    is_standard_output,
    standard_output_for_files,
    whole_file,
)
from bitfold.models.inputs import MEANINGS


class _Console(Console):
    """A console that only we steer: of what is printed, characters that are none to look at, such
    as the escape that starts a terminal's commands, are shown by their codes."""

    def render_str(self, text: str, **more) -> Text:
        return super().render_str(visible(text), **more)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))

    def on_broken_pipe(self) -> NoReturn:
        """Ends as other programs do where nobody reads on, as in `bitfold inspect B | head -1`."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        sys.exit(ending.UNREAD)


def visible(text: str) -> str:
    """`text` with its control characters, and what else can't be seen, by their codes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


# Results go to the standard output; progress and errors do not mix with them.
# What is printed holds names from files, so text is text: `styled` says what stands out.
out = _Console(markup=False, emoji=False)
err = _Console(stderr=True, markup=False, emoji=False)
# Asked of the files: in a notebook's shell rich is told to take anything for a terminal.
if not out.file.isatty():
    out.width = 140  # nobody's window: room for the tables


class _Number(click.ParamType):
    """A decimal number above zero, with `fractions` also one such as 1/255."""

    name = "number"

    def __init__(self, fractions: bool = False):
        self.fractions = fractions

    def convert(self, value, parameter, context) -> float:
        if isinstance(value, float):
            return value
        above, slash, below = value.partition("/" if self.fractions else "\0")
        try:
            number = float(above) / float(below if slash else 1)
        except (ValueError, ZeroDivisionError):
            number = math.nan
        if not 0 < number < math.inf:
            example = "0.5 or 1/255" if self.fractions else "0.5 or 100"
            self.fail(f"{value!r} is not a number above zero like {example}", parameter, context)
        return number


NUMBER = _Number()
FRACTION = _Number(fractions=True)
SEED = click.IntRange(0, 2**32 - 1)


class _OutputFile(click.Path):
    """A file to write: - is the standard output."""

    def __init__(self):
        super().__init__(dir_okay=False, readable=False, path_type=Path)

    def convert(self, value, parameter, context):
        return STANDARD_OUTPUT if value == "-" else super().convert(value, parameter, context)


OUTPUT_FILE = _OutputFile()
"""The type of every option that names a file to write."""


def styled(*parts: str | tuple[str, str]) -> Text:
    """Text of parts, each plain or (text, style)."""
    return Text.assemble(*parts)


inputs_option = click.option(
    "--inputs",
    type=click.Choice(MEANINGS),
    help="What the samples are, whatever their dtype. measurements: the numbers that the model "
    "takes, the default; pixels: 0..255, of which it takes p/255; integers: those of the network's "
    "input, quantized already.",
)
"""Of every command that is given samples."""

# What every command that compiles the RTL of a bundle takes.
trust_rtl_option = click.option(
    "--trust-rtl",
    is_flag=True,
    help="Compile the bundle's RTL whatever it is: as you would run a program of its maker's.",
)


def command(function: Callable[..., dict]) -> click.Command:
    """A click command from `function`, with --json and --debug behind its own options.

    `function` gives a dictionary: what --json writes. "failed" in it makes the exit code 1, or what
    "exit_code" says. An error of ours becomes one line and exit code 1, as click's own usage errors
    become exit code 2. Where an output file is the standard output, all that is meant for people
    goes to the standard error.
    """

    @functools.wraps(function)
    def run(json_file: Path | None, debug: bool, **arguments) -> None:
        try:
            outputs = _outputs((json_file, *arguments.values()))
            with ending.while_a_command_runs(), outputs:
                result = function(**arguments)
                if json_file:
                    _write_json(json_file, result)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if debug:
                if isinstance(error, ToolError):
                    err.print(error.log, highlight=False, soft_wrap=True)
                raise
            sys.exit(_say(error))
        if result.get("failed"):
            sys.exit(result.get("exit_code", 1))

    made = click.command(run)
    made.params += [
        click.Option(
            ["--json", "json_file"],
            type=OUTPUT_FILE,
            metavar="FILE",
            help="Also write the result to FILE, for machines; - is the standard output.",
        ),
        click.Option(["--debug"], is_flag=True, help="Show a traceback where something fails."),
    ]
    return made


class Group(click.Group):
    """Several commands. What click says of a mistake quotes the arguments, which may hold anything;
    it is as visible as all else."""

    def main(self, *arguments, standalone_mode: bool = True, **more):
        try:
            result = super().main(*arguments, standalone_mode=False, **more)
        except click.ClickException as error:
            if not standalone_mode:
                raise
            if not isinstance(error, click.exceptions.NoArgsIsHelpError):
                error.message = visible(str(BitfoldError(error.message)))
            error.show()
            sys.exit(error.exit_code)
        if not standalone_mode:
            return result
        sys.exit(result)


def _say(error: BaseException) -> int:
    """Says what went wrong; gives the exit code."""
    interrupt = _interrupt_behind(error)
    if interrupt:
        said, code = ending.words(interrupt)
        err.print(f"{said}; what was finished is kept")
        return code
    said = str(error if isinstance(error, BitfoldError) else BitfoldError(_cause(error)))
    more = "; --debug shows all that it said" if isinstance(error, ToolError) and error.log else ""
    err.print(styled(("error:", "bold red"), f" {said}{more}"), soft_wrap=True)
    return 1


def _interrupt_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """The interrupt that `error` is or comes from: a library may turn it into an error of its own,
    as when it is being imported."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _cause(error: BaseException) -> str:
    """What is said of an error that is not of our family."""
    if isinstance(error, OSError):
        known = error.filename is not None and error.strerror
        return f"{os.fspath(error.filename)}: {error.strerror}" if known else str(error)
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}); give less at once" if str(error) else "no memory left"
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("bitfold"):
        return f"{error.name} is not installed; `bitfold doctor` says how to get what is missing"
    return f"{error!r}: a fault in bitfold; report it with what --debug shows"


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
        TextColumn("{task.description}", markup=False),
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
    with err.status(Text(what)) as status:
        yield lambda step: status.update(Text(f"{what}: {step}"))


def _outputs(arguments: Iterable[object]) -> AbstractContextManager:
    """Keeps the standard output for the file among `arguments` that it is, if any."""
    named = [value for value in arguments if isinstance(value, Path) and is_standard_output(value)]
    if len(named) > 1:
        raise click.UsageError("two outputs can't share the standard output; name a file for one")
    return standard_output_for_files() if named else nullcontext()


def _write_json(file: Path, result: dict) -> None:
    with whole_file(file) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n")
