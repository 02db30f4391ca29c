"""Checkpoints whose header or tensors no training leaves, sealed again after the change."""

from __future__ import annotations

import copy
import json
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from bitfold.models import checkpoints
from bitfold.models.checkpoints import load_checkpoint, save_checkpoint
from bitfold.models.errors import TrainingError
from bitfold.models.training import train_on_holdout

HOSTILE = (
    *(None, True, 0, -1, 10**39, 0.5, 1e308, "", "x", "\x1b[31m\n\u202e", "9" * 100_000),
    *([], [1], [[]], [None] * 100_000, {}, {"x": 1}, {"": {"": []}}),
)

ALSO = {("metrics",): (type(None),), ("recipe", "batch_rows"): (int,)}
"""What else a field may be than it is in the checkpoint of the trial."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(header, tensors) of a checkpoint."""
    model = train_on_holdout("irisnet", "W1A1", seed=1, steps=3)
    path = save_checkpoint(model, tmp_path_factory.mktemp("saved") / "a.safetensors")
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()["header"]), tensors


@pytest.fixture
def sealed(tmp_path):
    def write(header: object, tensors: dict):
        text = header if isinstance(header, str) else json.dumps(header)
        path = tmp_path / "a.safetensors"
        digest = checkpoints._digest(text, tensors)
        save_file(tensors, path, metadata={"header": text, "sha256": digest})
        return path

    return write


def refusal(path) -> str:
    with pytest.raises(TrainingError) as caught:
        load_checkpoint(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ") and said.endswith("train the network again"), said
    assert said.isprintable() and len(said) < 1000
    return said


def places(document: object, *at: str | int):
    """The place of everything in `document`."""
    inner = document.items() if isinstance(document, dict) else ()
    inner = enumerate(document) if isinstance(document, list) else inner
    for key, value in inner:
        yield (*at, key)
        yield from places(value, *at, key)


def changed(document: dict, place: tuple, change) -> dict:
    document = copy.deepcopy(document)
    at = document
    for key in place[:-1]:
        at = at[key]
    change(at, place[-1])
    return document


def test_every_field_that_is_missing_or_no_field_is_told(saved, sealed):
    header, tensors = saved
    for place in places(header):
        if isinstance(place[-1], int):
            continue
        optional = place[0] == "recipe" and place[-1] in (
            *("shifts", "settling_passes", "pruning_begins", "pruning_ends"),
        )
        less = sealed(changed(header, place, lambda at, key: at.pop(key)), tensors)
        if not optional:
            assert f"{'.'.join(place)} is missing" in refusal(less)
        more = sealed(changed(header, place, lambda at, key: at.update(extra=1)), tensors)
        assert 'extra" is no field' in refusal(more)


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:12])
def test_every_field_takes_its_own_kind_of_value_only(value, saved, sealed):
    header, tensors = saved
    kinds = {place: type(of(header, place)) for place in places(header)}
    for place, kind in kinds.items():
        path = sealed(changed(header, place, lambda at, key: at.__setitem__(key, value)), tensors)
        fits = type(value) in {kind, *ALSO.get(place, ())} or (kind, type(value)) == (float, int)
        if not fits:
            refusal(path)
            continue
        try:
            load_checkpoint(path)
        except TrainingError:
            refusal(path)


def of(document, place: tuple):
    for key in place:
        document = document[key]
    return document


@pytest.mark.parametrize("text", ["", "[]", "1", "[" * 100_000, '{"format": 1e999}', "\x00"])
def test_a_header_that_is_none_is_told(text, saved, sealed):
    refusal(sealed(text, saved[1]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"topology": "lenet"}, "topology 'lenet' is not known; choose one of irisnet"),
        ({"quantization": "W3A3"}, "quantization 'W3A3' is not known; choose one of float"),
        ({"format": "bitfold checkpoint 0"}, "format 'bitfold checkpoint 0'; this version reads"),
        ({"feature_names": ["x"] * 70_000}, "70000 features; from 1 to 65536 can be"),
        ({"class_names": ["x"]}, "metrics.confusion is not of 1 classes"),
        ({"class_names": ["x"], "metrics": None}, "4 features and 3 classes, but 4 and 1 are"),
        ({"topology": "iris_64_64"}, "not those of iris_64_64-W1A1: 'first.linear"),
        ({"topology": "tfc"}, "784 features and 10 classes, but 4 and 3 are named"),
    ],
    ids=str,
)
def test_a_header_that_no_training_leaves_is_told_with_its_value(change, said, saved, sealed):
    assert said in refusal(sealed({**saved[0], **change}, saved[1]))


def test_tensors_of_another_shape_type_or_value_are_told_by_name(saved, sealed):
    header, tensors = saved
    for name, tensor in tensors.items():
        others = {
            "missing": None,
            "has to be": torch.zeros(3, 1, 2, dtype=tensor.dtype),
            f"has to be {str(tensor.dtype)[6:]}": tensor.to(torch.uint8),
            "is F64": tensor.to(torch.float64),
        }
        if tensor.is_floating_point():
            others["infinite or not a number"] = torch.full_like(tensor, float("nan"))
        for said, other in others.items():
            changed_tensors = {**tensors, name: other}
            if other is None:
                del changed_tensors[name]
            refused = refusal(sealed(header, changed_tensors))
            assert repr(name) in refused and said in refused
    said = refusal(sealed(header, {**tensors, "x\n\x1b": torch.zeros(1)}))
    assert r"'x\n\x1b' is none of them" in said


def test_what_is_no_file_is_told_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, said in (
        (tmp_path, "it is a folder"),
        (tmp_path / "pipe", "it is a pipe"),
        ("/dev/zero", "it is a device"),
        (tmp_path / "none", "No such file"),
        (str(tmp_path / "x\x00"), "null byte"),
    ):
        with pytest.raises(TrainingError, match=said):
            load_checkpoint(path)


def test_a_safetensors_file_of_another_program_is_told(tmp_path, saved):
    path = tmp_path / "a.safetensors"
    save_file(saved[1], path)
    refusal(path)
    path.write_bytes((10**9).to_bytes(8, "little") + b" " * 1000)
    refusal(path)
    with path.open("wb") as file:
        file.truncate(checkpoints.MAX_BYTES + 1)
    assert "more than" in refusal(path)
