"""Bundle: the folder (or zip) that a build leaves, and all that a device needs of it.

    manifest.json                what it is: kind, ids, encodings, folding, predictions, file hashes
    network.json, network.npz    the integer network (of a dataflow overlay)
    design.json                  its stages and edges; their constants are the memory images
    rtl/*.sv, images/*.hex       the hardware and its memory images
    boards/NAME/*.bit, *.hwh     once Vivado has made them for the board of that name

A bundle may come from anyone: it is data. Nothing in it is ever run by Python; a simulation library
is built on the spot from its RTL, of which only what overlays/trust.py knows is compiled.
"""

from __future__ import annotations

import json
import shlex
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bitfold.models.cache import Cache
from bitfold.models.errors import BundleError, NetworkError, OverlayError
from bitfold.models.files import read_file, whole_folder
from bitfold.models.json_files import read_json
from bitfold.models.network import Network
from bitfold.overlays.archive import unpack
from bitfold.overlays.dataflow.clock import Clock
from bitfold.overlays.dataflow.design import Design
from bitfold.overlays.dataflow.storage import design_of
from bitfold.overlays.manifest import (
    BUILD_ID_IMAGE,
    DESIGN,
    FORMAT,
    MANIFEST,
    REMEDY,
    DataflowManifest,
    OffloadManifest,
    hardware_id,
    read_document,
    read_manifest,
    seal,
    sha256_of,
)
from bitfold.overlays.offload import SIZE_PACKAGE, Engine
from bitfold.overlays.packing import FrameLayout
from bitfold.overlays.trust import check_hardware

BOARDS = "boards"
BITSTREAM_STEM = "bitfold"


@dataclass(frozen=True)
class Bitstream:
    """An overlay's bitstream for one board, with its hardware handoff beside it."""

    bit: Path
    hwh: Path


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose files are what its manifest says. Get one from `Bundle.load`.

    Its files are data, and are opened without running anything. Its RTL is handed out to be
    compiled only as overlays/trust.py allows, unless `trust_rtl` was given.
    """

    path: Path
    name: str
    build_id: str
    clock_mhz: float
    files: Mapping[str, str]
    """sha256 of each file, by its path in the bundle."""
    trust_rtl: bool

    kind: ClassVar[str]

    @property
    def clock(self) -> Clock:
        """The clock that the overlay is estimated to reach, and what limits it."""
        raise NotImplementedError

    @property
    def reached_mhz(self) -> float:
        """The clock that figures in seconds are of: `clock_mhz`, or what it reaches of it."""
        return min(self.clock_mhz, self.clock.mhz)

    @property
    def rtl(self) -> list[Path]:
        """The SystemVerilog files, packages first, to be compiled.

        Raises BundleError, naming the file, for RTL that is neither installed here nor generated,
        and for memory images that are not what it reads.
        """
        names = [name for name in self.files if name.startswith("rtl/")]
        found = [self.path / n for n in sorted(names, key=lambda n: (not n.endswith("_pkg.sv"), n))]
        if not self.trust_rtl:
            images = {file.name: file for file in self.image_files}
            check_hardware(self.path, found, images, self.build_id)
        return found

    @property
    def images(self) -> Path:
        """The folder of the memory images."""
        return self.path / "images"

    @property
    def image_files(self) -> list[Path]:
        """The memory images themselves."""
        return [self.path / name for name in sorted(self.files) if name.startswith("images/")]

    @property
    def boards(self) -> list[str]:
        """The names of the boards that there is a bitstream for."""
        return sorted({n.split("/")[1] for n in self.files if n.startswith(f"{BOARDS}/")})

    def bitstream(self, board: str) -> Bitstream:
        """The bitstream for the board of that name. Raises BundleError if there is none."""
        if board not in self.boards:
            raise BundleError(
                f"{self.path}: no bitstream for {board}; make one with `bitfold bitstream "
                f"{shlex.quote(str(self.path))} --board {shlex.quote(board)}`"
            )
        stem = self.path / BOARDS / board / BITSTREAM_STEM
        return Bitstream(stem.with_suffix(".bit"), stem.with_suffix(".hwh"))

    @staticmethod
    def load(path: Path | str, cache: Path | None = None, trust_rtl: bool = False) -> Bundle:
        """The bundle at `path`, a folder or a zip (unpacked into `cache`), with every file checked.

        `trust_rtl`: its RTL may be compiled whatever it is, as a program of its maker's is run.
        Raises BundleError for what is missing, damaged, changed or of another format.
        """
        path = Path(path)
        if path.is_file() and zipfile.is_zipfile(path):
            path = _unpack(path, cache)
        if not (path / MANIFEST).is_file():
            found = f"no {MANIFEST} there" if path.is_dir() else "not a bundle"
            if not path.exists():
                found = "there is no such bundle"
            source = f" {shlex.quote(str(path))}" if path.suffix == ".onnx" else ""
            raise BundleError(f"{path}: {found}; make one with `bitfold compile{source}`")
        try:
            manifest = read_manifest(path)
            kind = _KINDS[manifest.kind]
            return kind(
                path=path,
                name=manifest.name,
                build_id=manifest.build_id,
                clock_mhz=manifest.clock_mhz,
                files=manifest.files,
                trust_rtl=trust_rtl,
                **kind._of_manifest(manifest, path),
            )
        except OSError as error:
            raise BundleError(
                f"{path}: can't be read ({error.strerror or error}); compile it again"
            ) from error


@dataclass(frozen=True)
class DataflowBundle(Bundle):
    """A dataflow overlay, made for `network`."""

    network: Network
    design: Design

    kind: ClassVar[str] = "dataflow"
    clock = property(lambda self: self.design.clock)

    @staticmethod
    def _of_manifest(manifest: DataflowManifest, path: Path) -> dict:
        try:
            network = Network.load(path)
            design = design_of(read_json(path / DESIGN, BundleError, REMEDY), path / "images")
        except (NetworkError, OverlayError) as error:
            raise BundleError(f"{path}: {error}") from error
        if manifest.network_id != network.id:
            raise _unlike(path, "network_id")
        for port, layout, value in (
            ("input", design.input, network.input_value),
            ("output", design.output, network.output_value),
        ):
            if layout != FrameLayout(value.size, value.encoding):
                raise _unlike(path, port)
        return {"network": network, "design": design}


@dataclass(frozen=True)
class OffloadBundle(Bundle):
    """An offload overlay of the size of `engine`, for any network that fits."""

    engine: Engine

    kind: ClassVar[str] = "offload"
    clock = property(lambda self: self.engine.clock)

    @staticmethod
    def _of_manifest(manifest: OffloadManifest, path: Path) -> dict:
        file, engine = path / "rtl" / f"{SIZE_PACKAGE}.sv", manifest.engine
        about = BundleError, "not the size of an engine", REMEDY
        if read_file(file, len(engine.package) + 4096, *about) != engine.package.encode():
            raise BundleError(f"{file}: is of another engine than the manifest tells of; {REMEDY}")
        return {"engine": engine}


_KINDS = {kind.kind: kind for kind in (DataflowBundle, OffloadBundle)}


def write_bundle(
    path: Path | str, manifest: dict, files: Mapping[str, str], network: Network | None = None
) -> None:
    """Writes a bundle of `files` (text by path in the bundle), whole or not at all.

    `manifest` holds what is particular to the overlay; format, ids and hashes are added here. An
    older bundle at `path` is replaced; anything else there is left alone. Raises OutputError for
    that, and for a place that can't be written.
    """
    with whole_folder(path, MANIFEST) as new:
        if network:
            network.save(new)
        for name, text in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_text(text)
        build_id = hardware_id({name: sha256_of(new / name) for name in files})
        (new / BUILD_ID_IMAGE).parent.mkdir(exist_ok=True)
        (new / BUILD_ID_IMAGE).write_text(build_id + "\n")
        hashes = {
            str(file.relative_to(new).as_posix()): sha256_of(file)
            for file in sorted(new.rglob("*"))
            if file.is_file()
        }
        document = {
            "format": FORMAT,
            **manifest,
            **({"network_id": network.id} if network else {}),
            "build_id": build_id,
            "files": hashes,
        }
        _write_manifest(new, document)


def add_bitstream(bundle: Bundle, board: str, bit: bytes, hwh: str) -> Bundle:
    """Adds a bitstream for the board of that name to `bundle`, in place of any older one.

    Whole or not at all; the build id stays. Gives the bundle as it is then. Raises BundleError if
    it has changed on disk, OutputError if it can't be written.
    """
    Bundle.load(bundle.path)
    stem = f"{BOARDS}/{board}/{BITSTREAM_STEM}"
    added = {f"{stem}.bit": bit, f"{stem}.hwh": hwh.encode()}
    with whole_folder(bundle.path, MANIFEST) as new:
        shutil.copytree(bundle.path, new, dirs_exist_ok=True)
        for name, content in added.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_bytes(content)
        document = read_document(new)
        hashes = {**document["files"], **{name: sha256_of(new / name) for name in added}}
        document["files"] = dict(sorted(hashes.items()))
        _write_manifest(new, document)
    return Bundle.load(bundle.path, trust_rtl=bundle.trust_rtl)


def _write_manifest(folder: Path, document: dict) -> None:
    sealed = {**document, "sha256": seal(document)}
    (folder / MANIFEST).write_text(json.dumps(sealed, indent=1) + "\n")


def _unlike(path: Path, field: str) -> BundleError:
    return BundleError(f"{path}: {field} is not that of the network in the bundle; {REMEDY}")


def _unpack(archive: Path, cache: Path | None) -> Path:
    """The folder that `archive` was unpacked to, named by its content."""

    def make(folder: Path) -> None:
        unpack(archive, folder)
        if _root(folder) is None:
            raise BundleError(
                f"{archive}: no {MANIFEST} there; zip a bundle that `bitfold compile` made"
            )

    try:
        name = sha256_of(archive)
    except OSError as error:
        raise BundleError(f"{archive}: can't be read ({error.strerror or error})") from error
    return _root(Cache(cache).keep("bundles", name, make))


def _root(folder: Path) -> Path | None:
    """Where the manifest lies: in `folder`, or in a folder there."""
    found = [*folder.glob(MANIFEST), *sorted(folder.glob(f"*/{MANIFEST}"))]
    return found[0].parent if found else None
