"""The README: its examples run as they stand, and what it says of the command line is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bitfold.build.cli import main

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()


def fenced(language: str) -> str:
    (content,) = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return content


def test_the_example_runs_as_it_stands(tmp_path, monkeypatch, cache, capsys):
    home = tmp_path / "home" / ".cache"
    home.mkdir(parents=True)
    cache.mkdir(parents=True, exist_ok=True)
    (home / "bitfold").symlink_to(cache)
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.chdir(tmp_path)
    for line in fenced("sh").splitlines():
        program, *arguments = shlex.split(line)
        assert program == "bitfold"
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
    example = fenced("python")
    assert len(example.splitlines()) <= 11
    names: dict = {}
    capsys.readouterr()
    exec(compile(example, "README.md", "exec"), names)
    classes, latency = capsys.readouterr().out.split()
    assert classes == "[0]"
    assert int(latency) == names["bundle"].latency_cycles
    assert names["accelerator"].device.name == "verilated"
    flower = np.array([[5.1, 3.5, 1.4, 0.2]])
    assert names["network"].classes(names["network"](names["network"].quantize(flower))) == [0]


def test_every_command_is_in_the_table():
    named = set(re.findall(r"^\| `bitfold (\w+)", README, re.MULTILINE))
    assert named == set(main.commands)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)#]+)", README))))
def test_a_link_leads_to_a_file(link):
    assert (REPOSITORY / link).exists()


def test_the_demos_table_is_one_that_the_demo_prints():
    """Its networks are today's, each exact and as predicted."""
    from bitfold.build.demo import NETWORKS

    table = README.split("<!-- demo -->")[1].split("<!-- end of demo -->")[0]
    for topology, quantization in NETWORKS:
        name = re.escape(f"{topology}-{quantization}")
        assert re.search(rf"^ *{name} +\d+\.\d ± \d\.\d +\d", table, re.MULTILINE), name
        for overlay in ("dataflow", "offload"):
            assert overlay in table
    measured = re.findall(r"([\d,]+) \(([\d,]+)\) +([\d,]+) \(([\d,]+)\)  (\w+)", table)
    assert len(measured) == 2 * len(NETWORKS)
    for latency, predicted, interval, predicted_interval, exact in measured:
        assert (latency, interval, exact) == (predicted, predicted_interval, "yes")
