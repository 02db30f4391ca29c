"""Names from a file are data: whatever they are, results are those of plain names, nothing that
they say is done, and nothing is written where they point."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.command_line import bitfold, read, works
from support.hostile_names import HOSTILE, TRACE
from support.html_names import elements
from support.small_network import SMALL
from support.vivado_workplace import Workplace, needs_tclsh

from bitfold.build.cli.console import visible
from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.frontend import read_qonnx
from bitfold.build.frontend.naming import unique
from bitfold.models.errors import NetworkError
from bitfold.models.names import MAX_CHARACTERS, plain_name
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.dataflow.fold import Fold

ROUNDS = range(5)
PLAIN = ("binarize", "fc0", "act0", "fc1")
FOLDING = {"binarize": Fold(1), "fc0": Fold(1, 3), "fc1": Fold(1, 2)}
X = np.arange(48).reshape(16, 3) % 16


def names_of_round(number: int) -> Iterator[str]:
    """All names, beginning elsewhere in each round, so that each plays several parts."""
    start = number * len(HOSTILE) // len(ROUNDS)
    return map(plain_name, islice(cycle(HOSTILE), start, start + len(HOSTILE)))


def renamed(network: Network, names: Iterator[str]) -> Network:
    """`network` with other names for everything that has one."""
    layers = {node.name: next(names) for node in network.nodes}
    values = {name: next(names) for name in network.values}
    parameters = {name: next(names) for name in network.parameters}
    changed = tuple(
        replace(
            node,
            name=layers[node.name],
            inputs=tuple(values[name] for name in node.inputs),
            outputs=tuple(values[name] for name in node.outputs),
            parameters=tuple(parameters[name] for name in node.parameters),
        )
        for node in network.nodes
    )
    return replace(
        network,
        name=next(names),
        input=values[network.input],
        output=values[network.output],
        values={values[name]: value for name, value in network.values.items()},
        parameters={parameters[name]: given for name, given in network.parameters.items()},
        nodes=changed,
        labels=tuple(next(names) for _ in network.labels),
        info={"source": next(names), "quantization": next(names), "dataset": next(names)},
    )


def compiled(network: Network, folder: Path) -> Bundle:
    folds = {
        node.name: FOLDING[plain] for node, plain in zip(network.nodes, PLAIN) if plain in FOLDING
    }
    return compile_dataflow(network, folds, folder)


@pytest.fixture
def work(home, tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder to work in, several below one in which nothing may appear."""
    folder = tmp_path / "a" / "b" / "c" / "d"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(folder)
    np.save("x.npy", X)
    yield folder
    outside = [path for path in tmp_path.rglob("*") if folder not in (path, *path.parents)]
    assert sorted(outside) == sorted(p for p in folder.parents if tmp_path in p.parents)
    assert not list(tmp_path.rglob(f"{TRACE}*"))


def test_the_list_has_what_it_is_to_have():
    assert len(set(HOSTILE)) == len(HOSTILE) > 40


def test_a_plain_name_stays_and_any_other_becomes_one_line():
    for name in ("fc0", "hidden.0.linear", "a b", "é漢字🌷", "<b>", "$(x)", "[red]", ""):
        assert plain_name(name) == name
    for name in HOSTILE:
        made = plain_name(name)
        made.encode()
        assert plain_name(made) == made and len(made) <= MAX_CHARACTERS
        assert not set(made) & set("\0\n\r\t\x1b\x7f\x9b")


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "a\x1b[31m", "\ud800", "n" * 1001, 5, None, ()])
def test_a_network_has_names_of_one_line(name):
    with pytest.raises(NetworkError, match="is not one line of at most 1000 characters; rename"):
        replace(SMALL, name=name)
    nodes = (replace(SMALL.nodes[0], name=name), *SMALL.nodes[1:])
    with pytest.raises(NetworkError, match=r"layer name .* is not one line"):
        replace(SMALL, nodes=nodes)


def test_the_front_end_gives_every_layer_a_name_of_its_own():
    taken: set[str] = set()
    made = [unique(name, taken) for name in (*HOSTILE, *HOSTILE)]
    assert len(set(made)) == len(made) == 2 * len(HOSTILE)
    assert all(plain_name(f"{name}.threshold") == f"{name}.threshold" for name in made)


@pytest.mark.parametrize("number", ROUNDS)
def test_a_saved_network_keeps_its_names(number, tmp_path):
    network = renamed(SMALL, names_of_round(number))
    network.save(tmp_path)
    loaded = Network.load(tmp_path)
    assert loaded.nodes == network.nodes and loaded.labels == network.labels
    np.testing.assert_array_equal(loaded(X), SMALL(X))


@pytest.mark.parametrize("number", ROUNDS)
def test_a_bundle_has_the_same_hardware_under_any_names(number, work):
    network = renamed(SMALL, names_of_round(number))
    plain, made = compiled(SMALL, Path("plain")), compiled(network, Path("made"))
    assert made.build_id == plain.build_id
    hardware = [name for name in made.files if name.startswith(("rtl/", "images/"))]
    assert {name: made.files[name] for name in hardware} == {
        name: plain.files[name] for name in plain.files if name.startswith(("rtl/", "images/"))
    }
    assert made.files.keys() == plain.files.keys()
    assert [file.name for file in made.rtl] == [file.name for file in plain.rtl]


@pytest.mark.parametrize("number", ROUNDS)
def test_every_command_gives_what_it_gives_for_plain_names(number, work):
    network = renamed(SMALL, names_of_round(number))
    for which, each in (("plain", SMALL), ("made", network)):
        compiled(each, Path(f"{which}.bundle"))
        works("run", f"{which}.bundle", "x.npy", "--json", f"{which}.json", "-o", f"{which}.npy")
        works("inspect", f"{which}.bundle", "--json", f"{which}.inspect.json")
    np.testing.assert_array_equal(np.load("made.npy"), np.load("plain.npy"))
    plain, made = read(Path("plain.json")), read(Path("made.json"))
    named = ("network", "bundle", "busy_cycles", "stalled_cycles")
    assert {k: v for k, v in made.items() if k not in named} == {
        k: v for k, v in plain.items() if k not in named
    }
    for key in ("busy_cycles", "stalled_cycles"):
        assert list(made[key].values()) == list(plain[key].values())
    stages = read(Path("made.inspect.json"))["stages"]
    assert [stage["name"] for stage in stages] == [node.name for node in network.nodes]

    works("diff", "made.bundle:network", "made.bundle", "--data", "x.npy")
    works("bitstream", "made.bundle", "--board", "pynq-z2")
    works("bitstream", "plain.bundle", "--board", "pynq-z2")
    projects = [
        {f.relative_to(p).as_posix(): f.read_bytes() for f in p.rglob("*") if f.is_file()}
        for p in (Path("made-pynq-z2.vivado"), Path("plain-pynq-z2.vivado"))
    ]
    assert projects[0] == projects[1]

    works("deploy", "made.bundle", "--data", "x.npy", "-o", "package", "--json", "deploy.json")
    (run,) = read(Path("deploy.json"))["runs"]
    assert (Path("package") / run["network"]).parent == Path("package/networks")
    assert set(Path(run["name"]).name) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
    )

    works("report", "made.bundle", "x.npy", "-o", "made.html")
    works("report", "plain.bundle", "x.npy", "-o", "plain.html")
    assert set(elements(Path("made.html"))) == set(elements(Path("plain.html")))


def test_names_are_shown_as_they_are(work):
    nodes = tuple(
        replace(node, name=name) for node, name in zip(SMALL.nodes, ("[red]", "[/]", ":x:", "{0}"))
    )
    compiled(replace(SMALL, nodes=nodes, labels=("[/b]", "[link=x]")), Path("made.bundle"))
    shown = works("inspect", "made.bundle") + works("run", "made.bundle", "x.npy")
    for name in ("[red]", "[/]", ":x:", "{0}", "[/b]"):
        assert name in shown, shown


FILES = [
    name
    for name in map(plain_name, HOSTILE)
    if name.strip(". ") and not set(name) & set("/\0") and len(name) < 200
]


def test_a_bundle_works_under_any_file_name(work):
    made = compiled(SMALL, Path("plain.bundle"))
    expected = works("run", "plain.bundle", "x.npy")
    for name in FILES:
        folder = Path("bundles") / f"{name}.bundle"
        shutil.copytree(made.path, folder)
        assert works("run", folder, "x.npy", "-o", f"out/{name}.csv") == expected
        assert Path(f"out/{name}.csv").read_text() == Path(f"out/{FILES[0]}.csv").read_text()
        said = works("bitstream", folder, "--board", "pynq-z2", "-o", f"projects/{name}")
        command = said.partition("there is one: ")[2].splitlines()[0]
        assert shlex.split(command)[:3] == ["cd", visible(f"projects/{name}"), "&&"]


@needs_tclsh
def test_vivado_s_scripts_take_any_folder(work, small_bundles):
    place = Path(f"a [exec touch {TRACE}] $(touch {TRACE}) `touch {TRACE}` b*?;").resolve()
    place.mkdir()
    workplace = Workplace(place, "dataflow", "pynq-z2")
    shutil.copytree(small_bundles / "dataflow.bundle", workplace.bundle)
    workplace.stand_in()
    said = works(
        "bitstream",
        workplace.bundle,
        "--board",
        "pynq-z2",
        "--vivado",
        workplace.vivado,
        "-o",
        workplace.project,
    )
    assert "bitstream: " in said


def test_an_onnx_file_with_hostile_names_gives_what_it_gives_without(made, work):
    attack = [name for name in HOSTILE if TRACE in name and "\n" not in name][:4]
    odd = ["nul\0byte", "</title></style><!--", "[/]"]
    model = onnx.load(made / "net.onnx")
    layers = cycle(attack)
    for node in model.graph.node:
        if node.op_type == "Gemm":
            node.metadata_props.add(
                key="pkg.torch.onnx.name_scopes", value=repr(["", next(layers), ""])
            )
    for entry in model.metadata_props:
        if entry.key == "bitfold.name":
            entry.value = attack[1]
        if entry.key == "bitfold.class_names":
            entry.value = json.dumps(odd)
    onnx.save(model, "hostile.onnx")
    works("compile", "hostile.onnx", "--cycles", 128)
    network = read_qonnx("hostile.onnx")
    assert network.labels == tuple(map(plain_name, odd))
    assert {plain_name(attack[0])} <= {node.name for node in network.nodes}
    for which in ("hostile.bundle", made / "net.bundle"):
        works("run", which, "--dataset", "iris", "-o", f"{Path(which).stem}.npy")
    np.testing.assert_array_equal(np.load("hostile.npy"), np.load("net.npy"))
    assert Bundle.load("hostile.bundle").build_id == Bundle.load(made / "net.bundle").build_id


@pytest.mark.slow
def test_a_table_with_hostile_names_trains_as_one_with_plain_names(work):
    """Columns and classes of the same order, so that the rows are the same."""
    rng = np.random.default_rng(0)
    columns = ["../" + TRACE, f"$(touch {TRACE})", "[/]"]
    classes = [f'"); $system("touch {TRACE}', "two\nlines", "{{7*7}}"]
    for file, header, names in (
        ("plain.csv", ["a", "b", "c"], ["0x", "1x", "2x"]),
        ("hostile.csv", columns, sorted(map(plain_name, classes))),
    ):
        rng = np.random.default_rng(0)
        rows = [",".join([*map(quoted, header), "class"])]
        for i in range(60):
            values = rng.normal(i % 3, 0.3, 3)
            rows.append(",".join([*(f"{v:.3f}" for v in values), quoted(names[i % 3])]))
        Path(file).write_text("\n".join(rows) + "\n")
        works("make", file, "--label", "class", "--steps", 20, "--json", f"{file}.json")
    plain, hostile = (read(Path(f"{name}.csv.json")) for name in ("plain", "hostile"))
    assert hostile["classes"] == plain["classes"] and hostile["cycles"] == plain["cycles"]
    works("run", "hostile.bundle", "hostile.csv", "--label", "class")


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


@pytest.mark.slow
@pytest.mark.parametrize("number", ROUNDS[:2])
def test_finn_and_yosys_get_no_name_of_a_layer(number, made, work):
    network = renamed(SMALL, names_of_round(number))
    compiled(network, Path("made.bundle"))
    compiled(SMALL, Path("plain.bundle"))
    for which in ("made", "plain"):
        works("synth", f"{which}.bundle", "--core", "--no-timing", "--json", f"{which}.json")
    assert read(Path("made.json"))["total"] == read(Path("plain.json"))["total"]
    assert bitfold("report", "made.bundle", "x.npy", "--synthesis", "made.json").exit_code == 0
