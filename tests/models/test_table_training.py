"""Networks for tables: columns standardized on the host, rows held out, exact when exported."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine

from bitfold.models.checkpoints import load_checkpoint, save_checkpoint
from bitfold.models.cross_validation import cross_validate_rows
from bitfold.models.dataset import Dataset, split
from bitfold.models.datasets import STANDARDIZED
from bitfold.models.export import export_qonnx
from bitfold.models.training import train, train_on_holdout
from bitfold.models.zoo import ANY_TABLE, build


def dataset(name: str, features: np.ndarray, labels: np.ndarray) -> Dataset:
    columns = tuple(f"column {i}" for i in range(features.shape[1]))
    classes = tuple(f"class {i}" for i in range(labels.max() + 1))
    return Dataset(name, features.astype(np.float32), labels.astype(np.int64), columns, classes)


@pytest.fixture(scope="module")
def wine() -> Dataset:
    """13 columns, from 0.1 to 1,680."""
    data = load_wine()
    return dataset("wine", data.data, data.target)


def test_every_column_fills_the_input_whatever_its_unit(wine):
    module = build(ANY_TABLE.name, "W1A3", 13, 3)
    moved = dataset("moved", wine.features * 1e6 - 1e7, wine.labels)
    for rows in (wine, moved):
        module.input.fit(rows.features)
        x = module.input.standardize(torch.from_numpy(rows.features)).numpy()
        assert np.allclose(x.mean(axis=0), STANDARDIZED, atol=1e-2)
        assert np.allclose(x.std(axis=0), 1, atol=1e-2)
        integers = module.input(torch.from_numpy(rows.features)).numpy() * 32
        assert np.array_equal(integers, np.clip(np.round(x * 32), 0, 255))


def test_a_column_that_does_not_vary_stays_finite():
    module = build(ANY_TABLE.name, "W1A3", 2, 2)
    rows = np.float32([[7, 1], [7, 2]])
    module.input.fit(rows)
    assert np.isfinite(module.input(torch.from_numpy(rows)).numpy()).all()


def test_a_thermometer_has_its_levels_where_the_standardized_rows_are(wine):
    module = build(ANY_TABLE.name, "W1A1-thermometer", 13, 3)
    module.input.fit(wine.features)
    reached = module.input(torch.from_numpy(wine.features)).numpy()
    assert ((reached == 1).any(axis=0) & (reached == -1).any(axis=0)).mean() > 0.9


def test_a_fifth_is_held_out_each_class_in_proportion(wine):
    training, held_out = split(wine, seed=3)
    assert len(held_out) == 36 and len(training) == 142
    shares = np.bincount(held_out.labels) / 36 - np.bincount(wine.labels) / 178
    assert np.abs(shares).max() < 0.03


def test_a_table_is_learnt_better_than_its_most_frequent_class(wine):
    model = train_on_holdout(ANY_TABLE.name, "W1A3", seed=1, steps=300, rows=wine)
    assert model.name == "wine-W1A3" and model.dataset == "wine"
    assert model.split == "142 of 178 rows, stratified with seed 1"
    assert model.metrics.samples == 36 and model.metrics.accuracy > 0.85


def test_what_no_plane_parts_is_learnt_too():
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 2))
    quadrants = dataset("quadrants", x, (x[:, 0] * x[:, 1] > 0).astype(int))
    model = train_on_holdout(ANY_TABLE.name, "W1A3", steps=400, rows=quadrants)
    assert model.metrics.accuracy > 0.85  # an LDA gets half of them


@pytest.mark.parametrize("name", ["W1A1-thermometer", "W8A8", "float"])
def test_the_export_equals_torch_on_every_row(wine, name, tmp_path):
    model = train(ANY_TABLE.name, name, wine, steps=10)
    export_qonnx(model, tmp_path / "wine.onnx", wine.features)


def test_a_checkpoint_keeps_what_columns_were_standardized_by(wine, tmp_path):
    model = train(ANY_TABLE.name, "W1A3", wine, steps=5)
    loaded = load_checkpoint(save_checkpoint(model, tmp_path / "wine.safetensors"))
    assert loaded == model
    assert np.array_equal(loaded.scores(wine.features), model.scores(wine.features))
    assert not np.array_equal(loaded.module.input.standardize.offset, np.zeros(13))


def test_cross_validation_judges_every_row_once_a_seed(wine):
    seen = []
    (accuracies,) = cross_validate_rows(
        wine, ANY_TABLE.name, "W1A3", seeds=(4,), steps=20, progress=lambda *n: seen.append(n)
    )
    assert seen == [(0, 1), (1, 1)]
    right = accuracies * [36, 36, 36, 35, 35]
    assert np.allclose(right, np.rint(right)) and right.sum() > 178 / 2
