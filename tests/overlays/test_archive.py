"""Zips from anywhere: the bundle that is in one, or one typed error, and nothing left behind."""

from __future__ import annotations

import os
import random
import shutil
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.random_networks import Shape, random_network

from bitfold.build.compile.compiler import compile_dataflow
from bitfold.models.cache import Cache
from bitfold.models.errors import BundleError
from bitfold.overlays import archive as archives
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.dataflow.fold import Fold

SHAPE = Shape((6, 4, 3), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
OPEN = """
import sys
from pathlib import Path
from bitfold.overlays.bundle import Bundle
for _ in range(20):
    print(Bundle.load(sys.argv[1], Path(sys.argv[2])).build_id)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    folding = {"fc0": Fold(2, 3), "fc1": Fold(1, 4)}
    path = tmp_path_factory.mktemp("made") / "net.bundle"
    return compile_dataflow(random_network(SHAPE, 1), folding, path)


@pytest.fixture(scope="module")
def zipped(bundle) -> Path:
    """Of a bundle; no test may change it."""
    made = shutil.make_archive(str(bundle.path.with_name("net")), "zip", bundle.path)
    return Path(made)


def write(path: Path, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipFile:
    return zipfile.ZipFile(path, "w", method)


def linked(path: Path) -> None:
    with write(path) as content:
        link = zipfile.ZipInfo("rtl")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        content.writestr(link, "..")
        content.writestr("rtl/file", "x")


def named(*names: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with write(path) as content, pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", lambda *_, **__: None)  # of names that are there twice
            for name in names:
                content.writestr(name, "x")

    return make


def compressed_oddly(path: Path) -> None:
    with write(path, zipfile.ZIP_LZMA) as content:
        content.writestr("manifest.json", "{}")


def said_otherwise(field_at: int, value: int) -> Callable[[Path], None]:
    """A zip of one file whose two headers say `value` in 16 bits (as counted in the local one)."""

    def make(path: Path) -> None:
        named("manifest.json")(path)
        data = bytearray(path.read_bytes())
        struct.pack_into("<H", data, field_at, value)
        struct.pack_into("<H", data, data.index(b"PK\1\2") + field_at + 2, value)
        path.write_bytes(data)

    return make


def bomb(path: Path) -> None:
    with write(path) as content:
        for number in range(2):
            with content.open(f"images/{number}.hex", "w") as file:
                for _ in range(40):
                    file.write(bytes(1 << 20))


def lying_bomb(path: Path) -> None:
    """Its directory says that it unpacks to a byte."""
    bomb(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    struct.pack_into("<I", data, at + 24, 1)
    path.write_bytes(data)


HOSTILE = {
    "outside": (named("../../outside"), "'../../outside' lies outside of the archive"),
    "absolute": (named("/etc/outside"), "'/etc/outside' lies outside of the archive"),
    "outside in between": (named("rtl/../../x"), "lies outside of the archive"),
    "a backslash": (named("..\\outside"), "lies outside of the archive"),
    "a link": (linked, "'rtl' is a link or a device"),
    "twice": (named("rtl/x", "rtl/x"), "'rtl/x' is there twice"),
    "twice in other words": (named("rtl/x", "rtl/./x"), "is there twice"),
    "a file and a folder": (named("rtl", "rtl/x"), "can't be unpacked"),
    "a name too long": (named("x" * 300), "can't be unpacked"),
    "encrypted": (said_otherwise(6, 1), "is encrypted"),
    "LZMA": (compressed_oddly, "is compressed by method 14; use deflate"),
    "an unknown compression": (said_otherwise(8, 99), "is compressed by method 99; use deflate"),
    "many files": (
        named(*map(str, range(10_001))),
        "holds 10,001 files, more than 10,000; zip a bundle",
    ),
    "a bomb": (bomb, "unpacks to more than 100 times its size"),
    "a bomb that lies": (lying_bomb, "."),
    "no bundle": (named("thesis.txt"), r"no manifest\.json there; zip a bundle"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_one_error_and_leaves_nothing(name, tmp_path):
    make, said = HOSTILE[name]
    archive = tmp_path / "in" / "net.zip"
    archive.parent.mkdir()
    make(archive)
    with pytest.raises(BundleError, match=said) as caught:
        Bundle.load(archive, tmp_path / "in" / "cache")
    assert "\n" not in str(caught.value) and str(archive) in str(caught.value)
    assert Cache(tmp_path / "in" / "cache").entries() == []
    left = {path.name for path in (tmp_path / "in" / "cache").rglob("*") if path.is_file()}
    assert all(name.startswith(f"{os.getpid()}-") for name in left)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_archive_that_is_too_large_itself_is_not_read(zipped, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LIMIT_BYTES", 1000)
    with pytest.raises(BundleError, match=r"has [\d,]+ bytes, more than 1,000; zip a bundle"):
        Bundle.load(zipped, tmp_path)


def test_bundles_are_far_from_the_limits(bundle, zipped):
    unpacked = sum(file.stat().st_size for file in bundle.path.rglob("*") if file.is_file())
    assert unpacked < archives.LIMIT_RATIO * zipped.stat().st_size / 5
    assert len(bundle.files) < archives.LIMIT_MEMBERS / 20


def damaged(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    kind = draw.choice(("flip", "cut", "drop", "double", "zero"))
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
    end = min(len(data), at + draw.randrange(1, 200))
    middle = {"cut": b"", "double": data[at:end] * 2, "zero": bytes(end - at)}
    return data[:at] if kind == "drop" else data[:at] + middle[kind] + data[end:]


@pytest.mark.parametrize(
    "count", [150, pytest.param(2000, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_a_damaged_zip_is_the_bundle_or_one_error(count, bundle, zipped, tmp_path):
    draw, refused = random.Random(count), 0
    whole = zipped.read_bytes()
    archive = tmp_path / "net.zip"
    for _ in range(count):
        data = whole
        for _ in range(draw.randrange(1, 4)):
            data = damaged(data, draw)
        # Most faults lie in the contents; these are where the headers are.
        if draw.random() < 0.5:
            start = whole.index(b"PK\1\2")
            data = whole[:start] + damaged(whole[start:], draw)
        archive.write_bytes(data)
        try:
            assert Bundle.load(archive, tmp_path / "cache").build_id == bundle.build_id
        except BundleError:
            refused += 1
    assert refused > count / 3
    assert not list((tmp_path / "cache").glob("scratch/*/*"))


def test_an_unpacked_zip_that_was_damaged_is_unpacked_again(bundle, zipped, tmp_path):
    unpacked = Bundle.load(zipped, tmp_path)
    for damage in (lambda file: file.write_text(""), Path.unlink):
        damage(unpacked.rtl[0])
        again = Bundle.load(zipped, tmp_path)
        assert again.path == unpacked.path and again.build_id == bundle.build_id


def test_processes_may_open_one_zip_at_once(bundle, zipped, tmp_path):
    command = [sys.executable, "-c", OPEN, zipped, tmp_path / "cache"]
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    for run in runs:
        said, complained = run.communicate()
        assert complained == "" and said == f"{bundle.build_id}\n" * 20
    assert len(Cache(tmp_path / "cache").entries()) == 1
    for part in ("scratch/*", "processes/*", "bundles/*/new", "bundles/tmp*"):
        assert not list((tmp_path / "cache").glob(part)), part
