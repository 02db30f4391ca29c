"""Makes bundles: a dataflow overlay for a network, or an offload overlay for all that fit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from math import inf
from pathlib import Path

import bitfold.overlays
from bitfold.build.compile.emit import dataflow_rtl, engine_rtl
from bitfold.build.compile.lowering import lower
from bitfold.models.errors import OverlayError
from bitfold.models.network import Network
from bitfold.overlays.bundle import (
    DESIGN,
    Bundle,
    DataflowBundle,
    OffloadBundle,
    write_bundle,
)
from bitfold.overlays.dataflow.clock import DEFAULT_CLOCK_MHZ
from bitfold.overlays.dataflow.design import Design
from bitfold.overlays.dataflow.fold import Folding
from bitfold.overlays.dataflow.storage import design_document, design_images
from bitfold.overlays.offload import Engine

RTL = Path(bitfold.overlays.__file__).parent / "rtl"
DATAFLOW_RTL = ("common", "mvau", "windows", "unrolled", "dataflow", "shell")
OFFLOAD_RTL = ("common", "offload", "shell")


def compile_dataflow(
    network: Network,
    folding: Folding,
    path: Path | str,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
) -> DataflowBundle:
    """Makes the dataflow overlay of `network` with `folding` and leaves it at `path`.

    Raises OverlayError, FoldingError or BundleError; then nothing is left behind.
    """
    return bundle_design(network, lower(network, folding, clock_mhz), path, clock_mhz)


def bundle_design(
    network: Network, design: Design, path: Path | str, clock_mhz: float = DEFAULT_CLOCK_MHZ
) -> DataflowBundle:
    """Leaves the overlay of `design`, which computes `network`, at `path`.

    Raises OverlayError or BundleError; then nothing is left behind.
    """
    _check_clock(clock_mhz)
    files = _hand_written(DATAFLOW_RTL)
    files |= {f"rtl/{name}": text for name, text in dataflow_rtl(network, design).items()}
    files |= {f"images/{name}": text for name, text in design_images(design).items()}
    files[DESIGN] = json.dumps(design_document(design), indent=1) + "\n"
    manifest = {"kind": "dataflow", "name": network.name, "clock_mhz": clock_mhz}
    write_bundle(path, manifest, files, network)
    return Bundle.load(path)


def make_engine(
    engine: Engine, path: Path | str, clock_mhz: float = DEFAULT_CLOCK_MHZ
) -> OffloadBundle:
    """Makes an offload overlay of the size of `engine` and leaves it at `path`.

    Raises OverlayError or BundleError; then nothing is left behind.
    """
    _check_clock(clock_mhz)
    engine.check()
    manifest = {
        "kind": "offload",
        "name": f"offload {engine.rows}x{engine.lanes}",
        "engine": asdict(engine),
        "clock_mhz": clock_mhz,
    }
    write_bundle(path, manifest, _engine_files(engine))
    return Bundle.load(path)


def engine_id(engine: Engine) -> str:
    """32 digits, in hex, of all that an offload overlay of the size of `engine` is made of."""
    content = json.dumps([asdict(engine), _engine_files(engine)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _engine_files(engine: Engine) -> dict[str, str]:
    files = _hand_written(OFFLOAD_RTL)
    return files | {f"rtl/{name}": text for name, text in engine_rtl(engine).items()}


def _check_clock(clock_mhz: float) -> None:
    if not 0 < clock_mhz < inf:
        raise OverlayError(f"a clock of {clock_mhz:g} MHz can't be; give a number above zero")


def _hand_written(folders: tuple[str, ...]) -> dict[str, str]:
    """The RTL of some folders of overlays/rtl, as files of a bundle."""
    return {
        f"rtl/{file.name}": file.read_text()
        for folder in folders
        for file in sorted((RTL / folder).glob("*.sv"))
    }
