"""A bundle from anyone is data: what in it could run, lead elsewhere or be no number is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.diffing import FOLDED, SHAPE, UNROLLED
from support.random_networks import random_network
from support.sealed import seal_again

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.build.implement.deploy import write_package
from bitfold.build.implement.synthesis import synthesise_bundle
from bitfold.build.implement.vivado import write_project
from bitfold.models.errors import BundleError
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.manifest import DESIGN
from bitfold.overlays.offload import Engine
from bitfold.overlays.trust import MAX_NUMBER

NETWORK = random_network(SHAPE, 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Path]:
    """One bundle of each kind, which no test may change."""
    folder = tmp_path_factory.mktemp("made")
    return {
        "folded": compile_dataflow(NETWORK, FOLDED, folder / "folded").path,
        "unrolled": compile_dataflow(NETWORK, UNROLLED, folder / "unrolled").path,
        "engine": make_engine(Engine(), folder / "engine").path,
    }


@pytest.fixture
def copy(made, tmp_path):
    return lambda kind: Path(shutil.copytree(made[kind], tmp_path / f"{kind}.bundle"))


def replaced(bundle: Path, name: str, old: str, new: str) -> Path:
    text = (bundle / name).read_text()
    assert old in text
    (bundle / name).write_text(text.replace(old, new, 1))
    return seal_again(bundle)


@pytest.mark.parametrize("kind", ["folded", "unrolled", "engine"])
def test_what_the_compiler_writes_may_be_compiled(kind, made):
    assert Bundle.load(made[kind]).rtl


def test_sealing_again_changes_nothing_of_itself(copy):
    bundle = copy("folded")
    before = Bundle.load(bundle)
    after = Bundle.load(seal_again(bundle))
    assert (after.build_id, after.rtl) == (before.build_id, before.rtl)


# What a core may not hold, each in the place of its closing line.
HARMFUL = [
    'initial $system("touch x");',
    "initial begin end",
    "final begin end",
    'import "DPI-C" function int system(input string command);',
    'export "DPI-C" function f;',
    '`include "/etc/passwd"',
    "`define x y",
    "`ifdef VERILATOR",
    "`systemc_implementation",
    "`verilator_config",
    "`timescale 1ns/1ps",
    '$c("system(0);");',
    "wire y = $c(1);",
    'wire y = $fopen("x");',
    "wire y = $random;",
    "/*verilator public*/ wire y;",
    "// verilator lint_off WIDTH",
    "// synopsys translate_off",
    "(* blackbox *) wire y;",
    "\\initial  ;",
    "wire y; \x0b initial $finish;",
    "// a comment \r initial $finish;",
    "// a comment \\\n initial $finish;",
    "wire \xe9;",
    "\x00",
    'wire [15:0] y = "ab";',
    "bitfold_top again ();",
    "dataflow_core again ();",
    "unknown_module other ();",
    'rom #(.IMAGE("../../../etc/passwd")) other (.address(0), .data());',
    'rom #(.IMAGE("stage_0.weights.hex/../x")) other (.address(0), .data());',
    "rom #(.IMAGE(`x)) other (.address(0), .data());",
    f"rom #(.DEPTH({MAX_NUMBER + 1})) other (.address(0), .data());",
    f"wire [{MAX_NUMBER + 1}:0] y;",
    "wire [99999999999999999999:0] y;",
    "bind mvau rom other ();",
    "defparam stage_0.ROWS = 1;",
    "assign core.stage_0.x = 1;",
    "always begin end",
    "always #1 x = 1;",
    "for (x = 0; x < 1; x = x + 1) begin end",
    "while (1) begin end",
    "import std::*;",
    "wire y = std::randomize();",
    "function automatic [0:0] f(input [0:0] x); f = f(x); endfunction",
    "wire y = later(1);",
    "function [0:0] f(input [0:0] x); f = x; endfunction",
    "endmodule module mvau ();",
    "endmodule module other ();",
    "endmodule program p; endprogram module dataflow_core ();",
    '"',
    "/* open",
]


CASES = [("folded", harm) for harm in HARMFUL] + [("unrolled", harm) for harm in HARMFUL[:3]]


@pytest.mark.parametrize(("kind", "harm"), CASES)
def test_generated_text_holds_nothing_but_what_the_compiler_writes(kind, harm, copy):
    name = {"folded": "rtl/dataflow_core.sv", "unrolled": "rtl/unrolled_1.sv"}[kind]
    bundle = copy(kind)
    content = (bundle / name).read_text()
    text = content.replace("\nendmodule", f"\n{harm}\nendmodule", 1)
    assert text != content
    (bundle / name).write_bytes(text.encode())
    received = Bundle.load(seal_again(bundle))
    with pytest.raises(BundleError, match=f"{name}: .*which the compiler does not.*--trust-rtl"):
        received.rtl  # noqa: B018
    assert Bundle.load(bundle, trust_rtl=True).rtl == [received.path / n for n in rtl_of(received)]


def rtl_of(bundle: Bundle) -> list[str]:
    names = [name for name in bundle.files if name.startswith("rtl/")]
    return sorted(names, key=lambda name: (not name.endswith("_pkg.sv"), name))


HARMFUL_PACKAGE = 'import "DPI-C" function int system(input string command);\nendpackage'


def test_generated_packages_hold_nothing_but_sizes(copy):
    name = "rtl/dataflow_core_pkg.sv"
    received = Bundle.load(replaced(copy("folded"), name, "endpackage", HARMFUL_PACKAGE))
    with pytest.raises(BundleError, match=f"{name}: .*--trust-rtl"):
        received.rtl  # noqa: B018


def test_the_package_of_an_engine_is_the_one_of_its_size(copy):
    name = "rtl/offload_size_pkg.sv"
    harmed = replaced(copy("engine"), name, "endpackage", HARMFUL_PACKAGE)
    with pytest.raises(BundleError, match=f"{name}: is of another engine"):
        Bundle.load(harmed)


@pytest.mark.parametrize("kind", ["folded", "engine"])
def test_a_hand_written_module_is_the_installed_one_or_is_not_compiled(kind, copy, tmp_path):
    bundle = copy(kind)
    received = Bundle.load(replaced(bundle, "rtl/rom.sv", "endmodule", "// mine\nendmodule"))
    said = r"rtl/rom\.sv is not the module that is installed here; .*--trust-rtl"
    for use in (
        lambda: received.rtl,
        lambda: write_project(received, "pynq-z2", tmp_path / "project"),
        lambda: synthesise_bundle(received),
    ):
        with pytest.raises(BundleError, match=said):
            use()
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize("name", ["rtl/extra.sv", "rtl/unrolled_x.sv", "rtl/Dataflow_core.sv"])
def test_a_module_of_another_name_is_not_compiled(name, copy):
    bundle = copy("folded")
    (bundle / name).write_text("module extra;\nendmodule\n")
    with pytest.raises(BundleError, match="is not the module that is installed here"):
        Bundle.load(seal_again(bundle)).rtl  # noqa: B018


# Memory images.

IMAGE = "images/stage_0.weights.hex"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: None, "can't be read"),
        (lambda text: "", "not an image of 2 words of 45 bits"),
        (lambda text: text[: len(text) // 2], "not an image of 2 words of 45 bits"),
        (lambda text: text + text, "not an image of 2 words of 45 bits"),
        (lambda text: text.upper().replace("\n", "\r\n"), "not an image"),
        (lambda text: "x" + text[1:], "not an image"),
        (lambda text: "@" + text[1:], "not an image"),
        (lambda text: "\n" + text[:-1], "not an image"),
        (lambda text: "f" + text[1:], "not an image"),
    ],
    ids=["missing", "empty", "short", "long", "crlf", "letter", "address", "blank", "wide"],
)
def test_an_image_that_is_not_what_the_rtl_reads_ends_the_build(damage, said, copy):
    bundle = copy("folded")
    text = damage((bundle / IMAGE).read_text())
    if text is None:
        (bundle / IMAGE).unlink()
    else:
        (bundle / IMAGE).write_bytes(text.encode())
    with pytest.raises(BundleError, match=f"{said}.*compile the bundle again"):
        Bundle.load(seal_again(bundle))


@pytest.mark.parametrize(
    ("old", "new"),
    [(".PE(5)", ".PE(0)"), (".PE(5)", ".PE(-5)"), (".PE(5)", ".P(5)"), (".BITS(2)", ".BITS(99)")],
)
def test_parameters_that_can_not_be_are_refused(old, new, copy):
    bundle = copy("folded")
    for name in ("rtl/dataflow_core.sv",):
        text = (bundle / name).read_text()
        (bundle / name).write_text(text.replace(old, new))
    with pytest.raises(BundleError, match="has parameters that can't be"):
        Bundle.load(seal_again(bundle)).rtl  # noqa: B018


# What the manifest says.


OUTSIDE = """../outside.txt /etc/passwd rtl/../../outside.txt rtl\\x.sv rtl/a.py images/x
    images/a/b.hex boards/../x/bitfold.bit boards/x/other.bit setup.py ./network.json network.json/
    rtl//x.sv"""
ODD = ["", "rtl/\0.sv", "rtl/a\n.sv", "rtl/;exec touch x;.sv", "rtl/" + "a" * 5000 + ".sv"]


@pytest.mark.parametrize("name", [*OUTSIDE.split(), *ODD], ids=lambda name: repr(name)[:30])
def test_a_file_name_leads_nowhere_but_into_the_bundle(name, copy, tmp_path):
    (tmp_path / "outside.txt").write_text("")
    bundle = seal_again(copy("folded"), lambda m: m["files"].update({name: "0" * 64}))
    with pytest.raises(BundleError, match="is no file of a bundle; compile the bundle again"):
        Bundle.load(bundle)


@pytest.mark.parametrize("name", ["rtl/mvau.sv", "images", "network.json", "manifest.json"])
def test_links_in_a_bundle_are_refused(name, copy, tmp_path):
    bundle = copy("folded")
    (bundle / name).rename(tmp_path / "outside")
    (bundle / name).symlink_to(tmp_path / "outside")
    with pytest.raises(BundleError, match=f"{name} is a link; a bundle holds its files itself"):
        Bundle.load(bundle)


def test_a_link_to_a_bundle_is_as_good_as_the_bundle(made, tmp_path):
    (tmp_path / "link").symlink_to(made["folded"])
    assert Bundle.load(tmp_path / "link").rtl


def test_files_that_the_manifest_does_not_list_are_neither_compiled_nor_shipped(copy, tmp_path):
    bundle = copy("folded")
    for name in ("rtl/extra.sv", "images/mvau.sv", "images/extra.hex", "setup.py"):
        (bundle / name).write_text("unlisted")
    received = Bundle.load(bundle)
    assert "extra.sv" not in {file.name for file in received.rtl}
    write_project(received, "pynq-z2", tmp_path / "project")
    write_package(tmp_path / "package", {"net.bundle": received})
    for file in (*(tmp_path / "project").rglob("*"), *(tmp_path / "package").rglob("*")):
        assert not file.is_file() or file.read_bytes() != b"unlisted", file
    assert synthesise_files(received) == {file.name for file in received.rtl} | {
        Path(name).name for name in received.files if name.startswith("images/")
    }


def synthesise_files(bundle: Bundle) -> set[str]:
    return {file.name for file in (*bundle.rtl, *bundle.image_files)}


def edit(*keys, value):
    def change(manifest: dict) -> None:
        for key in keys[:-1]:
            manifest = manifest[key]
        manifest[keys[-1]] = value

    return change


WRONG = [None, True, "1", [], {}, -1, 0, 0.5, 1e308, 10**30]


def with_design(bundle: Path, *keys, value) -> Path:
    """`bundle` with another value at one place of its design, sealed again."""
    document = json.loads((bundle / DESIGN).read_text())
    edit(*keys, value=value)(document)
    (bundle / DESIGN).write_text(json.dumps(document))
    return seal_again(bundle)


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize(
    "keys",
    [
        ("input", "elements"),
        ("output", "elements"),
        ("stages", 0, "fold", "pe"),
        ("stages", 0, "fold", "simd"),
        ("stages", 0, "inputs", 0, "shape"),
        ("stages", 0, "output", "shape"),
        ("edges", 0, "source"),
        ("edges", 0, "operand"),
        ("edges", 0, "link", "lanes_in"),
    ],
    ids=lambda keys: "/".join(map(str, keys)),
)
def test_a_number_in_the_design_that_can_not_be_is_refused(keys, value, copy):
    bundle = copy("folded")
    there = json.loads((bundle / DESIGN).read_text())
    for key in keys:
        there = there[key]
    if type(there) is type(value) and there == value:
        return  # what stands there already
    with pytest.raises(BundleError) as refused:
        Bundle.load(with_design(bundle, *keys, value=value))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


@pytest.mark.parametrize("value", [None, True, "100", [], -1, 0, float("inf"), float("nan")])
def test_a_clock_is_a_number_above_zero(value, copy):
    bundle = seal_again(copy("folded"), edit("clock_mhz", value=value))
    with pytest.raises(BundleError, match=r"clock_mhz is|is not finite"):
        Bundle.load(bundle)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("stages", 0, "kind"), "system"),
        (("stages", 0, "own"), {}),
        (("stages", 0, "own", "weight"), "FLOAT"),
        (("stages", 0, "ops"), []),
        (("stages", 0, "ops", 0, "kind"), "Op"),
        (("stages", 0, "ops", 0, "attributes"), {"x": 1}),
        (("stages", 0, "fold"), {"pe": 1}),
        (("stages",), []),
        (("edges",), []),
        (("edges", 0, "target"), 99),
        (("input", "encoding"), "INT" + "9" * 5000),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_design_that_can_not_be_is_refused(keys, value, copy):
    with pytest.raises(BundleError) as refused:
        Bundle.load(with_design(copy("folded"), *keys, value=value))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("name",), 5),
        (("kind",), "../x"),
        (("kind",), []),
        (("network_id",), "0" * 32),
        (("network_id",), 1),
        (("build_id",), "aabb; exec touch x"),
        (("build_id",), "0" * 32),
        (("build_id",), 5),
        (("files",), []),
        (("files",), {}),
        (("files", "network.json"), "x"),
        (("files", "network.json"), None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_any_other_field_is_what_it_says_or_is_refused(keys, value, copy):
    bundle = seal_again(copy("folded"), edit(*keys, value=value))
    with pytest.raises(BundleError) as refused:
        Bundle.load(bundle)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


@pytest.mark.parametrize("key", ["kind", "name", "build_id", "clock_mhz", "files", "network_id"])
def test_a_field_that_is_missing_is_named(key, copy):
    bundle = seal_again(copy("folded"), lambda manifest: manifest.pop(key))
    with pytest.raises(BundleError, match=key):
        Bundle.load(bundle)


@pytest.mark.parametrize("value", [1 << 40, 17, 0, -16, True, "16", None], ids=repr)
@pytest.mark.parametrize("key", ["rows", "lanes", "input_words", "weight_words"])
def test_an_engine_is_of_a_size_that_is_made(key, value, copy):
    bundle = seal_again(copy("engine"), edit("engine", key, value=value))
    with pytest.raises(BundleError, match=f"{key}.*compile the bundle again"):
        Bundle.load(bundle)


def test_nested_json_is_refused_in_either_file(copy):
    bundle = copy("folded")
    deep = "[" * 100_000 + "]" * 100_000
    (bundle / "network.json").write_text(deep)
    with pytest.raises(BundleError, match="nested more than"):
        Bundle.load(seal_again(bundle))
    (bundle / "manifest.json").write_text(deep)
    with pytest.raises(BundleError, match="nested more than"):
        Bundle.load(bundle)


def test_a_long_name_is_harmless(copy):
    name = "n" * 10_000
    assert Bundle.load(seal_again(copy("folded"), edit("name", value=name))).name == name
    assert json.loads((copy("engine") / "manifest.json").read_text())["kind"] == "offload"


@pytest.mark.parametrize(
    "change", [{"rows": 16}, {"lanes": 128}, {"softmax": True}, {"rows": None}]
)
def test_an_engine_of_another_size_than_its_rtl_is_refused(tmp_path, change):
    engine = make_engine(Engine(8, 64, 512, 64, 4), tmp_path / "engine")

    def other(manifest: dict) -> None:
        sizes = {**manifest["engine"], **change}
        manifest["engine"] = {name: size for name, size in sizes.items() if size is not None}

    seal_again(engine.path, other)
    with pytest.raises(BundleError, match="is of another engine than the manifest tells of"):
        Bundle.load(engine.path)
