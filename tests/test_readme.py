"""The README: its examples run as they stand, and what it says of the command line is so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from support.pages import Page, Runner

from bitfold.build.cli.main import main

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()


def test_the_example_runs_as_it_stands(tmp_path, monkeypatch, home):
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    runner = Runner(Page.read(REPOSITORY / "README.md"), home)
    assert len(runner.page.examples()[-1].block.text.splitlines()) <= 11
    classes, latency = runner.run()[-1].split()
    names = runner.names
    assert classes == "[0]"
    assert int(latency) == names["bundle"].design.latency_cycles
    assert names["accelerator"].device.name == "verilated"
    flower = np.array([[5.1, 3.5, 1.4, 0.2]])
    assert names["network"].classes(names["network"](names["network"].quantize(flower))) == [0]


def test_every_command_is_in_the_table():
    named = set(re.findall(r"^\| `bitfold (\w+)", README, re.MULTILINE))
    assert named == set(main.commands)


def test_the_demos_table_is_one_that_the_demo_prints():
    """Its networks are today's, each exact and as predicted."""
    from bitfold.build.workflows.demo import NETWORKS

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
