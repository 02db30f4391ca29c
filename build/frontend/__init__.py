"""The front end: a QONNX file, from Brevitas or anyone else, to an integer Network.

source.py        the file as a chain of operations       operators.py  what each operator means
layers.py        the chain cut into host steps, layers   weights.py, naming.py, edges.py: its parts
streamlining.py  FINN's passes on the layers, which chain.py writes as a graph
thresholds.py    every threshold moved to where the file itself switches
lowering.py      layers and constants made a Network
comparison.py    a Network beside its file, which qonnx executes
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bitfold.models.errors import FrontendError, NetworkError
from bitfold.models.network import Network

if TYPE_CHECKING:
    from bitfold.build.frontend.comparison import Comparison

# onnx, qonnx and FINN take a moment to load, so the functions import what they need.


def read_qonnx(
    path: str | Path,
    *,
    input_encoding: str | None = None,
    input_scale: float | None = None,
    name: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Network:
    """Reads a QONNX file and lowers it to integers with FINN's passes.

    The hardware takes the integers of the file's first quantizer; that quantizer, and what stands
    before it, becomes `network.quantizer`, done by the host. With `input_encoding` (a QONNX
    datatype) it takes these integers instead, each worth `input_scale` (default 1), and what
    stands before the first layer becomes thresholds: UINT8 and 1/255 for pixels. What is behind
    the last layer or quantizer becomes `network.head`; a final ArgMax or TopK is dropped, as
    `network.classes` does the same.

    Every threshold is where the file's own float32 arithmetic switches. Two layers with equal
    integers share one parameter. `name` is by default what the file calls itself, or its own
    name; `progress` is called with each step. Raises FrontendError; where nodes can't be lowered,
    it lists all of them.
    """
    path = Path(path)
    progress = progress or _ignore
    try:
        from bitfold.build.frontend import layers, lowering, problems, source

        progress(f"reading {path.name}")
        graph = source.read_source(path)
        declared = layers.given_input(graph, input_encoding, input_scale)
        plan, found = layers.cut(graph, declared)
        problems.refuse(str(path), found)
        info = {"source": path.name}
        for key in ("topology", "quantization", "dataset", "feature_names"):
            if f"bitfold.{key}" in graph.metadata:
                info[key] = graph.metadata[f"bitfold.{key}"]
        if input_encoding:
            scale = 1.0 if input_scale is None else input_scale
            info.update(input_encoding=input_encoding, input_scale=repr(float(scale)))
        name = name or graph.metadata.get("bitfold.name") or path.stem
        return lowering.lower(graph, plan, name, info, progress)
    except FrontendError:
        raise
    except NetworkError as error:
        raise FrontendError(f"{path}: {error}") from error
    except Exception as error:
        raise FrontendError(
            f"{path}: {error!r} while reading; the file is damaged or has a form that was not "
            "foreseen: report it"
        ) from error


def verify_against_source(network: Network, path: str | Path, x: np.ndarray) -> Comparison:
    """Runs `network` and, through qonnx's executor, the file it was read from on the same samples.

    `x`: (rows, *sample_shape) float32, as the file takes them. Compares the integers of every
    layer, and the scores within float32 rounding; the result is `exact`, or at least `faithful`,
    or says which samples differ and in which layer first. Raises FrontendError where the file is
    not the network's or can't be executed, InputError for samples that don't fit.
    """
    from bitfold.build.frontend.comparison import compare

    return compare(network, Path(path), x)


def random_samples(network: Network, rows: int, seed: int = 0) -> np.ndarray:
    """(rows, *sample_shape) float32 whose integers are spread over the whole input encoding."""
    from bitfold.build.frontend.comparison import random_samples

    return random_samples(network, rows, seed)


def measurements(network: Network, x: np.ndarray) -> np.ndarray:
    """(rows, *sample_shape) float32 that the host turns into the input integers `x`, (rows,
    features): what the network's file takes."""
    from bitfold.build.frontend.comparison import measurements

    return measurements(network, x)


def _ignore(step: str) -> None:
    pass
