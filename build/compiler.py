"""Compiles a network into a bundle: the steps, top to bottom."""

from __future__ import annotations

from math import inf
from pathlib import Path

import bitfold.overlays
from bitfold.build.dataflow import plan
from bitfold.build.emit import dataflow_images, dataflow_rtl
from bitfold.models.errors import OverlayError
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle, write_bundle
from bitfold.overlays.dataflow import DataflowOverlay, Folding

RTL = Path(bitfold.overlays.__file__).parent / "rtl"
DATAFLOW_RTL = ("common", "mvau", "dataflow", "shell")
DEFAULT_CLOCK_MHZ = 100.0


def compile_dataflow(
    network: Network,
    folding: Folding,
    path: Path | str,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
) -> Bundle:
    """Makes the dataflow overlay of `network` with `folding` and leaves it at `path`.

    Raises OverlayError, FoldingError or BundleError; then nothing is left behind.
    """
    if not 0 < clock_mhz < inf:
        raise OverlayError(f"a clock of {clock_mhz:g} MHz can't be; give a number above zero")
    overlay = plan(network, folding)
    generated = dataflow_rtl(overlay)
    files = {f"rtl/{name}": text for name, text in generated.items()}
    files |= {
        f"rtl/{file.name}": file.read_text()
        for folder in DATAFLOW_RTL
        for file in sorted((RTL / folder).glob("*.sv"))
    }
    files |= {f"images/{name}": text for name, text in dataflow_images(network, overlay).items()}
    write_bundle(path, _manifest(network, overlay, clock_mhz), network, files)
    return Bundle.load(path)


def _manifest(network: Network, overlay: DataflowOverlay, clock_mhz: float) -> dict:
    def layout(port) -> dict:
        return {"elements": port.elements, "encoding": port.encoding.name}

    return {
        "kind": "dataflow",
        "name": network.name,
        "input": layout(overlay.input),
        "output": layout(overlay.output),
        "layers": list(overlay.layers),
        "folding": {name: [fold.pe, fold.simd] for name, fold in overlay.folding.items()},
        "latency_cycles": overlay.latency_cycles,
        "initiation_interval": overlay.initiation_interval,
        "clock_mhz": clock_mhz,
    }
