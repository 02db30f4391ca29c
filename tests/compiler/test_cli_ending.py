"""How the program ends where it is told to, or can't go on: no traceback, and the usual code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text
from support.command_line import bitfold, fails

from bitfold.build.cli import console
from bitfold.models.errors import BitfoldError, FrontendError, ToolError
from bitfold.runtime.cplusplus import run_tool

TRAINING = ("train", "irisnet", "-q", "W1A1", "--steps", "1")
# Runs the program, and sends itself a signal when a module is imported for the first time.
PROGRAM = """
import os, sys
trap, number, *sys.argv[1:] = sys.argv[1:]
class Trap:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == trap:
            os.kill(os.getpid(), int(number))
sys.meta_path.insert(0, Trap)
from bitfold.build.__main__ import main
main()
"""


def program(*arguments: object, trap: str = "", number: int = 0, **more):
    command = [sys.executable, "-c", PROGRAM, trap, str(int(number)), *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.run(command, text=True, errors="replace", timeout=120, **streams)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize(
    "module",
    [
        "bitfold.build.cli.main",
        "click",
        "rich.console",
        "bitfold.build.cli.commands.train",
        "torch.nn",
    ],
)
def test_a_signal_in_the_middle_of_an_import_is_one_line(module, number, tmp_path):
    result = program(*TRAINING, trap=module, number=number, cwd=tmp_path)
    assert result.returncode == 128 + number
    said = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
    assert result.stderr.splitlines() in ([said], [f"{said}; what was finished is kept"])
    assert not result.stdout and not list(tmp_path.iterdir())


def test_an_interrupt_that_a_library_makes_its_own_error_of_is_still_one(monkeypatch):
    def examine():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise ImportError("numpy: initialization failed") from None

    monkeypatch.setattr("bitfold.build.workflows.doctor.examine", examine)
    result = bitfold("doctor")
    assert result.exit_code == 130 and result.stderr == "interrupted; what was finished is kept\n"


@pytest.mark.parametrize("arguments", [("doctor",), ("overlay", "offload")], ids=" ".join)
def test_a_pipe_that_nobody_reads_ends_the_program_quietly(arguments, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    result = program(*arguments, stdout=writing, cwd=tmp_path)
    os.close(writing)
    assert (result.returncode, result.stderr) == (128 + signal.SIGPIPE, "")


def test_a_help_that_nobody_reads_says_nothing(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    assert program("--help", stdout=writing).stderr == ""
    os.close(writing)


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)], ids=str)
def test_closed_streams_do_not_matter_and_no_file_takes_their_place(closed, tmp_path):
    def close() -> None:
        for stream in closed:
            os.close(stream)

    made = ("overlay", "offload", "-o", "e.bundle", "--json", "e.json")
    result = program(*made, cwd=tmp_path, preexec_fn=close)
    assert result.returncode == 0 and result.stderr == ""
    assert '"bundle": "e.bundle"' in (tmp_path / "e.json").read_text()


def test_a_full_disk_behind_the_output_is_one_line(tmp_path):
    with Path("/dev/full").open("w") as full:
        result = program("doctor", stdout=full)
    assert result.returncode and "Traceback" not in result.stderr
    assert result.stderr.splitlines()[0].endswith("No space left on device")


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LANG": "C"},
    ],
    ids=str,
)
def test_a_stream_that_is_not_utf_8_takes_all_that_is_said(environment, tmp_path):
    result = program("doctor", env={**os.environ, **environment})
    assert "Error" not in result.stderr and result.returncode in (0, 1)
    result = program("inspect", "größe\udcff.bundle", env={**os.environ, **environment})
    assert result.returncode == 1 and "there is no such bundle" in result.stderr


def test_what_steers_a_terminal_is_shown_and_not_sent():
    hostile = "a\x1b]0;title\x07b\x9b31mc\u202ed\udcff"
    for stream in (console.out, console.err):
        with stream.capture() as captured:
            table = console.table(hostile)
            table.add_row(hostile)
            stream.print(hostile, markup=False)
            stream.print(table)
            stream.print(Text(hostile))
        assert captured.get().count(r"a\x1b]0;title\x07b\x9b31mc\u202ed\udcff") == 3
        assert not set("\x1b\x07\x9b\u202e\udcff") & set(captured.get())


@pytest.mark.parametrize(
    "arguments",
    [("inspect", "\x1b[31m\n"), ("\x1b[31m\n",), ("train", "\x1b[31m\n"), ("run", "--\x1b[31m\n")],
    ids=ascii,
)
def test_a_mistake_quotes_no_argument_as_it_is(arguments):
    result = bitfold(*arguments)
    assert result.exit_code in (1, 2) and "\x1b" not in result.output
    assert result.stderr.splitlines()[-1].lower().startswith("error: ")


# What an error says.


def test_an_error_is_one_line_whatever_it_quotes():
    assert str(BitfoldError("a: bad\n  tensor\r\n\u2028b\n")) == "a: bad tensor b"
    assert str(FrontendError("2 nodes", "a\nb", "c")) == "2 nodes\n  a b\n  c"


def test_a_tool_that_fails_says_its_reason_and_keeps_the_rest(monkeypatch):
    script = "echo reading; echo 'x.sv:3: error: no such thing' >&2; echo more; exit 3"
    with pytest.raises(ToolError) as caught:
        run_tool(["sh", "-c", script])
    assert str(caught.value) == "sh failed with 3: x.sv:3: error: no such thing"
    assert {"reading", "more"} <= set(caught.value.log.splitlines())

    def examine():
        raise caught.value

    monkeypatch.setattr("bitfold.build.workflows.doctor.examine", examine)
    assert fails("doctor").endswith("no such thing; --debug shows all that it said")
    assert "reading\nmore\n" in bitfold("doctor", "--debug").stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "no memory left"),
        (PermissionError(13, "Permission denied", "x.csv"), "x.csv: Permission denied"),
        (IsADirectoryError(21, "Is a directory", "x\ny"), "x y: Is a directory"),
        (ModuleNotFoundError("no", name="torch"), "torch is not installed; `bitfold doctor` says"),
        (ModuleNotFoundError("no", name="bitfold.x"), "a fault in bitfold; report it"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_the_system_is_told_from_a_fault_of_ours(error, said, monkeypatch):
    def examine():
        raise error

    monkeypatch.setattr("bitfold.build.workflows.doctor.examine", examine)
    assert said in fails("doctor")
