"""Runs bitfold's commands in tests."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from bitfold.build.cli.main import main


def bitfold(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def works(*arguments: object) -> str:
    result = bitfold(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def fails(*arguments: object, code: int = 1) -> str:
    """The one line that the command says; there is no traceback."""
    result = bitfold(*arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    lines = [line for line in result.stderr.splitlines() if line.lower().startswith("error: ")]
    assert len(lines) == 1, result.output
    return lines[0]


def listing(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def read(file: Path) -> dict:
    """What a command wrote with --json."""
    return json.loads(file.read_text())
