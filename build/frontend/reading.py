"""What is done with a file behind the process boundary; sandbox.py runs these functions."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bitfold.build.frontend import comparison, lowering, problems, source, streamlining
from bitfold.build.frontend.comparison import Comparison
from bitfold.build.frontend.given import given_input
from bitfold.build.frontend.layers import cut
from bitfold.build.frontend.plan import Plan
from bitfold.build.frontend.source import Source
from bitfold.build.frontend.tracing import Trace, computed, trace
from bitfold.models.errors import BitfoldError, FrontendError, NetworkError, shown
from bitfold.models.names import plain_name
from bitfold.models.network import Network

streamlining.load_passes()  # once, and not in every process that is forked


def _typed(function: Callable) -> Callable:
    """`function(path, ...)` with every error one of ours."""

    @functools.wraps(function)
    def run(path: Path, *arguments):
        try:
            return function(path, *arguments)
        except NetworkError as error:
            raise FrontendError(f"{path}: {error}") from error
        except (BitfoldError, MemoryError):
            raise
        except Exception as error:
            raise FrontendError(
                f"{path}: {shown(repr(error), 300)} while reading; the file is damaged or has a "
                "form that was not foreseen: report it"
            ) from error

    return run


@_typed
def read(
    path: Path,
    input_encoding: str | None,
    input_scale: float | None,
    name: str | None,
    rows: int,
    progress: Callable[[str], None],
) -> Network:
    """See `bitfold.build.frontend.read_qonnx`."""
    progress(f"reading {path.name}")
    graph = source.read_source(path)
    plan, found = cut(graph, given_input(graph, input_encoding, input_scale))
    problems.refuse(str(path), found)
    info = {"source": plain_name(path.name)}
    for key in ("topology", "quantization", "dataset"):
        if f"bitfold.{key}" in graph.metadata:
            info[key] = graph.metadata[f"bitfold.{key}"]
    features = graph.names("feature_names")
    if features:
        info["feature_names"] = json.dumps(features)
    if input_encoding:
        scale = 1.0 if input_scale is None else input_scale
        info.update(input_encoding=input_encoding, input_scale=repr(float(scale)))
    name = plain_name(name or graph.metadata.get("bitfold.name") or path.stem)
    network = lowering.lower(graph, plan, name, info, progress)
    if rows:
        progress("comparing with the QONNX file")
        found = comparison.compare(network, graph, plan, comparison.random_samples(network, rows))
        if not found.faithful:
            raise FrontendError(
                f"{path}: the integer network differs from the file on {len(found.mismatches)} of "
                f"{rows} samples, first in {shown(found.layer)}; please report the file"
            )
        if len(found.rounded):
            rounded = f"{len(found.rounded)} of {rows}"
            network = replace(network, info={**network.info, "rounded": rounded})
    return network


@_typed
def compare(path: Path, network: Network, x: np.ndarray) -> Comparison:
    """See `bitfold.build.frontend.verify_against_source`."""
    return comparison.compare(network, *_plan(path, network), x)


@_typed
def trace_file(path: Path, network: Network, x: np.ndarray) -> Trace:
    """See `bitfold.build.frontend.trace_source`."""
    graph, plan = _plan(path, network)
    tensors = comparison.execute(graph, x)
    layers = {layer.name: tensors[layer.source.output] for layer in plan.layers if layer.source}
    edge = tensors[plan.edge.output] if plan.edge else None
    return trace(network, plan, x, layers, tensors[comparison.scores_of(graph)], edge)


@_typed
def trace_model(
    path: Path, network: Network, x: np.ndarray, layers: Sequence[np.ndarray], scores: np.ndarray
) -> Trace:
    """See `bitfold.build.frontend.trace_model`."""
    graph, plan = _plan(path, network)
    known = computed(graph, plan)
    if len(layers) != len(known):
        raise FrontendError(
            f"{network.name}: {len(layers)} layers and quantizers ran, but its QONNX file has "
            f"{len(known)}; export it again"
        )
    named = {layer.name: values for layer, values in zip(known, layers)}
    return trace(network, plan, x, named, scores)


@_typed
def scores(path: Path, x: np.ndarray) -> np.ndarray:
    """See `bitfold.build.frontend.source_scores`."""
    graph = source.read_source(path)
    return comparison.execute(graph, x)[graph.model.graph.output[0].name]


def _plan(path: Path, network: Network) -> tuple[Source, Plan]:
    """The file that `network` was made of, cut as it was then."""
    graph = source.read_source(path)
    scale = network.info.get("input_scale")
    declared = given_input(
        graph, network.info.get("input_encoding"), None if scale is None else float(scale)
    )
    plan, found = cut(graph, declared)
    problems.refuse(str(path), found)
    return graph, plan
