"""Reads the manifest of a bundle, which may come from anyone: each field has its type and range."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bitfold.models.checked import checked
from bitfold.models.errors import BundleError
from bitfold.models.json_files import read_json
from bitfold.overlays.images import BUILD_ID_NAME
from bitfold.overlays.offload import Engine

FORMAT = 4
MANIFEST = "manifest.json"
DESIGN = "design.json"
BUILD_ID_IMAGE = f"images/{BUILD_ID_NAME}"
REMEDY = "compile the bundle again"

_FILE = re.compile(
    r"network\.json|network\.npz|design\.json|rtl/[A-Za-z0-9_]{1,64}\.sv|images/[A-Za-z0-9_.]{1,64}\.hex"
    r"|boards/[a-z0-9-]{1,32}/bitfold\.(?:bit|hwh)",
    re.ASCII,
)
_SHA256 = re.compile("[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Manifest:
    """What every manifest says."""

    format: int
    kind: str
    name: str
    build_id: str
    clock_mhz: float
    files: dict[str, str]
    """sha256 of each file, by its path in the bundle."""
    sha256: str

    def __post_init__(self):
        if self.clock_mhz <= 0:
            raise ValueError(f"clock_mhz is {self.clock_mhz:g}, and has to be above zero")
        for name, sha256 in self.files.items():
            if not _FILE.fullmatch(name) or not _SHA256.fullmatch(sha256):
                raise ValueError(f"{ascii(name)[:60]} is no file of a bundle")
        for name in self.needed():
            if name not in self.files:
                raise ValueError(f"{name} is not among its files")
        # What is hardware says itself which build it is, so this can be no other text.
        if self.build_id != hardware_id(self.files):
            raise ValueError("build_id is not that of its files")

    @classmethod
    def needed(cls) -> tuple[str, ...]:
        """The files that no bundle of the kind is without."""
        return (BUILD_ID_IMAGE,)


@dataclass(frozen=True)
class DataflowManifest(Manifest):
    """What a dataflow overlay's says beside."""

    network_id: str

    @classmethod
    def needed(cls) -> tuple[str, ...]:
        return (BUILD_ID_IMAGE, "network.json", "network.npz", DESIGN)


@dataclass(frozen=True)
class OffloadManifest(Manifest):
    """What an offload overlay's says beside."""

    engine: Engine

    def __post_init__(self):
        super().__post_init__()
        self.engine.check()


KINDS = {"dataflow": DataflowManifest, "offload": OffloadManifest}


def read_manifest(path: Path) -> Manifest:
    """What the manifest of the bundle at `path` says, sealed and of this format, with its files
    there and unchanged. Raises BundleError."""
    document = read_document(path)
    file = str(path / MANIFEST)
    kind = document.get("kind")
    if kind not in tuple(KINDS):
        raise BundleError(
            f"{file}: kind is {ascii(kind)[:60]}, and has to be {' or '.join(KINDS)}; {REMEDY}"
        )
    manifest = checked(document, KINDS[kind], BundleError, file, REMEDY)
    for name, sha256 in manifest.files.items():
        _check_place(path, name)
        if not (path / name).is_file():
            raise BundleError(f"{path}: {name} is missing; compile it again")
        if sha256_of(path / name) != sha256:
            raise BundleError(f"{path}: {name} was changed (its sha256 differs); compile it again")
    return manifest


def read_document(path: Path) -> dict:
    """The manifest of the bundle at `path` as it stands there, sealed and of this format.

    Raises BundleError.
    """
    _check_place(path, MANIFEST)
    file = path / MANIFEST
    document = checked(
        read_json(file, BundleError, REMEDY), dict[str, object], BundleError, str(file), REMEDY
    )
    if document.get("format") != FORMAT:
        raise BundleError(
            f"{path}: bundle format {ascii(document.get('format'))[:60]}, but this bitfold reads "
            f"{FORMAT}; compile it again"
        )
    if document.get("sha256") != seal(document):
        raise BundleError(f"{path}: {MANIFEST} was changed (its sha256 differs); compile it again")
    return document


def hardware_id(files: Mapping[str, str]) -> str:
    """128 bits, in hex, of all that is hardware: RTL and images, save that of the id itself."""
    hardware = {
        name: sha256
        for name, sha256 in files.items()
        if name.startswith(("rtl/", "images/")) and name != BUILD_ID_IMAGE
    }
    return hashlib.sha256(json.dumps(hardware, sort_keys=True).encode()).hexdigest()[:32]


def seal(manifest: dict) -> str:
    """The sha256 of all that the manifest says, but for this itself."""
    said = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _check_place(path: Path, name: str) -> None:
    """That no link leads from the bundle to a file elsewhere."""
    place = path
    for part in name.split("/"):
        place = place / part
        if place.is_symlink():
            raise BundleError(
                f"{path}: {place.relative_to(path)} is a link; a bundle holds its files itself"
            )
