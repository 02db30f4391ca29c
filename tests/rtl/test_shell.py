"""The dataflow shell, judged by cocotbext-axi in three shapes of frame."""

import pytest
from cocotb_build import ROOT, RTL, build, run

SHELL = RTL / "shell"
PACKAGE = SHELL / "bitfold_registers_pkg.sv"
SOURCES = [
    PACKAGE,
    *sorted(set(SHELL.glob("*.sv")) - {PACKAGE}),
    *(RTL / "common" / f"{name}.sv" for name in ("stable_beat", "stream_register")),
]
HARNESS = [ROOT / "tests" / "rtl" / name for name in ("loopback_core.sv", "shell_harness.sv")]

SHAPES = [(1, 1), (5, 3), (2, 7)]


@pytest.mark.parametrize("module", ["cocotb_shell", "cocotb_shell_errors"])
@pytest.mark.parametrize(("input_beats", "output_beats"), SHAPES)
def test_the_shell_keeps_its_contract_with_memory_core_and_driver(
    module, input_beats, output_beats
):
    model = build(
        SOURCES + HARNESS,
        "shell_harness",
        {"INPUT_BEATS": input_beats, "OUTPUT_BEATS": output_beats},
    )
    run(model, module, plusargs={"input_beats": input_beats, "output_beats": output_beats})


@pytest.mark.parametrize("outstanding", [2, 16])
def test_reader_and_writer_take_many_commands_and_any_abort(outstanding):
    model = build(
        [*SOURCES, ROOT / "tests" / "rtl" / "masters_harness.sv"],
        "masters_harness",
        {"OUTSTANDING": outstanding},
    )
    run(model, "cocotb_masters", plusargs={"outstanding": outstanding})
