"""Writes a trained network as QONNX, and only if the file gives exactly what torch gives."""

import json
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.change_batchsize import ChangeBatchSize
from qonnx.transformation.infer_shapes import InferShapes

from bitfold.models.errors import ExportError
from bitfold.models.files import whole_file
from bitfold.models.training import TrainedModel

# Random inputs that every export is checked with, beside the rows that the caller gives.
_RANDOM_ROWS = 256


def export_qonnx(model: TrainedModel, path: str | Path, rows: np.ndarray | None = None) -> Path:
    """Writes `model` to `path` as QONNX: batch 1, input `features`, output `scores`.

    What the network is stands in the file's `metadata_props` under `bitfold.name`, `.topology`,
    `.quantization`, `.dataset`, and as JSON `.feature_names` and `.class_names`.

    The file is executed with qonnx on `rows` (n, features) and on random inputs all over the
    input's range. Raises ExportError, and leaves nothing, where one score differs from torch's
    in one bit. The float reference, whose sums depend on their order, may differ by 1e-5.
    """
    checked = model.module.input.random_rows(_RANDOM_ROWS, seed=0)
    if rows is not None:
        checked = np.concatenate([rows, checked]).astype(np.float32)
    with whole_file(path) as partial:
        _write(model, partial)
        _check(model, partial, checked)
    return Path(path)


def execute(path: Path, rows: np.ndarray) -> np.ndarray:
    """What qonnx makes of `rows` (n, features) in a file that `export_qonnx` wrote: the scores
    (n, classes) float32."""
    # A batch of its own: qonnx can't execute a dynamic one, and row by row takes 100 times longer.
    exported = ModelWrapper(str(path)).transform(ChangeBatchSize(len(rows)))
    exported = exported.transform(InferShapes())
    return execute_onnx(exported, {"features": rows.astype(np.float32)})["scores"]


def _write(model: TrainedModel, path: Path) -> None:
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    with warnings.catch_warnings():
        # They are about torchvision and faster kernels, which nothing here uses.
        warnings.simplefilter("ignore")
        registration.setLevel(logging.ERROR)
        from brevitas.export import export_qonnx as export_with_brevitas

        try:
            export_with_brevitas(
                model.module,
                torch.zeros(1, model.module.input.format.features),
                str(path),
                input_names=["features"],
                output_names=["scores"],
                optimize=True,
                external_data=False,
                keep_initializers_as_inputs=False,
                verbose=False,
            )
        finally:
            registration.setLevel(level)
    exported = onnx.load(path)
    _drop_traces(exported.graph)
    onnx.helper.set_model_props(
        exported,
        {
            "bitfold.name": model.name,
            "bitfold.topology": model.topology,
            "bitfold.quantization": model.quantization,
            "bitfold.dataset": model.dataset,
            "bitfold.feature_names": json.dumps(model.feature_names),
            "bitfold.class_names": json.dumps(model.class_names),
        },
    )
    onnx.save(exported, path)


def _drop_traces(graph: onnx.GraphProto) -> None:
    """Removes the stack traces that torch adds to every part: they name files of this machine."""
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del part.metadata_props[:]
    for initializer in graph.initializer:
        del initializer.metadata_props[:]


def _check(model: TrainedModel, path: Path, rows: np.ndarray) -> None:
    actual = execute(path, rows)
    expected = model.scores(rows)
    if model.quantization == "float":
        same = np.isclose(actual, expected, rtol=1e-5, atol=1e-5)
    else:
        same = actual == expected
    wrong = np.flatnonzero(~same.all(axis=1))
    if wrong.size:
        raise ExportError(
            f"{model.name}: the exported file differs from torch in {wrong.size} of {len(rows)} "
            f"rows, first in row {wrong[0]}: {actual[wrong[0]]} for {expected[wrong[0]]}; "
            "nothing was written. Install the pinned versions of torch, brevitas and qonnx"
        )
