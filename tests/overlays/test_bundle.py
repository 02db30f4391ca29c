"""The bundle on disk: what is written comes back, and nothing else is taken for a bundle."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.random_networks import Shape, random_inputs, random_network

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.build.compile.lowering import lower
from bitfold.models.errors import BundleError, OutputError
from bitfold.overlays.bundle import DESIGN, FORMAT, MANIFEST, Bundle
from bitfold.overlays.dataflow.fold import Fold

SHAPE = Shape((6, 4, 3), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
NETWORK = random_network(SHAPE, 1)
FOLDING = {"fc0": Fold(2, 3), "fc1": Fold(1, 4)}


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A bundle that no test may change."""
    path = tmp_path_factory.mktemp("made") / "net.bundle"
    compile_dataflow(NETWORK, FOLDING, path)
    return path


@pytest.fixture
def copy(made, tmp_path) -> Path:
    """A bundle to damage."""
    return Path(shutil.copytree(made, tmp_path / "net.bundle"))


def test_what_was_compiled_comes_back(made):
    bundle = Bundle.load(made)
    overlay = lower(NETWORK, FOLDING)
    assert (bundle.kind, bundle.name, bundle.path) == ("dataflow", "random", made)
    assert bundle.design.folding == FOLDING
    assert bundle.design.layers == ("fc0", "fc1")
    assert (bundle.design.input, bundle.design.output) == (overlay.input, overlay.output)
    assert bundle.design.latency_cycles == overlay.latency_cycles
    assert bundle.design.initiation_interval == overlay.initiation_interval
    assert bundle.clock_mhz == 100
    assert bundle.network.id == NETWORK.id
    x = random_inputs(NETWORK, 5, 0)
    np.testing.assert_array_equal(bundle.network(x), NETWORK(x))


def test_packages_come_before_the_modules_that_use_them(made):
    names = [file.name for file in Bundle.load(made).rtl]
    packages = [name.endswith("_pkg.sv") for name in names]
    assert packages == sorted(packages, reverse=True) and any(packages)
    assert {"dataflow_core.sv", "mvau.sv", "dataflow_shell.sv"} <= set(names)


def test_the_manifest_says_what_the_bundle_is(made):
    manifest = json.loads((made / MANIFEST).read_text())
    assert manifest["format"] == FORMAT == 4
    assert manifest["network_id"] == NETWORK.id
    assert set(manifest["files"]) == set(files_of(made)) - {MANIFEST}
    assert (made / "images/build_id.hex").read_text().strip() == manifest["build_id"]
    assert len(manifest["build_id"]) == 32


def test_the_bundle_holds_its_design(made):
    document = json.loads((made / DESIGN).read_text())
    assert document["input"] == {"elements": 6, "encoding": "UINT4"}
    folds = {said["name"]: said["fold"] for said in document["stages"]}
    assert folds["fc0"] == {"pe": 2, "simd": 3, "unrolled": 0}
    assert folds["fc1"] == {"pe": 1, "simd": 4, "unrolled": 0}
    design, overlay = Bundle.load(made).design, lower(NETWORK, FOLDING)
    assert (design.stages, design.edges) == (overlay.stages, overlay.edges)
    x = random_inputs(NETWORK, 50, 1)
    np.testing.assert_array_equal(design(x), NETWORK(x))


@pytest.mark.parametrize("damage", ["changed", "missing", "truncated", "emptied"])
def test_damage_to_any_one_file_is_found_and_named(damage, copy):
    names = [name for name in files_of(copy) if name != MANIFEST]
    assert len(names) > 20
    for name in names:
        file = copy / name
        content = file.read_bytes()
        if damage == "missing":
            file.unlink()
        elif damage == "truncated":
            file.write_bytes(content[:-1])
        elif damage == "emptied":
            file.write_bytes(b"")
        else:
            file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        said = "is missing" if damage == "missing" else r"was changed \(its sha256 differs\)"
        with pytest.raises(BundleError, match=f"{name} {said}; compile it again"):
            Bundle.load(copy)
        file.write_bytes(content)
    Bundle.load(copy)


@pytest.mark.parametrize("damage", ["truncated", "emptied", "garbage", "a list", "without a key"])
def test_a_damaged_manifest_is_refused(damage, copy):
    file = copy / MANIFEST
    content = file.read_text()
    file.write_text(
        {
            "truncated": content[: len(content) // 2],
            "emptied": "",
            "garbage": "\x00\x01",
            "a list": "[]",
            "without a key": "{}",
        }[damage]
    )
    with pytest.raises(
        BundleError, match=r"(not readable JSON|has to be an object|format None).* compile"
    ):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clock_mhz", 1000),
        ("kind", "offload"),
        ("name", "another"),
        ("build_id", "0" * 32),
        ("network_id", "0" * 32),
        ("files", {}),
    ],
)
def test_any_change_of_the_manifest_is_found(key, value, copy):
    manifest = json.loads((copy / MANIFEST).read_text())
    assert manifest[key] != value
    (copy / MANIFEST).write_text(json.dumps({**manifest, key: value}))
    with pytest.raises(BundleError, match=r"manifest\.json was changed"):
        Bundle.load(copy)


@pytest.mark.parametrize("number", [1, FORMAT + 1])
def test_another_format_is_refused_with_the_one_that_is_read(number, copy):
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps({**manifest, "format": number}))
    said = f"bundle format {number}, but this bitfold reads {FORMAT}; compile it again"
    with pytest.raises(BundleError, match=said):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "there is no such bundle"),
        ("a folder", r"no manifest\.json there"),
        ("a file", "not a bundle"),
    ],
)
def test_a_place_without_a_bundle_is_refused(place, said, tmp_path):
    path = tmp_path / "there"
    if place == "a folder":
        path.mkdir()
    elif place == "a file":
        path.write_text("no bundle")
    with pytest.raises(BundleError, match=f"{said}; make one with `bitfold compile`"):
        Bundle.load(path)


@pytest.mark.parametrize("root", [".", "net.bundle"])
def test_a_zipped_bundle_is_the_bundle(root, made, tmp_path):
    archive = tmp_path / "net.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for name in files_of(made):
            content.write(made / name, f"{root}/{name}")
    bundle = Bundle.load(archive, tmp_path / "cache")
    assert bundle.build_id == Bundle.load(made).build_id
    assert all(file.is_file() for file in bundle.rtl)
    again = Bundle.load(archive, tmp_path / "cache")
    assert again.path == bundle.path


def test_a_damaged_zip_is_refused(made, tmp_path):
    archive = tmp_path / "net.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for name in files_of(made):
            content.write(made / name, name)
    whole = archive.read_bytes()
    name_at = whole.index(b'"format"')
    archive.write_bytes(whole[:name_at] + b"?" + whole[name_at + 1 :])
    with pytest.raises(BundleError, match=r"net\.zip: can't be unpacked"):
        Bundle.load(archive, tmp_path / "cache")
    archive.write_bytes(whole[:1000])
    with pytest.raises(BundleError, match=r"net\.zip: not a bundle"):
        Bundle.load(archive, tmp_path / "cache")


def test_a_zip_can_not_write_outside_of_the_cache(tmp_path):
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("../../outside.txt", "x")
    with pytest.raises(BundleError):
        Bundle.load(archive, tmp_path / "cache")
    assert not list(tmp_path.glob("*.txt")) and not list(tmp_path.parent.glob("*.txt"))


# Writing.


def test_a_bundle_takes_the_place_of_an_older_one(copy):
    other = random_network(SHAPE, 2)
    before = Bundle.load(copy)
    (copy / "left_over.txt").write_text("from the older one")
    after = compile_dataflow(other, FOLDING, copy)
    assert after.network.id == other.id != before.network.id
    assert not (copy / "left_over.txt").exists()


def test_an_empty_folder_becomes_a_bundle(tmp_path):
    (tmp_path / "net").mkdir()
    compile_dataflow(NETWORK, FOLDING, tmp_path / "net")
    assert Bundle.load(tmp_path / "net").build_id


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_bundle_is_not_overwritten(kind, tmp_path):
    place = tmp_path / "thesis"
    if kind == "folder":
        place.mkdir()
        (place / "chapter1.txt").write_text("years of work")
    else:
        place.write_text("years of work")
    before = files_of(tmp_path)
    with pytest.raises(OutputError, match=r"is there already, without a manifest\.json in it; c"):
        compile_dataflow(NETWORK, FOLDING, place)
    assert files_of(tmp_path) == before


def test_a_place_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"net\.bundle: can't be written .*choose another place"):
        compile_dataflow(NETWORK, FOLDING, tmp_path / "file" / "net.bundle")


@pytest.mark.parametrize("older", [True, False])
def test_nothing_is_half_written_when_writing_fails_in_the_middle(
    older, made, tmp_path, monkeypatch
):
    path = tmp_path / "net.bundle"
    if older:
        shutil.copytree(made, path)
    before = files_of(tmp_path)
    write_text, written = Path.write_text, []

    def full_disk(self, text, *arguments, **keywords):
        written.append(self)
        if len(written) > 10:
            raise OSError(28, "No space left on device")
        return write_text(self, text, *arguments, **keywords)

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OutputError, match="No space left on device"):
        compile_dataflow(random_network(SHAPE, 2), FOLDING, path)
    monkeypatch.undo()
    assert files_of(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == (["net.bundle"] if older else [])


def test_the_same_content_gives_the_same_build_and_the_same_bytes(made, tmp_path):
    compile_dataflow(replace(NETWORK), dict(FOLDING), tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(made)


def test_a_name_changes_the_bundle_but_not_the_build(made, tmp_path):
    named = compile_dataflow(replace(NETWORK, name="named"), FOLDING, tmp_path / "named")
    assert named.build_id == Bundle.load(made).build_id
    assert named.name == "named"


@pytest.mark.parametrize("change", ["weights", "folding"])
def test_other_hardware_is_another_build(change, made, tmp_path):
    if change == "weights":
        other = compile_dataflow(random_network(SHAPE, 2), FOLDING, tmp_path / "other")
    else:
        other = compile_dataflow(NETWORK, {**FOLDING, "fc1": Fold(3, 4)}, tmp_path / "other")
    assert other.build_id != Bundle.load(made).build_id


def test_a_bundle_holds_no_place_of_this_machine(made):
    for name, content in files_of(made).items():
        assert str(made.parent).encode() not in content, name


def test_a_bundle_may_be_moved(made, tmp_path):
    moved = Path(shutil.copytree(made, tmp_path / "elsewhere"))
    assert Bundle.load(moved).build_id == Bundle.load(made).build_id
