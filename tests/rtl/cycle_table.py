"""Runs a clocked module through a table: for each cycle its inputs, and outputs to come."""

import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from cocotb_build import build, run

Row = tuple[dict[str, int], dict[str, int]]


def judge_cycles(
    sources: Sequence[Path], toplevel: str, parameters: Mapping[str, int], table: Sequence[Row]
) -> None:
    """Builds the module and runs cocotb_cycles.py on it. Raises `SimulationError` if it fails.

    A row has the inputs that change, and the outputs that count, both by port name.
    """
    assert sum(len(outputs) for _, outputs in table) > 10
    model = build(sources, toplevel, parameters)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.json"
        path.write_text(json.dumps(table))
        run(model, "cocotb_cycles", plusargs={"table": path})


def pipelined(
    inputs: Sequence[dict[str, int]], outputs: Sequence[dict[str, int]], registers: int
) -> list[Row]:
    """The table of a pipeline that stands still now and then, by its port `advance`: outputs come
    after as many cycles of movement as it has registers."""
    rng = random.Random(registers)
    table, moved = [], 0
    while moved < len(inputs) + registers:
        advance = registers == 0 or rng.random() < 0.8
        row = {"advance": int(advance)} | (inputs[moved] if moved < len(inputs) else {})
        table.append((row, outputs[moved - registers] if moved >= registers else {}))
        moved += advance
    return table
