"""Every number that a command takes is checked before anything is opened."""

from __future__ import annotations

import click
import pytest
from support.command_line import bitfold

from bitfold.build.cli import console
from bitfold.build.cli.commands.cache import SIZE
from bitfold.build.cli.main import main

HOSTILE = (
    *("", " ", "x", "nan", "inf", "-inf", "1e400", "1e-400", "-1", "0x10", "1/0", "\u00b2", "\x1b"),
    *("9" * 5000, "1" + "0" * 100, "--", "1,2", "None"),
)


def commands(group: click.Group, *path: str):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


NUMBERS = [
    (path, command, parameter)
    for path, command in commands(main)
    for parameter in command.params
    if not isinstance(parameter.type, (click.Path, click.Choice, click.types.BoolParamType))
    and parameter.type not in (click.STRING, click.UNPROCESSED)
]


def test_every_number_has_a_type_with_bounds():
    assert len(NUMBERS) > 25
    for path, _, parameter in NUMBERS:
        bounded = isinstance(parameter.type, click.IntRange) and parameter.type.min is not None
        positive = parameter.type in (console.NUMBER, console.FRACTION, SIZE)
        assert bounded or positive, f"{' '.join(path)} {parameter.opts[0]}"


@pytest.mark.parametrize(
    ("path", "command", "parameter"),
    [pytest.param(*each, id=f"{' '.join(each[0])} {each[2].opts[0]}") for each in NUMBERS],
)
def test_a_number_that_is_none_is_one_line(path, command, parameter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    taken = 0
    for value in HOSTILE:
        try:
            with click.Context(command) as context:
                number = parameter.type.convert(value, parameter, context)
        except click.BadParameter:
            result = bitfold(*path, f"{parameter.opts[0]}={value}")
            assert result.exit_code == 2 and "\x1b" not in result.output
            assert result.stderr.splitlines()[-1].startswith("Error: "), value
        else:
            taken += 1
            assert float(number) == float(value) > 0
    assert taken <= 1  # a whole number of 101 digits
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["0.5", "1/255", "1e-3", "3/2"])
def test_a_scale_may_be_a_fraction(text):
    above, _, below = text.partition("/")
    assert console.FRACTION.convert(text, None, None) == float(above) / float(below or 1)
