"""Stages that compute in float32: a trained model in torch, a QONNX file in qonnx's executor."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bitfold.build.frontend import read_qonnx, trace_model, trace_source
from bitfold.build.inspect.diff.stages import Shown, parameter_of
from bitfold.build.workflows.samples import Samples
from bitfold.models.network import Network
from bitfold.models.node import Node

if TYPE_CHECKING:
    from bitfold.build.frontend.tracing import Trace
    from bitfold.models.training import TrainedModel


@dataclass(frozen=True)
class FileStage:
    """A QONNX file, executed by qonnx; its network is what it is lowered to."""

    label: str
    network: Network
    path: Path
    bundle: None = None

    def run(self, samples: Samples) -> Shown:
        return _shown(trace_source(self.network, self.path, samples.measurements(self.network)))

    def parameter(self, node: Node) -> np.ndarray | None:
        return parameter_of(self.network, node)


@dataclass(frozen=True)
class ModelStage(FileStage):
    """A trained model, computed by torch; `path` is its export, in a `folder` of its own."""

    model: TrainedModel | None = None
    folder: tempfile.TemporaryDirectory | None = None

    def run(self, samples: Samples) -> Shown:
        from bitfold.models.tracing import trace

        x = samples.measurements(self.network)
        outputs, scores = trace(self.model, x)
        # The first is what the host does: the input's quantizer.
        layers = [output.values for output in outputs[1:]]
        return _shown(trace_model(self.network, self.path, x, layers, scores))


def open_file(
    label: str, path: Path, known: Network | None, say: Callable[[str], None]
) -> FileStage:
    """The QONNX file at `path`, whose input is read as it was for `known`. Raises FrontendError."""
    return FileStage(label, _lower(path, known, say), path)


def open_model(label: str, path: Path, say: Callable[[str], None]) -> ModelStage:
    """The checkpoint at `path`. Raises TrainingError, ExportError or FrontendError."""
    say("loading torch")
    from bitfold.models.checkpoints import load_checkpoint
    from bitfold.models.export import export_qonnx

    model = load_checkpoint(path)
    folder = tempfile.TemporaryDirectory()
    exported = Path(folder.name) / f"{path.stem}.onnx"
    say("exporting")
    export_qonnx(model, exported)
    return ModelStage(label, _lower(exported, None, say), exported, model=model, folder=folder)


def _lower(path: Path, known: Network | None, say: Callable[[str], None]) -> Network:
    info = known.info if known else {}
    scale = info.get("input_scale")
    return read_qonnx(
        path,
        input_encoding=info.get("input_encoding"),
        input_scale=None if scale is None else float(scale),
        progress=say,
    )


def _shown(trace: Trace) -> Shown:
    return Shown(trace.tensors, trace.scores, trace.rounded)
