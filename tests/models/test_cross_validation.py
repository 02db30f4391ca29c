"""Cross-validation can be taken up where it stopped, and the committed results are of today."""

import json

import numpy as np
import pytest

from bitfold.models.cross_validation import (
    NETWORKS,
    RESULTS,
    SEEDS,
    CrossValidation,
    cross_validate,
    cross_validation_key,
    look_up,
)
from bitfold.models.errors import DatasetError, TrainingError

FLOORS = {
    "W1A1-thermometer": 0.955,
    "W1A3": 0.965,
    "W4A4": 0.97,
    "W6A6-pruned": 0.97,
}


def write(path, row):
    path.write_text(json.dumps({"format": "bitfold cross-validation 1", "rows": [row]}))


@pytest.mark.parametrize(("topology", "quantization"), NETWORKS)
def test_the_committed_results_are_those_of_the_recipe_and_data_in_use(topology, quantization):
    result = look_up(topology, quantization)
    assert result is not None, "run `bitfold train --cross-validate` and commit its result file"
    fits = 75 if topology.startswith("iris") else 15
    assert len(result.accuracies) == fits and sorted(result.correct) == sorted(SEEDS)


@pytest.mark.parametrize(("quantization", "floor"), FLOORS.items())
def test_the_committed_results_reach_what_is_asked_of_them(quantization, floor):
    assert look_up("iris_64_32_32", quantization).mean >= floor


def test_a_digits_network_reaches_97_percent():
    result = look_up("digits_conv", "W2A2")
    assert sum(result.fold_rows) == 1797 and result.mean >= 0.97


def test_data_with_a_test_set_of_its_own_is_not_cross_validated(tmp_path):
    with pytest.raises(TrainingError, match="cifar10 has a test set of its own"):
        cross_validate([("resnet8", "W2A2")], path=tmp_path / "results.json")


def test_the_means_in_the_committed_file_follow_from_its_counts():
    for row in json.loads(RESULTS.read_text())["rows"]:
        assert CrossValidation.from_json(row).to_json() == row
        counts = [count for seed in row["correct"].values() for count in seed]
        assert row["fits"] == len(counts)
        folds = row.get("fold_rows", [30] * 5)
        held_out = folds * (len(counts) // len(folds))
        assert row["mean"] == pytest.approx(np.mean(np.divide(counts, held_out)))


def test_an_interrupted_cross_validation_is_taken_up_where_it_stopped(tmp_path):
    path = tmp_path / "results.json"
    # One step is another recipe than today's, and seed 0 is said to be done.
    key = cross_validation_key("irisnet", "float", steps=1)
    kept = CrossValidation("irisnet", "float", key, correct={0: (7,) * 25})
    write(path, kept.to_json())

    calls = []
    [result] = cross_validate(
        [("irisnet", "float")], (0, 1), 1, path=path, progress=lambda *call: calls.append(call)
    )
    assert calls == [(1, 2), (2, 2)]
    assert result.correct[0] == kept.correct[0]
    assert len(result.correct[1]) == 25 and all(0 <= count <= 30 for count in result.correct[1])
    assert json.loads(path.read_text())["rows"] == [result.to_json()]
    assert list(tmp_path.iterdir()) == [path]


def test_a_result_counts_only_with_the_right_key_and_all_its_seeds(tmp_path):
    path = tmp_path / "results.json"
    good = {
        "topology": "irisnet",
        "quantization": "W1A1",
        "key": cross_validation_key("irisnet", "W1A1"),
        "correct": {str(seed): [29] * 25 for seed in SEEDS},
    }

    def found(row):
        write(path, row)
        return look_up("irisnet", "W1A1", path)

    assert found(good).mean == pytest.approx(29 / 30)
    assert found({**good, "key": cross_validation_key("irisnet", "W1A2")}) is None
    assert found({**good, "correct": {"0": [29] * 25}}) is None
    assert look_up("irisnet", "W1A2", path) is None


@pytest.mark.parametrize("content", ["", "[]", '{"format": "other"}', '{"rows": []}'])
def test_a_malformed_result_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=r"broken\.json"):
        look_up("irisnet", "W1A1", path)


def test_only_networks_for_iris_are_cross_validated(tmp_path):
    with pytest.raises(TrainingError, match="tfc"):
        cross_validate([("tfc", "W1A1")], path=tmp_path / "results.json")
