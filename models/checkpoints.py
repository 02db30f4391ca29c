"""Trained networks on disk: safetensors with a JSON header, never pickle."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from bitfold.models import zoo
from bitfold.models.checked import checked
from bitfold.models.errors import TrainingError
from bitfold.models.files import check_file, whole_file
from bitfold.models.json_files import parse_json
from bitfold.models.layers import fold_batch_norms
from bitfold.models.metrics import Metrics
from bitfold.models.quantization import quantization
from bitfold.models.training import Recipe, TrainedModel

MAX_BYTES = 1 << 28
MAX_NAMES = 1 << 16
"""Of features, and of classes: as many as a layer can have."""

_FORMAT = "bitfold checkpoint 1"
_REMEDY = "train the network again"
# What the layers hold, by safetensors' names.
_DTYPES = ("F32", "I64", "I32", "U8", "BOOL")


@dataclass(frozen=True)
class _Header:
    """What a checkpoint says of itself. Raises ValueError or TrainingError for what no training
    leaves."""

    format: str
    topology: str
    quantization: str
    dataset: str
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    seed: int
    split: str
    recipe: Recipe
    recipe_hash: str
    metrics: Metrics | None

    def __post_init__(self):
        if self.format != _FORMAT:
            raise ValueError(f"format {self.format!r}; this version reads {_FORMAT!r}")
        zoo.topology(self.topology)
        quantization(self.quantization)
        for what, names in (("features", self.feature_names), ("classes", self.class_names)):
            if not 1 <= len(names) <= MAX_NAMES:
                raise ValueError(f"{len(names)} {what}; from 1 to {MAX_NAMES} can be")
        if self.metrics:
            rows = {len(row) for row in (self.metrics.confusion, *self.metrics.confusion)}
            if rows != {len(self.class_names)}:
                raise ValueError(f"metrics.confusion is not of {len(self.class_names)} classes")


def save_checkpoint(model: TrainedModel, path: str | Path) -> Path:
    """Writes `model` to `path`, whole or not at all."""
    tensors = {name: value.contiguous() for name, value in model.module.state_dict().items()}
    said = {field.name: getattr(model, field.name, None) for field in fields(_Header)}
    header = said | {
        "format": _FORMAT,
        "recipe": asdict(model.recipe),
        "metrics": model.metrics.to_json() if model.metrics else None,
    }
    text = json.dumps(header, sort_keys=True)
    metadata = {"header": text, "sha256": _digest(text, tensors)}
    with whole_file(path) as partial:
        try:
            save_file(tensors, partial, metadata=metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from error
    return Path(path)


def load_checkpoint(path: str | Path) -> TrainedModel:
    """The model that `save_checkpoint` wrote.

    Raises TrainingError for a file that is missing, truncated, altered, or does not fit the
    topology that it names. Whether its recipe is today's is for the caller to ask: compare
    `model.recipe_hash` with `recipe_hash(...)`.
    """
    text, tensors = _read(path)
    document = parse_json(text, TrainingError, str(path), _REMEDY)
    header = checked(document, _Header, TrainingError, str(path), _REMEDY)
    sizes = len(header.feature_names), len(header.class_names)
    module = fold_batch_norms(zoo.build(header.topology, header.quantization, *sizes))
    reason = _misfit(module, sizes, tensors)
    if reason:
        named = f"{header.topology}-{header.quantization}"
        raise TrainingError(f"{path}: its tensors are not those of {named}: {reason}; {_REMEDY}")
    module.load_state_dict(tensors)
    said = {field.name: getattr(header, field.name) for field in fields(_Header)}
    del said["format"]
    return TrainedModel(**said, module=module)


def _read(path: str | Path) -> tuple[str, dict[str, torch.Tensor]]:
    """The header's text and the tensors, which are what the file's sha256 says."""
    check_file(path, MAX_BYTES, TrainingError, "not a checkpoint", _REMEDY)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            for name in names:
                dtype = file.get_slice(name).get_dtype()
                if dtype not in _DTYPES:
                    raise ValueError(f"tensor {name!r} is {dtype}")
            tensors = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError, ValueError) as error:
        raise TrainingError(f"{path}: not a checkpoint ({error}); {_REMEDY}") from error
    text = metadata.get("header", "")
    if _digest(text, tensors) != metadata.get("sha256"):
        raise TrainingError(
            f"{path}: its content does not have the sha256 that it states; {_REMEDY}"
        )
    return text, tensors


def _misfit(
    module: nn.Module, sizes: tuple[int, int], tensors: dict[str, torch.Tensor]
) -> str | None:
    """Why `tensors` can't be those of `module` and finite, or None."""
    own = (module.input.format.features, module.scores.linear.out_features)
    if own != sizes:
        return f"{own[0]} features and {own[1]} classes, but {sizes[0]} and {sizes[1]} are named"
    expected = module.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors or name not in expected:
            return f"{name!r} is {'missing' if name in expected else 'none of them'}"
        tensor, like = tensors[name], expected[name]
        if (tensor.dtype, tensor.shape) != (like.dtype, like.shape):
            return f"{name!r} is {_kind(tensor)}, and has to be {_kind(like)}"
        if not torch.isfinite(tensor).all():
            return f"{name!r} holds a value that is infinite or not a number"
    return None


def _kind(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _digest(header: str, tensors: dict[str, torch.Tensor]) -> str:
    """sha256 over the header and over each tensor's name, dtype, shape and bytes."""
    digest = hashlib.sha256(header.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
