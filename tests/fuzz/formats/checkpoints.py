"""Checkpoints: header fields and tensors, with the digest made right again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random

import numpy as np
import torch
from fuzz import mutate
from fuzz.target import working_in
from safetensors import safe_open
from safetensors.torch import save_file

from bitfold.models.checkpoints import load_checkpoint, save_checkpoint
from bitfold.models.datasets import load_iris
from bitfold.models.training import train_on_holdout

FILE = "network.safetensors"
SEEDS = {"binary": "W1A1-thermometer", "integers": "W4A4", "pruned": "W6A6-pruned"}


class Checkpoints:
    name = "checkpoints"

    def prepare(self, folder: Path, cache: Path) -> None:
        folder.mkdir(parents=True)
        torch.set_num_threads(1)  # others would not outlive the fork
        self._folder = folder
        self._rows = load_iris().features[:8]
        for name, quantization in SEEDS.items():
            model = train_on_holdout("irisnet", quantization, seed=1, steps=3)
            save_checkpoint(model, folder / name)
        (folder / "case").mkdir()
        self.copy("binary", folder / "case")
        with working_in(folder):
            self.check(folder / "case")

    def may_start(self, command: list[str]) -> bool:
        return False

    def seeds(self) -> list[str]:
        return list(SEEDS)

    def copy(self, seed: str, case: Path) -> None:
        (case / FILE).write_bytes((self._folder / seed).read_bytes())

    def mutate(self, random: Random, case: Path) -> str:
        file = case / FILE
        if random.random() < 0.2:
            content, said = mutate.octets(random, file.read_bytes())
            file.write_bytes(content)
            return said
        with safe_open(file, framework="pt") as opened:
            header = opened.metadata()["header"]
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        if random.random() < 0.7:
            header, said = mutate.json_text(random, header)
            header = header.encode(errors="replace").decode()
        else:
            said = _tensor(random, tensors)
        metadata = {"header": header, "sha256": _digest(header, tensors)}
        if random.random() < 0.05:
            metadata = random.choice(({}, {"header": header}, {**metadata, "sha256": ""}))
        save_file(tensors, file, metadata=metadata)
        return said

    def check(self, case: Path) -> None:
        model = load_checkpoint(case / FILE)
        scores = model.scores(self._rows)
        assert scores.shape == (8, len(model.class_names))
        again = load_checkpoint(save_checkpoint(model, "again.safetensors"))
        assert again == model
        assert np.array_equal(again.scores(self._rows), scores, equal_nan=True)


def _tensor(random: Random, tensors: dict[str, torch.Tensor]) -> str:
    name = random.choice(list(tensors))
    kind = random.choice(("value", "value", "scale", "drop", "rename", "array", "dtype", "more"))
    values = tensors[name].clone()
    if kind == "value" and values.numel() and values.is_floating_point():
        drawn = random.choice(mutate.FLOATS)
        at = random.randrange(values.numel())
        values.reshape(-1)[at] = torch.tensor(drawn, dtype=torch.float64).to(values.dtype)
        kind = f"value {drawn}"
    elif kind == "scale" and values.is_floating_point():
        values *= random.choice((0.0, -1.0, 1e-45, 1e38, 2.0))
    elif kind == "drop":
        del tensors[name]
        return f"{name} drop"
    elif kind == "rename":
        tensors[random.choice([name for name in mutate.NAMES if name.isprintable()])] = values
        del tensors[name]
        return f"{name} renamed"
    elif kind == "dtype":
        values = values.to(random.choice((torch.float64, torch.float16, torch.int8, torch.bool)))
    elif kind == "more":
        tensors["more"] = values.clone()
    elif values.is_floating_point():
        changed, kind = mutate.array(random, values.numpy())
        if changed.dtype.kind in "fiu":
            values = torch.from_numpy(changed.astype(changed.dtype.newbyteorder("=")))
    tensors[name] = values
    return f"{name} {kind}"


def _digest(header: str, tensors: dict[str, torch.Tensor]) -> str:
    """What load_checkpoint compares with: anybody can make it."""
    digest = hashlib.sha256(header.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


TARGET = Checkpoints()
