"""Which stages two paths name."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bitfold.build.inspect.diff.devices import DEVICES, open_overlay
from bitfold.build.inspect.diff.recorded import SUFFIXES, RecordedStage, Recording, read_recording
from bitfold.build.inspect.diff.stages import NetworkStage, Stage
from bitfold.models.errors import InputError
from bitfold.models.network import Network
from bitfold.overlays.bundle import MANIFEST, Bundle, DataflowBundle

KINDS = (*DEVICES, "network")
"""What may follow the path of a bundle."""


@dataclass(frozen=True)
class _Named:
    """A path as the user gave it, with what stands behind its colon."""

    label: str
    path: Path
    device: str | None

    @staticmethod
    def of(text: str) -> _Named:
        path, _, device = text.rpartition(":")
        if path and device in KINDS:
            return _Named(text, Path(path), device)
        if path and not Path(text).exists():
            raise InputError(
                f"{text}: there is no stage {device!r} of a bundle; choose one of "
                f"{', '.join(KINDS)}"
            )
        return _Named(text, Path(text), None)


def open_stages(
    one: str, other: str, say: Callable[[str], None], trust_rtl: bool = False
) -> tuple[Stage, Stage]:
    """The stages that two paths name.

    What does not say itself which network it computes (an offload overlay, outputs that stand
    alone) computes the other's, and a QONNX file takes its input as the other does. Raises
    InputError for what is no stage, and what the readers of each kind raise.
    """
    opened: dict[int, Stage] = {}
    named = [_Named.of(one), _Named.of(other)]
    sources = [_source(name, trust_rtl) for name in named]
    for i in sorted((0, 1), key=lambda i: _rank(sources[i])):
        say(f"opening {named[i].label}")
        known = next((stage.network for stage in opened.values()), None)
        opened[i] = _open(named[i], sources[i], known, say)
    return opened[0], opened[1]


def _source(named: _Named, trust_rtl: bool) -> Path | Network | Bundle | Recording:
    """What is at a path, a file where it is no more than that yet."""
    path = named.path
    found: Path | Network | Bundle | Recording
    if path.suffix in (".onnx", ".safetensors"):
        found = path
    elif path.suffix in SUFFIXES:
        found = read_recording(path, trust_rtl)
    elif (path / MANIFEST).is_file() or (path.is_file() and zipfile.is_zipfile(path)):
        found = Bundle.load(path, trust_rtl=trust_rtl)
    elif (path / "network.json").is_file():
        found = Network.load(path)
    elif path.exists():
        raise InputError(
            f"{path}: no stage; give a checkpoint (.safetensors), a QONNX file (.onnx), the folder "
            f"of a network or a bundle, or recorded outputs ({', '.join(SUFFIXES)})"
        )
    else:
        raise InputError(f"{path}: there is no such file or folder")
    if named.device and not isinstance(found, Bundle):
        raise InputError(f"{named.label}: only a bundle has a stage {named.device!r}")
    return found


def _rank(source: Path | Network | Bundle | Recording) -> int:
    """Those that say which network they compute come first."""
    if isinstance(source, (Network, DataflowBundle)):
        return 0
    if isinstance(source, Recording) and source.network:
        return 0
    return 1 if isinstance(source, Path) else 2


def _open(
    named: _Named,
    source: Path | Network | Bundle | Recording,
    known: Network | None,
    say: Callable[[str], None],
) -> Stage:
    label = named.label
    if isinstance(source, Path):
        from bitfold.build.inspect.diff.sources import open_file, open_model

        if source.suffix == ".onnx":
            return open_file(label, source, known, say)
        return open_model(label, source, say)
    if isinstance(source, Network):
        return NetworkStage(label, source)
    own = source.network if isinstance(source, (DataflowBundle, Recording)) else None
    network = own or known
    if network is None:
        raise InputError(
            f"{label} does not say which network it runs, and neither does the other; give a "
            "network, a QONNX file or a dataflow bundle as one of them"
        )
    if isinstance(source, Recording):
        return RecordedStage(label, network, source)
    if named.device == "network":
        return NetworkStage(label, network, source)
    return open_overlay(label, source, named.device or DEVICES[0], network, say)
