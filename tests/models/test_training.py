"""Training follows the recipe, is the same for a seed, and says what it can't do."""

from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from bitfold.models import training
from bitfold.models.dataset import Dataset
from bitfold.models.datasets import holdout, iris_split, load_iris
from bitfold.models.errors import TrainingError
from bitfold.models.metrics import Metrics, measure
from bitfold.models.training import recipe_for, recipe_hash, train, train_on_holdout

MNIST_IMAGES = Path(__file__).parents[3] / "shared" / "cases" / "mnist_test_1000.npz"


def matrices(model):
    return [p for p in model.module.parameters() if p.dim() == 2 and p.requires_grad]


def same_weights(one, other):
    ours, theirs = one.module.state_dict(), other.module.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_recipe_teaches_a_network_what_an_lda_knows_of_flowers_it_never_saw():
    rows, held_out = iris_split(seed=0)
    model = train("iris_64_32_32", "W4A4", rows, seed=0)

    teacher = LinearDiscriminantAnalysis(solver="lsqr").fit(
        rows.features.astype(float), rows.labels
    )
    generator = np.random.default_rng(7)
    noise = generator.multivariate_normal(np.zeros(4), teacher.covariance_, 2000)
    flowers = rows.features[generator.integers(0, len(rows), 2000)] + noise
    expected = teacher.predict_proba(flowers)
    actual = torch.softmax(torch.from_numpy(model.scores(flowers)), dim=1).numpy()

    # Trained on hard labels it agrees on 0.94 to 0.96; trained without noise it errs by 0.009.
    assert (actual.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.98
    assert np.abs(actual - expected).mean() < 0.008
    assert model.measure(held_out).accuracy >= 0.96


def test_training_is_decided_by_the_seed():
    iris = load_iris()
    torch.manual_seed(1)
    first = train("irisnet", "W1A3", iris, seed=5, steps=8)
    torch.manual_seed(2)
    assert same_weights(first, train("irisnet", "W1A3", iris, seed=5, steps=8))
    assert not same_weights(first, train("irisnet", "W1A3", iris, seed=6, steps=8))


def test_training_leaves_torch_as_it_was():
    torch.manual_seed(3)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    train("irisnet", "W1A1", load_iris(), seed=5, steps=2)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_batch_norms_are_settled_on_the_last_weights():
    iris = load_iris()
    layer = train("iris_64_64", "float", iris, steps=1).module.hidden[0]
    with torch.no_grad():
        normalized = layer.norm(layer.linear(torch.from_numpy(iris.features)))
    # One step alone would leave nine tenths of the averages that BatchNorm starts from. The rows
    # lack the noise of training, so they spread less than what was averaged.
    assert normalized.mean(dim=0).abs().max() < 0.2
    assert normalized.std(dim=0).min() > 0.6 and normalized.std(dim=0).max() < 1.1


def test_progress_is_told_of_every_step():
    calls = []
    train("irisnet", "float", load_iris(), steps=4, progress=lambda *call: calls.append(call))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("steps", [1, 3, 40])
def test_pruning_leaves_exactly_a_quarter_of_each_matrix(steps):
    model = train("irisnet", "W6A6-pruned", load_iris(), steps=steps)
    for weight in matrices(model):
        assert int((weight == 0).sum()) == round(0.75 * weight.numel())


def test_the_mask_of_a_pruned_network_is_final_at_half_of_the_steps():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(20, 20))
    recipe = recipe_for("irisnet", "W6A6-pruned", steps=100)
    pruning = training._Pruning([weight], recipe, sparsity=0.75)
    zeros = []
    with torch.no_grad():
        for step in range(1, 101):
            weight.add_(torch.randn(20, 20) * 0.1)
            pruning.apply(step)
            zeros.append(weight == 0)
    counts = [int(mask.sum()) for mask in zeros]
    assert counts[9] == 0 and counts[49] == counts[99] == 300
    assert all((later | ~earlier).all() for earlier, later in pairwise(zeros))


def test_weights_stay_where_their_quantizer_reaches_and_the_scale_stays_positive():
    model = train("iris_64_64", "W1A1", load_iris(), steps=60)
    assert all(weight.abs().max() <= 1 for weight in matrices(model))
    assert model.module.scores.scale > 0


def test_the_thermometer_is_fitted_to_the_training_rows_and_never_learnt():
    iris = load_iris()
    setosa_like = Dataset("iris", iris.features / 2, iris.labels, *[("",) * 4, iris.class_names])
    low = train("irisnet", "W1A1-thermometer", setosa_like, steps=2)
    few = train("irisnet", "W1A1-thermometer", iris, steps=2)
    many = train("irisnet", "W1A1-thermometer", iris, steps=30)
    bias = [m.module.input.thermometer.linear.bias for m in (low, few, many)]
    assert torch.equal(bias[1], bias[2])
    assert not torch.equal(bias[0], bias[1])


def test_a_convolutional_network_learns_digits():
    training, held_out, said = holdout("digits", seed=0)
    model = train("digits_conv", "W2A2", training, steps=80, split=said)
    assert model.measure(held_out).accuracy > 0.8
    assert model.name == "digits_conv-W2A2" and model.recipe.shifts


def test_images_are_moved_by_up_to_a_pixel_and_half_of_them_not():
    images = torch.arange(1.0, 1 + 8 * 9).reshape(8, 9)
    batches = iter([(images, torch.zeros(8))] * 20)
    moved = [x for x, _ in training._shifted(batches, (1, 3, 3), np.random.default_rng(0))]
    assert all(torch.equal(x[4:], images[4:]) for x in moved)
    seen = {tuple(x[0].tolist()) for x in moved}
    assert (0, 0, 0, 0, 1, 2, 0, 4, 5) in seen and len(seen) == 9


@pytest.mark.skipif(not MNIST_IMAGES.exists(), reason="../shared/cases has no MNIST images")
def test_the_tfc_learns_digits():
    data = np.load(MNIST_IMAGES)
    digits = Dataset(
        "mnist",
        data["images"].reshape(1000, 784),
        data["labels"].astype(np.int64),
        ("",) * 784,
        tuple("0123456789"),
    )
    model = train("tfc", "W1A1", digits.take(np.arange(800)), steps=150)
    assert model.measure(digits.take(np.arange(800, 1000))).accuracy > 0.7


def test_a_network_trained_on_the_holdout_split_is_measured_on_the_rest():
    model = train_on_holdout("irisnet", "W1A1", seed=2, steps=5)
    rows, held_out = iris_split(2)
    assert same_weights(model, train("irisnet", "W1A1", rows, seed=2, steps=5))
    assert model.metrics == model.measure(held_out) and model.metrics.samples == 30
    assert model.name == "irisnet-W1A1"
    assert model.split == "120 of 150 rows, stratified with seed 2"


def test_rows_for_another_topology_are_refused():
    with pytest.raises(TrainingError, match=r"tfc: maps 784 features to 10 classes.*4 and 3"):
        train("tfc", "W1A1", load_iris())


def test_rows_that_lack_a_class_are_refused_by_its_name():
    with pytest.raises(TrainingError, match="no row of iris is of class virginica"):
        train("irisnet", "W1A1", load_iris().take(np.arange(100)))


def test_rows_with_nan_are_refused():
    iris = load_iris()
    features = iris.features.copy()
    features[7, 2] = np.nan
    with pytest.raises(TrainingError, match="not finite"):
        train("irisnet", "W1A1", replace(iris, features=features))


def test_less_than_one_step_is_refused():
    with pytest.raises(TrainingError, match="steps=0"):
        train("irisnet", "W1A1", load_iris(), steps=0)


def test_the_hash_of_a_recipe_covers_all_that_decides_what_is_learnt(monkeypatch):
    recipe = recipe_for("irisnet", "W1A1")
    hashes = {recipe_hash("irisnet", "W1A1", recipe)}
    hashes.add(recipe_hash("iris_64_64", "W1A1", recipe))
    hashes.add(recipe_hash("irisnet", "W1A2", recipe))
    for field in fields(recipe):
        changed = replace(recipe, **{field.name: (getattr(recipe, field.name) or 0) + 1})
        hashes.add(recipe_hash("irisnet", "W1A1", changed))
    monkeypatch.setattr(training, "RECIPE_VERSION", training.RECIPE_VERSION + 1)
    hashes.add(recipe_hash("irisnet", "W1A1", recipe))
    assert len(hashes) == 4 + len(fields(recipe))


def test_metrics_of_a_known_confusion():
    labels = [0] * 4 + [1] * 4 + [2] * 2
    predicted = [0, 0, 0, 1, 1, 1, 0, 0, 2, 1]
    metrics = measure(labels, predicted, classes=3)
    assert metrics.samples == 10
    assert metrics.confusion == ((3, 1, 0), (2, 2, 0), (0, 1, 1))
    assert metrics.accuracy == pytest.approx(6 / 10)
    assert metrics.precision == pytest.approx((3 / 5 + 2 / 4 + 1) / 3)
    assert metrics.recall == pytest.approx((3 / 4 + 2 / 4 + 1 / 2) / 3)


def test_a_class_that_is_never_predicted_counts_against_precision():
    assert measure([0, 1], [0, 0], classes=2).precision == pytest.approx(1 / 4)


def test_metrics_survive_json():
    import json

    metrics = measure([0, 1, 1], [0, 1, 0], classes=2)
    assert Metrics.from_json(json.loads(json.dumps(metrics.to_json()))) == metrics
