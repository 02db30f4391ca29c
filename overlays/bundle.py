"""Bundle: the folder (or zip) that a build leaves, and all that a device needs of it.

    manifest.json                what it is: kind, ids, encodings, folding, predictions, file hashes
    network.json, network.npz    the integer network (of a dataflow overlay)
    rtl/*.sv, images/*.hex       the hardware and its memory images
    boards/NAME/*.bit, *.hwh     once Vivado has made them for the board of that name

Nothing in a bundle is ever run by Python: a simulation library is built on the spot from its RTL.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bitfold.models.cache import Cache
from bitfold.models.encoding import Encoding
from bitfold.models.errors import BundleError
from bitfold.models.files import whole_folder
from bitfold.models.network import Network
from bitfold.overlays.archive import unpack
from bitfold.overlays.dataflow import Fold
from bitfold.overlays.offload import Engine
from bitfold.overlays.packing import FrameLayout

FORMAT = 1
MANIFEST = "manifest.json"
BUILD_ID_IMAGE = "images/build_id.hex"
BOARDS = "boards"
BITSTREAM_STEM = "bitfold"


@dataclass(frozen=True)
class Bitstream:
    """An overlay's bitstream for one board, with its hardware handoff beside it."""

    bit: Path
    hwh: Path


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose files are what its manifest says. Get one from `Bundle.load`."""

    path: Path
    name: str
    build_id: str
    clock_mhz: float
    files: Mapping[str, str]
    """sha256 of each file, by its path in the bundle."""

    kind: ClassVar[str]

    @property
    def rtl(self) -> list[Path]:
        """The SystemVerilog files, packages first."""
        names = [name for name in self.files if name.startswith("rtl/")]
        return [self.path / n for n in sorted(names, key=lambda n: (not n.endswith("_pkg.sv"), n))]

    @property
    def images(self) -> Path:
        """The folder of the memory images."""
        return self.path / "images"

    @property
    def boards(self) -> list[str]:
        """The names of the boards that there is a bitstream for."""
        return sorted({n.split("/")[1] for n in self.files if n.startswith(f"{BOARDS}/")})

    def bitstream(self, board: str) -> Bitstream:
        """The bitstream for the board of that name. Raises BundleError if there is none."""
        if board not in self.boards:
            raise BundleError(
                f"{self.path}: no bitstream for {board}; make one with "
                f"`bitfold bitstream {self.path} --board {board}`"
            )
        stem = self.path / BOARDS / board / BITSTREAM_STEM
        return Bitstream(stem.with_suffix(".bit"), stem.with_suffix(".hwh"))

    @staticmethod
    def load(path: Path | str, cache: Path | None = None) -> Bundle:
        """The bundle at `path`, a folder or a zip (unpacked into `cache`), with every file checked.

        Raises BundleError for what is missing, damaged, changed or of another format.
        """
        path = Path(path)
        if path.is_file() and zipfile.is_zipfile(path):
            path = _unpack(path, cache)
        if not (path / MANIFEST).is_file():
            found = f"no {MANIFEST} there" if path.is_dir() else "not a bundle"
            if not path.exists():
                found = "there is no such bundle"
            source = f" {path}" if path.suffix == ".onnx" else ""
            raise BundleError(f"{path}: {found}; make one with `bitfold compile{source}`")
        try:
            manifest = json.loads((path / MANIFEST).read_text())
            if manifest["format"] != FORMAT:
                raise BundleError(
                    f"{path}: bundle format {manifest['format']}, but this bitfold reads {FORMAT}; "
                    "compile it again"
                )
            if manifest["sha256"] != _seal(manifest):
                raise BundleError(
                    f"{path}: {MANIFEST} was changed (its sha256 differs); compile it again"
                )
            files = dict(manifest["files"])
            _check_files(path, files)
            kind = _KINDS[manifest["kind"]]
            return kind(
                path=path,
                name=manifest["name"],
                build_id=manifest["build_id"],
                clock_mhz=float(manifest["clock_mhz"]),
                files=files,
                **kind._of_manifest(manifest, path),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleError(
                f"{path}: not a readable bundle ({error!r}); compile it again"
            ) from error


@dataclass(frozen=True)
class DataflowBundle(Bundle):
    """A dataflow overlay, made for `network`."""

    network: Network
    input: FrameLayout
    output: FrameLayout
    layers: tuple[str, ...]
    folding: Mapping[str, Fold]
    latency_cycles: int
    initiation_interval: int

    kind: ClassVar[str] = "dataflow"

    @staticmethod
    def _of_manifest(manifest: dict, path: Path) -> dict:
        return {
            "network": Network.load(path),
            "input": _layout(manifest["input"]),
            "output": _layout(manifest["output"]),
            "layers": tuple(manifest["layers"]),
            "folding": {name: Fold(*fold) for name, fold in manifest["folding"].items()},
            "latency_cycles": int(manifest["latency_cycles"]),
            "initiation_interval": int(manifest["initiation_interval"]),
        }


@dataclass(frozen=True)
class OffloadBundle(Bundle):
    """An offload overlay of the size of `engine`, for any network that fits."""

    engine: Engine

    kind: ClassVar[str] = "offload"

    @staticmethod
    def _of_manifest(manifest: dict, path: Path) -> dict:
        return {"engine": Engine(**manifest["engine"])}


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
        build_id = _build_id({name: _sha256(new / name) for name in files})
        (new / BUILD_ID_IMAGE).parent.mkdir(exist_ok=True)
        (new / BUILD_ID_IMAGE).write_text(build_id + "\n")
        hashes = {
            str(file.relative_to(new).as_posix()): _sha256(file)
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
        document = json.loads((new / MANIFEST).read_text())
        hashes = {**document["files"], **{name: _sha256(new / name) for name in added}}
        document["files"] = dict(sorted(hashes.items()))
        _write_manifest(new, document)
    return Bundle.load(bundle.path)


def _write_manifest(folder: Path, document: dict) -> None:
    sealed = {**document, "sha256": _seal(document)}
    (folder / MANIFEST).write_text(json.dumps(sealed, indent=1) + "\n")


def _build_id(files: Mapping[str, str]) -> str:
    """128 bits, in hex, of all that is hardware: RTL and images, save that of the id itself."""
    hardware = {
        name: sha256
        for name, sha256 in files.items()
        if name.startswith(("rtl/", "images/")) and name != BUILD_ID_IMAGE
    }
    return hashlib.sha256(json.dumps(hardware, sort_keys=True).encode()).hexdigest()[:32]


def _seal(manifest: dict) -> str:
    """The sha256 of all that the manifest says, but for this itself."""
    said = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _check_files(path: Path, files: Mapping[str, str]) -> None:
    for name, sha256 in files.items():
        if not (path / name).is_file():
            raise BundleError(f"{path}: {name} is missing; compile it again")
        if _sha256(path / name) != sha256:
            raise BundleError(f"{path}: {name} was changed (its sha256 differs); compile it again")


def _layout(fields: dict) -> FrameLayout:
    return FrameLayout(int(fields["elements"]), Encoding.of(fields["encoding"]))


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _unpack(archive: Path, cache: Path | None) -> Path:
    """The folder that `archive` was unpacked to, named by its content."""

    def make(folder: Path) -> None:
        unpack(archive, folder)
        if _root(folder) is None:
            raise BundleError(
                f"{archive}: no {MANIFEST} there; zip a bundle that `bitfold compile` made"
            )

    try:
        name = _sha256(archive)
    except OSError as error:
        raise BundleError(f"{archive}: can't be read ({error.strerror or error})") from error
    return _root(Cache(cache).keep("bundles", name, make))


def _root(folder: Path) -> Path | None:
    """Where the manifest lies: in `folder`, or in a folder there."""
    found = [*folder.glob(MANIFEST), *sorted(folder.glob(f"*/{MANIFEST}"))]
    return found[0].parent if found else None
