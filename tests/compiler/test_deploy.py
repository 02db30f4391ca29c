"""`bitfold deploy`: what a package holds, and what it refuses."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import shutil
import zipfile
from email import message_from_string
from pathlib import Path

import numpy as np
import pytest
from support.command_line import bitfold, fails, listing, read, works

from bitfold import models, overlays, runtime
from bitfold.build.implement.runtime_wheel import write_runtime_wheel
from bitfold.models.datasets import load_iris
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle, add_bitstream

ROOMS = (models, overlays, runtime)


@pytest.fixture
def dataflow(here, made) -> Path:
    return made / "net.bundle"


@pytest.fixture
def offload(small_bundles) -> Path:
    """A small engine."""
    return small_bundles / "offload.bundle"


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> Path:
    """An engine that iris fits."""
    path = tmp_path_factory.mktemp("engine") / "engine.bundle"
    works("overlay", "offload", "-o", path)
    return path


def vectors(network: str) -> dict[str, np.ndarray]:
    with np.load(Path("package") / network / "vectors.npz") as file:
        return dict(file)


def test_a_package_holds_the_bundles_the_networks_and_what_must_come_out(dataflow, engine):
    said = works("deploy", dataflow, engine, "--dataset", "iris", "--json", "d.json")
    contents = json.loads(Path("package/package.json").read_text())
    assert read(Path("d.json")) == {**contents, "package": "package"}
    pairs = [(run["bundle"], run["network"]) for run in contents["runs"]]
    assert len(pairs) == 2 and len({network for _, network in pairs}) == 1
    assert [bundle for bundle, _ in pairs] == ["net.bundle", "engine.bundle"]
    for given in (dataflow, engine):
        copy = Bundle.load(Path("package") / given.name)
        assert copy.build_id == Bundle.load(given).build_id
        assert f"{given.name}: no bitstream yet" in said
    network = Network.load(Path("package") / pairs[0][1])
    assert network.id == Bundle.load(dataflow).network.id
    flowers, held = load_iris(), vectors(pairs[0][1])
    np.testing.assert_array_equal(held["inputs"], flowers.features)
    np.testing.assert_array_equal(held["labels"], flowers.labels)
    np.testing.assert_array_equal(held["expected"], network(network.quantize(flowers.features)))


def test_a_network_is_given_to_an_engine_by_its_file_and_tried_at_random(here, engine):
    works("deploy", engine, "--network", "net.onnx")
    (run,) = json.loads(Path("package/package.json").read_text())["runs"]
    network, held = Network.load(Path("package") / run["network"]), vectors(run["network"])
    assert held["inputs"].shape == (100, 4)
    assert (held["inputs"].min(), held["inputs"].max()) == (0, 255)
    assert len(np.unique(held["expected"], axis=0)) > 20
    np.testing.assert_array_equal(held["expected"], network(held["inputs"]))
    assert held["labels"].size == 0


def test_samples_may_be_of_ones_own(dataflow):
    np.save("mine.npy", load_iris().features[40:60])
    works("deploy", dataflow, "--data", "mine.npy", "-o", "package")
    (run,) = json.loads(Path("package/package.json").read_text())["runs"]
    np.testing.assert_array_equal(vectors(run["network"])["inputs"], load_iris().features[40:60])


def test_two_networks_of_one_name_are_kept_apart(dataflow, engine):
    works("compile", "net.onnx", "--argmax", "-o", "class.bundle")
    works("deploy", dataflow, "class.bundle", engine)
    runs = json.loads(Path("package/package.json").read_text())["runs"]
    assert len(runs) == 4  # each on its own overlay and on the engine
    assert len({run["name"] for run in runs}) == 4
    assert len({run["network"] for run in runs}) == 2
    for run in runs:
        assert Network.load(Path("package") / run["network"]).id == run["network_id"]


def test_a_bitstream_comes_along(dataflow):
    shutil.copytree(dataflow, "with.bundle")
    add_bitstream(Bundle.load("with.bundle"), "pynq-z2", b"bits", "<handoff/>")
    Path("with.bundle/notes.txt").write_text("no part of the bundle")
    assert "with.bundle: for pynq-z2" in works("deploy", "with.bundle")
    assert Bundle.load("package/with.bundle").bitstream("pynq-z2").bit.read_bytes() == b"bits"
    assert not Path("package/with.bundle/notes.txt").exists()


def test_an_older_package_is_replaced_as_a_whole(dataflow, engine):
    works("deploy", engine, "--network", dataflow)
    Path("package/results").mkdir()
    works("deploy", dataflow)
    assert not Path("package/engine.bundle").exists()
    assert not Path("package/results").exists()
    assert Path("package/net.bundle/manifest.json").exists()


MISTAKES = {
    "nothing to run": (("OFFLOAD",), "offload.bundle: there is no network to run on it; give one"),
    "a network that nothing runs": (
        ("DATAFLOW", "--network", "OTHER"),
        "no bundle runs random",
    ),
    "no bundle": (("none.bundle",), "none.bundle: there is no such bundle"),
    "samples of another shape": (
        ("DATAFLOW", "--data", "wide.npy"),
        r"input has shape \(3, 9\); expected \(batch, 4\)",
    ),
    "no samples": (("DATAFLOW", "--data", "none.npy"), "none.npy: not samples"),
    "a place that is taken": (
        ("DATAFLOW", "-o", "thesis"),
        "thesis: is there already, without a package.json in it; choose another place",
    ),
    "a place that can't be": (("DATAFLOW", "-o", "wide.npy/x"), "x: can't be written"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_and_nothing_is_left_behind(arguments, message, dataflow, offload):
    np.save("wide.npy", np.zeros((3, 9), np.float32))
    Path("thesis").mkdir()
    Path("thesis/chapter1.txt").write_text("years of work")
    before = listing(Path())
    given = {"DATAFLOW": dataflow, "OFFLOAD": offload, "OTHER": offload.parent / "dataflow.bundle"}
    said = fails("deploy", *(given.get(argument, argument) for argument in arguments))
    assert re.search(message, said), said
    assert listing(Path()) == before


def test_a_failure_leaves_the_older_package_as_it_was(dataflow):
    np.save("wide.npy", np.zeros((3, 9), np.float32))
    works("deploy", dataflow)
    before = listing(Path())
    fails("deploy", dataflow, "--data", "wide.npy")
    assert listing(Path()) == before


def test_usage_is_told(dataflow):
    both = ("deploy", dataflow, "--data", "x.npy", "--dataset", "iris")
    assert "not both" in fails(*both, code=2)
    assert "two bundles have the same name" in fails("deploy", dataflow, dataflow, code=2)
    assert bitfold("deploy").exit_code == 2


# The wheel.


def test_the_wheel_holds_the_three_rooms_and_says_what_they_need(tmp_path):
    path = write_runtime_wheel(tmp_path)
    with zipfile.ZipFile(path) as wheel:
        content = {name: wheel.read(name) for name in wheel.namelist()}
    expected = {
        f"bitfold/{room.__name__.partition('.')[2]}/{file.relative_to(folder).as_posix()}": file
        for room in ROOMS
        for folder in [Path(room.__file__).parent]
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    ours = {name: data for name, data in content.items() if ".dist-info/" not in name}
    assert ours == {name: file.read_bytes() for name, file in expected.items()}
    (metadata,) = (data.decode() for name, data in content.items() if name.endswith("/METADATA"))
    stated = message_from_string(metadata)
    assert stated["Name"] == "bitfold-runtime"
    assert stated.get_all("Requires-Dist") == ["numpy>=1.21"]
    assert stated["Requires-Python"] == ">=3.10"
    (licence,) = (data for name, data in content.items() if name.endswith("/LICENSE"))
    assert b"Redistribution and use" in licence


def test_the_wheels_record_names_every_file_with_its_hash(tmp_path):
    with zipfile.ZipFile(write_runtime_wheel(tmp_path)) as wheel:
        (record,) = (name for name in wheel.namelist() if name.endswith("/RECORD"))
        rows = list(csv.reader(wheel.read(record).decode().splitlines()))
        assert [name for name, _, _ in rows] == wheel.namelist()
        for name, digest, size in rows:
            data = wheel.read(name)
            sha256 = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            expected = ["", ""] if name == record else [f"sha256={sha256}", str(len(data))]
            assert [digest, size] == expected


def test_the_same_files_make_the_same_wheel(tmp_path):
    wheels = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        wheels.append(write_runtime_wheel(tmp_path / name).read_bytes())
    assert wheels[0] == wheels[1]
