"""The report: its figures, what ran and what did not, and mistakes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from support.command_line import bitfold, fails, listing, read, works
from support.report_figures import check_figures, paths_that_have_to_be_shown

from bitfold.build.compile.lowering import lower
from bitfold.build.compile.passes.cut import cut_behind
from bitfold.build.inspect.report.timeline import dataflow_timeline
from bitfold.build.workflows.networks import default_engine, find_network
from bitfold.models.cross_validation import look_up
from bitfold.overlays.bundle import Bundle
from bitfold.runtime.offload.schedule import schedule
from bitfold.runtime.offload.steps import split

KINDS = ("dataflow", "offload")
FIGURE = re.compile(r'<data value="([^"]*)" data-path="([^"]*)">([^<]*)</data>')
STAGES = ("torch", "QONNX", "functional device", "RTL in Verilator", "netlist of Yosys", "board")


def test_every_figure_of_the_page_is_that_of_the_json(reports, kind):
    report = read(reports / f"{kind}.json")
    figures = FIGURE.findall((reports / f"{kind}.html").read_text())
    check_figures(figures, report)
    assert paths_that_have_to_be_shown(report) <= {path for _, path, _ in figures}


def test_the_figures_are_those_that_other_commands_give(reports, made, here):
    report = read(reports / "dataflow.json")
    works("inspect", made / "net.bundle", "--json", "inspect.json")
    works("run", made / "net.bundle", "--dataset", "iris", "--json", "run.json")
    looked, ran = read(here / "inspect.json"), read(here / "run.json")
    assert report["build_id"] == looked["build_id"]
    assert report["summary"]["luts"] == looked["luts_estimated"]
    folds = {s["name"]: (s["pe"], s["simd"]) for s in looked["stages"] if s["kind"] == "matrix"}
    assert {layer["name"]: (layer["pe"], layer["simd"]) for layer in report["layers"]} == folds
    for key in ("latency_cycles", "initiation_interval", "cycles"):
        assert report["cycles"][key] == ran[key]
        assert report["cycles"]["predicted"][key] == ran[f"{key}_predicted"]
    assert report["accuracy"]["functional"] == ran["metrics"]
    counted = {row["name"]: row["busy"] for row in report["timeline"]["rows"] if row["busy"]}
    assert counted == ran["busy_cycles"]


def test_all_150_flowers_ran_at_every_stage_that_is_here(reports, kind):
    stages = read(reports / f"{kind}.json")["stages"]
    assert tuple(stage["stage"] for stage in stages) == STAGES
    for stage in stages[:4]:
        assert (stage["samples"], stage["mismatches"], stage["not_run"]) == (150, 0, None)
    for stage in stages[4:]:
        assert "bitfold" in stage["not_run"]


def test_the_timeline_of_a_dataflow_overlay_ends_when_the_rtl_says(reports):
    report = read(reports / "dataflow.json")
    rows = report["timeline"]["rows"]
    assert rows[0]["first"] == 0
    assert rows[-1]["last"] == report["cycles"]["latency_cycles"]
    assert all(row["first"] <= row["last"] for row in rows)
    assert all(a["last"] <= b["last"] and a["first"] <= b["first"] for a, b in pairwise(rows))


def test_a_layer_of_the_timeline_ends_where_an_overlay_up_to_it_would(made):
    bundle = Bundle.load(made / "net.bundle")
    network, whole = bundle.network, bundle.design
    layers = dataflow_timeline(whole)["rows"][1:-1]
    ends = [stage for i, stage in enumerate(whole.stages) if whole.layer_ends(i)[1]]
    assert [layer["name"] for layer in layers] == list(whole.layers)
    assert len(ends) < len(whole.stages)
    for place, (layer, end) in enumerate(zip(layers, ends)):
        folding = {name: whole.folding[name] for name in whole.layers[: place + 1]}
        part = lower(cut_behind(network, network.maker(end.value)), folding)
        assert layer["last"] == part.schedule.flows[0].moves[-1].departures[-1]


def test_the_blocks_of_an_offload_schedule_share_loader_array_and_drain(made, cache):
    engine = default_engine(cache).engine
    (step,) = split(engine, find_network(made / "net.bundle"))
    for frames in (1, 7, 100):
        made_for = schedule(engine, step.program, frames, 20)
        blocks = [block for layer in made_for.layers for block in layer.blocks]
        for part in ("load", "compute", "drain"):
            spans = [getattr(block, part) for block in blocks]
            assert all(first < behind for first, behind in spans)
            assert all(a[1] <= b[0] for a, b in pairwise(spans)), part
        for layer in made_for.layers:
            loads = sum(behind - first for first, behind in (b.load for b in layer.blocks))
            assert loads == layer.load_cycles
            taken = sum(behind - first for first, behind in (b.compute for b in layer.blocks))
            assert taken >= layer.compute_cycles
            assert layer.begins < layer.blocks[0].compute[0]
            assert layer.blocks[-1].drain[1] <= layer.ends
        for before, block in zip(blocks, blocks[2:]):  # of two buffers the older is loaded anew
            assert before.drain[1] <= block.load[0]
        assert blocks[0].load[1] <= blocks[0].compute[0]


def test_the_commands_make_the_same_overlay_again(reports, made, here):
    commands = [shlex.split(c["run"]) for c in read(reports / "dataflow.json")["commands"]]
    by_name = {words[1]: words for words in commands}
    assert list(by_name) == ["train", "export", "compile", "run", "synth", "report"]
    for name in ("train", "export", "compile"):
        assert by_name[name][0] == "bitfold"
        works(*by_name[name][1:])
    assert Bundle.load(here / "net.bundle").build_id == Bundle.load(made / "net.bundle").build_id
    works(*by_name["run"][1:], "--limit", 3)


def test_the_commands_make_unrolled_layers_and_a_choice_of_class_again(here):
    works("compile", "net.onnx", "--argmax", "--fold", "dense1=unrolled,2", "--clock", 125.5)
    works("report", "net.bundle", "--rtl", 0, "--json", "report.json")
    (command,) = (
        words
        for words in (shlex.split(c["run"]) for c in read(here / "report.json")["commands"])
        if words[1] == "compile"
    )
    build_id = Bundle.load(here / "net.bundle").build_id
    shutil.rmtree(here / "net.bundle")
    works(*command[1:])
    made_again = Bundle.load(here / "net.bundle")
    assert (made_again.build_id, made_again.clock_mhz) == (build_id, 125.5)


def test_what_was_not_run_is_said(small_bundles, here):
    works("report", small_bundles / "dataflow.bundle", "--rtl", 0, "--json", "report.json")
    report, page = read(here / "report.json"), (here / "dataflow.html").read_text()
    reasons = {stage["stage"]: stage["not_run"] for stage in report["stages"]}
    assert reasons["functional device"] is None
    for name, reason in (
        ("torch", "--source"),
        ("QONNX", "--source"),
        ("RTL in Verilator", "--rtl 0"),
        ("netlist of Yosys", "--verify"),
        ("board", "no bitstream"),
    ):
        assert reason in reasons[name]
        assert re.search(rf'<th scope="row">{name}</th>\s*<td colspan="3"><strong>not run', page)
    assert report["cycles"]["how"] == "predicted"
    assert report["samples"] == {"name": "random inputs", "number": 150}
    assert "no labels" in report["accuracy"]["not_run"]
    assert report["summary"]["accuracy"] is None


def test_a_synthesis_counts_in_place_of_the_estimate(small_bundles, here):
    counted, report = with_synthesis(small_bundles / "dataflow.bundle", "--core")
    assert report["resources"]["scope"] == "core"
    taken = {bar["resource"]: bar["taken"] for bar in report["resources"]["bars"]}
    assert taken["flip-flops"] == counted["total"]["flip_flops"]
    assert report["resources"]["estimate"]["luts"] != counted["core"]["luts"]


@pytest.mark.slow
def test_a_netlist_that_was_simulated_is_a_stage_that_ran(small_bundles, here):
    _, report = with_synthesis(small_bundles / "dataflow.bundle", "--verify", 20)
    netlist = report["stages"][STAGES.index("netlist of Yosys")]
    assert (netlist["samples"], netlist["mismatches"], netlist["not_run"]) == (20, 0, None)


def with_synthesis(bundle: Path, *options: object) -> tuple[dict, dict]:
    """What synth and then report wrote; the figures of the page are checked."""
    works("synth", bundle, "--json", "synth.json", "--no-timing", *options)
    given = ("--synthesis", "synth.json", "--rtl", 0, "--json", "report.json", "-o", "page.html")
    works("report", bundle, *given)
    counted, report = read(Path("synth.json")), read(Path("report.json"))
    assert report["summary"]["luts"] == counted["total"]["luts"]
    parts = report["resources"]["by_part"]
    assert sum(part["luts"] for part in parts) == counted["total"]["luts"]
    check_figures(FIGURE.findall(Path("page.html").read_text()), report)
    return counted, report


def test_a_mismatch_is_shown_and_fails(made, here):
    other = ("train", "iris_64_32_32", "-q", "W1A1", "--steps", 5, "--seed", 1)
    works(*other, "-o", "other.safetensors")
    options = ("--checkpoint", "other.safetensors", "--rtl", 0, "--json", "report.json")
    result = bitfold("report", made / "net.bundle", *options)
    assert result.exit_code == 1, result.output
    report = read(here / "report.json")
    assert report["failed"] and report["stages"][0]["mismatches"] > 0
    assert report["summary"]["mismatches"] == report["stages"][0]["mismatches"]
    assert "<strong>not exact</strong>" in (here / "net.html").read_text()


def test_committed_cross_validation_is_shown_for_its_own_recipe_only(reports, here):
    assert read(reports / "dataflow.json")["accuracy"]["cross_validated"] is None  # 20 steps
    works("train", "iris_64_32_32", "-q", "W1A1", "-o", "net.safetensors")
    works("export", "net.safetensors")
    works("compile", "net.onnx", "--no-check")
    works("report", "net.bundle", "--rtl", 0, "--json", "report.json")
    shown = read(here / "report.json")["accuracy"]["cross_validated"]
    committed = look_up("iris_64_32_32", "W1A1")
    assert shown == {"mean": committed.mean, "std": committed.std, "fits": 75}
    check_figures(FIGURE.findall((here / "net.html").read_text()), read(here / "report.json"))


def test_a_table_is_scored_by_numbers_where_the_model_names_no_classes(here):
    from support.random_networks import Shape, random_network

    from bitfold.build.compile.compiler import compile_dataflow
    from bitfold.overlays.dataflow.fold import Fold

    network = random_network(Shape((2, 3), ("UINT4",), ("INT3",), None, False, False), 0)
    compile_dataflow(network, {"fc0": Fold(1, 1)}, here / "any.bundle")
    (here / "rows.csv").write_text("a,b,class\n" + "1,2,0\n3,4,2\n5,6,1\n")
    options = ("rows.csv", "--label", "class", "--rtl", 0, "--json", "report.json")
    works("report", "any.bundle", *options)
    confusion = read(here / "report.json")["accuracy"]["functional"]["confusion"]
    assert [sum(row) for row in confusion] == [1, 1, 1]


def test_names_are_text_and_no_html(here):
    works("compile", "net.onnx", "--name", '<script>alert("1")</script>&', "-o", "odd.bundle")
    works("report", "odd.bundle", "--rtl", 0)
    page = (here / "odd.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;&amp;" in page


def test_neither_page_nor_json_name_a_place_on_the_machine(reports, made, home, kind):
    for suffix in ("html", "json"):
        text = (reports / f"{kind}.{suffix}").read_text()
        for place in (reports, made, home, Path.home()):
            assert str(place) not in text


def test_a_zip_goes_by_the_name_that_the_user_knows(small_bundles, here):
    shutil.make_archive("some.bundle", "zip", small_bundles / "dataflow.bundle")
    works("report", "some.bundle.zip", "--rtl", 0, "--json", "report.json")
    assert read(here / "report.json")["bundle"] == "some.bundle"
    assert (here / "some.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("nothing.bundle",), "make one with `bitfold compile`", 1),
        (("{offload}",), "say which with --network", 2),
        (("{dataflow}", "--network", "net.onnx"), "this one has its own", 2),
        (("{dataflow}", "x.csv", "--dataset", "iris"), "not both", 2),
        (("{dataflow}", "--label", "class"), "--label goes with a .csv file", 2),
        (("{dataflow}", "--dataset", "iris"), "expected (batch, 6)", 1),
        (("{dataflow}", "--source", "net.onnx"), "give the file that it was compiled from", 1),
        (("{dataflow}", "--synthesis", "net.onnx"), "make it with `bitfold synth dataflow.", 1),
        (("{dataflow}", "--synthesis", "damaged.json"), "total.luts is null, and has to be", 1),
        (("{dataflow}", "--synthesis", "part.json"), "parts[0].module is missing", 1),
        (("{dataflow}", "--synthesis", "other.json"), "of build 0123, but dataflow.bundle is", 1),
        (("{dataflow}", "-o", "net.onnx/page.html"), "can't be written", 1),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_file(small_bundles, here, arguments, said, code):
    other = {
        **{"build_id": "0123", "yosys": "0.1", "recipe": "", "parts": [], "shell": None},
        **{"total": {"luts": 1}, "core": {}},
    }
    for name, change in (
        ("other.json", {}),
        ("damaged.json", {"total": {"luts": None}}),
        ("part.json", {"parts": [{"luts": 1}]}),
    ):
        (here / name).write_text(json.dumps({**other, **change}))
    before = listing(here)
    places = {kind: small_bundles / f"{kind}.bundle" for kind in KINDS}
    filled = [argument.format(**places) for argument in arguments]
    assert said in fails("report", *filled, code=code)
    assert listing(here) == before


def test_a_page_that_fails_while_it_is_written_leaves_the_older_one(
    small_bundles, here, monkeypatch
):
    (here / "page.html").write_text("older")
    before = listing(here)

    def broken(report, network, pictures):
        raise OSError("disk full")

    monkeypatch.setattr("bitfold.build.inspect.report.page.render", broken)
    options = ("--rtl", 0, "-o", "page.html")
    assert "disk full" in fails("report", small_bundles / "dataflow.bundle", *options)
    assert listing(here) == before
