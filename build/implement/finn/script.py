"""Writes a folder in which a user with Vivado makes FINN's own bitstream of the same network."""

from __future__ import annotations

import json
from importlib.metadata import version
from math import inf
from pathlib import Path

import jinja2
import numpy as np

from bitfold.build.compile.lowering import lower
from bitfold.build.frontend import random_samples
from bitfold.build.implement.finn.graph import folding_config, hardware, integer_graph
from bitfold.models.errors import OverlayError
from bitfold.models.files import whole_file
from bitfold.models.network import Network
from bitfold.overlays.dataflow.fold import Folding

SAMPLES = 20
"""Random samples that FINN compares its integers with: its RTL simulation takes them one by one."""

_TEMPLATES = Path(__file__).with_name("templates")


def write_build_folder(
    network: Network, folding: Folding, folder: Path, board: str, clock_mhz: float
) -> None:
    """Leaves at `folder` what FINN's build_dataflow makes a bitstream of `network` from.

    `board` is Pynq-Z1 or Pynq-Z2, as FINN names them too.

    build.py with README.md; network.onnx, the integers of `network` in FINN's dialect; folding.json
    for its ApplyConfig; input.npy and expected_output.npy, which it verifies itself with. Raises
    OverlayError for a clock that can't be, FrontendError where FINN refuses the network,
    FoldingError, and OutputError.
    """
    if not 0 < clock_mhz < inf:
        raise OverlayError(f"a clock of {clock_mhz:g} MHz can't be; give a number above zero")
    config = folding_config(hardware(network), network, lower(network, folding))
    x = network.quantize(random_samples(network, SAMPLES))
    values = {
        "board": board,
        "clock_mhz": f"{clock_mhz:g}",
        "period_ns": 1000 / clock_mhz,
        "samples": SAMPLES,
        "version": version("bitfold"),
        "finn": version("finn-plus"),
    }
    with whole_file(folder / "network.onnx") as partial:
        integer_graph(network).save(str(partial))
    _write(folder / "folding.json", json.dumps(config, indent=1) + "\n")
    for name, array in (("input.npy", x), ("expected_output.npy", network(x))):
        with whole_file(folder / name) as partial, partial.open("wb") as stream:
            np.save(stream, array.astype(np.float32))
    _write(folder / "README.md", _render("finn_readme.md.j2", values))
    _write(folder / "build.py", _render("finn_build.py.j2", values))
    (folder / "build.py").chmod(0o755)  # `finn run` takes nothing else


def _write(file: Path, text: str) -> None:
    with whole_file(file) as partial:
        partial.write_text(text)


def _render(template: str, values: dict) -> str:
    text = (_TEMPLATES / template).read_text()
    made = jinja2.Template(text, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return made.render(values)
