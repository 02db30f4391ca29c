"""The front end: a QONNX file, from Brevitas or anyone else, to an integer Network.

sandbox.py       a process with limits, in which all that touches a file is done
reading.py       what is done there
loading.py       the file's bytes                        screening.py  what is refused by its form
source.py        the file as a graph of operations       operators.py  what each operator means
layers.py        the graph cut into host steps, layers   plan.py       what these are
weights.py, naming.py, edges.py, joins.py, given.py: parts of layers.py
streamlining.py  FINN's passes on a run of layers, which chain.py writes as a graph
thresholds.py    every threshold moved to where the file itself switches
lowering.py      layers and constants made a Network
comparison.py    a Network beside its file, which qonnx executes
tracing.py       the integers behind what the file, or its model, computes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bitfold.build.frontend.sandbox import Limits, call
from bitfold.models.network import Network

if TYPE_CHECKING:
    from bitfold.build.frontend.comparison import Comparison
    from bitfold.build.frontend.tracing import Trace

CHECKED_SAMPLES = 100
"""On which a network is compared with its file when it is read."""

# onnx, qonnx and FINN take a moment to load, so the functions import what they need.


def read_qonnx(
    path: str | Path,
    *,
    input_encoding: str | None = None,
    input_scale: float | None = None,
    name: str | None = None,
    progress: Callable[[str], None] | None = None,
    checked_samples: int = CHECKED_SAMPLES,
    limits: Limits | None = None,
) -> Network:
    """Reads a QONNX file and lowers it to integers with FINN's passes.

    The hardware takes the integers of the file's first quantizer; that quantizer, and what stands
    before it, becomes `network.quantizer`, done by the host. With `input_encoding` (a QONNX
    datatype) it takes these integers instead, each worth `input_scale` (default 1), and what
    stands before the first layer becomes thresholds: UINT8 and 1/255 for pixels. What is behind
    the last layer or quantizer becomes `network.head`; a final ArgMax or TopK is dropped, as
    `network.classes` does the same.

    Layers in front of the first quantizer, and those without quantized weights behind the last, are
    steps of the host in float32. Every threshold is where the file's own float32 arithmetic
    switches, and the network is compared with the file on `checked_samples` random samples;
    `network.info["rounded"]` says on how many of them the file differs by its own rounding, where
    it does. Two layers with equal integers share one parameter. `name` is by default what the file
    calls itself, or its own name; `progress` is called with each step.

    The file may come from anyone: it is read in a process with `limits`, by default more than any
    network of its size needs. Raises FrontendError; where nodes can't be lowered, it lists all of
    them.
    """
    path = Path(path)
    arguments = input_encoding, input_scale, name, checked_samples
    return _call("read", path, *arguments, limits=limits, progress=progress or _ignore)


def verify_against_source(
    network: Network, path: str | Path, x: np.ndarray, limits: Limits | None = None
) -> Comparison:
    """Runs `network` and, through qonnx's executor, the file it was read from on the same samples.

    `x`: (rows, *sample_shape) float32, as the file takes them. Compares the integers of every
    layer, and the scores within float32 rounding; the result is `exact`, or at least `faithful`,
    or says which samples differ and in which layer first. Raises FrontendError where the file is
    not the network's or can't be executed, InputError for samples that don't fit.
    """
    return _call("compare", Path(path), network, np.asarray(x, np.float32), limits=limits)


def trace_source(network: Network, path: Path, x: np.ndarray) -> Trace:
    """The integers behind what qonnx's executor makes of `x` (rows, *sample_shape) float32.

    `path` is the file that `network` was read from. Raises FrontendError.
    """
    return _call("trace_file", path, network, np.asarray(x, np.float32))


def trace_model(
    network: Network, path: Path, x: np.ndarray, layers: Sequence[np.ndarray], scores: np.ndarray
) -> Trace:
    """The integers behind what the model gave that was exported to the file at `path`.

    `layers`: float32 of each sum and of each quantizer behind the input's, in order. Raises
    FrontendError where the file has others.
    """
    return _call("trace_model", path, network, x, layers, scores)


def source_scores(path: Path, x: np.ndarray) -> np.ndarray:
    """What qonnx's executor makes of `x` (rows, *sample_shape) float32: the file's output.

    Raises FrontendError.
    """
    return _call("scores", path, np.asarray(x, np.float32))


def random_samples(network: Network, rows: int, seed: int = 0) -> np.ndarray:
    """(rows, *sample_shape) float32 whose integers are spread over the whole input encoding."""
    from bitfold.build.frontend.comparison import random_samples

    return random_samples(network, rows, seed)


def measurements(network: Network, x: np.ndarray) -> np.ndarray:
    """(rows, *sample_shape) float32 that the host turns into the input integers `x`, (rows,
    features): what the network's file takes."""
    from bitfold.build.frontend.comparison import measurements

    return measurements(network, x)


def _call(
    what: str,
    path: Path,
    *arguments: Any,
    limits: Limits | None = None,
    progress: Callable[[str], None] | None = None,
) -> Any:
    """A function of reading.py, in a process of its own."""
    from bitfold.build.frontend import reading

    rows = [len(a) for a in arguments if isinstance(a, np.ndarray)]
    limits = limits or Limits.for_file(path, max(rows, default=0))
    return call(str(path), limits, getattr(reading, what), path, *arguments, progress=progress)


def _ignore(step: str) -> None:
    pass
