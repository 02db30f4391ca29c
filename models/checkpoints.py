"""Trained networks on disk: safetensors with a JSON header, never pickle."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from bitfold.models import zoo
from bitfold.models.errors import TrainingError
from bitfold.models.files import whole_file
from bitfold.models.layers import fold_batch_norms
from bitfold.models.metrics import Metrics
from bitfold.models.training import Recipe, TrainedModel

_FORMAT = "bitfold checkpoint 1"


def save_checkpoint(model: TrainedModel, path: str | Path) -> Path:
    """Writes `model` to `path`, whole or not at all."""
    tensors = {name: value.contiguous() for name, value in model.module.state_dict().items()}
    header = {
        "format": _FORMAT,
        "topology": model.topology,
        "quantization": model.quantization,
        "dataset": model.dataset,
        "feature_names": model.feature_names,
        "class_names": model.class_names,
        "seed": model.seed,
        "split": model.split,
        "recipe": asdict(model.recipe),
        "recipe_hash": model.recipe_hash,
        "metrics": model.metrics.to_json() if model.metrics else None,
    }
    text = json.dumps(header, sort_keys=True)
    metadata = {"header": text, "sha256": _digest(text, tensors)}
    with whole_file(path) as partial:
        save_file(tensors, partial, metadata=metadata)
    return Path(path)


def load_checkpoint(path: str | Path) -> TrainedModel:
    """The model that `save_checkpoint` wrote.

    Raises TrainingError for a file that is missing, truncated, altered, or does not fit the
    topology that it names. Whether its recipe is today's is for the caller to ask: compare
    `model.recipe_hash` with `recipe_hash(...)`.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path}: not a checkpoint ({error}); train the network again"
        ) from error
    text = metadata.get("header", "")
    if _digest(text, tensors) != metadata.get("sha256"):
        raise TrainingError(
            f"{path}: its content does not have the sha256 that it states; train the network again"
        )
    header = json.loads(text)
    if header["format"] != _FORMAT:
        raise TrainingError(
            f"{path}: format {header['format']!r}; this version reads {_FORMAT!r}: train it again"
        )
    sizes = len(header["feature_names"]), len(header["class_names"])
    module = fold_batch_norms(zoo.build(header["topology"], header["quantization"], *sizes))
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise TrainingError(
            f"{path}: its tensors are not those of {header['topology']}-{header['quantization']} "
            f"({error}); train the network again"
        ) from error
    metrics = header["metrics"]
    return TrainedModel(
        topology=header["topology"],
        quantization=header["quantization"],
        dataset=header["dataset"],
        feature_names=tuple(header["feature_names"]),
        class_names=tuple(header["class_names"]),
        seed=header["seed"],
        split=header["split"],
        recipe=Recipe(**header["recipe"]),
        recipe_hash=header["recipe_hash"],
        module=module,
        metrics=Metrics.from_json(metrics) if metrics else None,
    )


def _digest(header: str, tensors: dict[str, torch.Tensor]) -> str:
    """sha256 over the header and over each tensor's name, dtype, shape and bytes."""
    digest = hashlib.sha256(header.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
