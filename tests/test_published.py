"""The comparison with published models: what their figures can be of, and the rebuilt ones."""

from __future__ import annotations

import numpy as np
import pytest
from published import IRISNET, confusions, explanations, hls4ml, irisnet, published_irisnet

from bitfold.models.metrics import measure


def test_the_published_figures_of_irisnet_are_of_120_flowers_and_no_other_number():
    found = explanations(IRISNET)
    assert found
    for confusion in found:
        assert confusion.sum() == 120 and np.trace(confusion) == 118
        assert sorted(confusion.sum(axis=1)) == [38, 41, 41]
        labels, predicted = np.indices((3, 3)).reshape(2, 9)
        metrics = measure(labels.repeat(confusion.ravel()), predicted.repeat(confusion.ravel()), 3)
        figures = {name: round(getattr(metrics, name), 5) for name in IRISNET}
        assert figures == IRISNET
    accuracy, flowers = published_irisnet()
    assert (accuracy.value, flowers.value) == (98.333, 120)
    assert flowers.note.startswith("41 + 41 + 38 of the classes, 2 wrong")


def test_every_confusion_matrix_of_a_few_flowers_is_looked_at():
    found = {tuple(confusion.ravel()) for confusion in confusions(6, 1, most=3)}
    counts = [(3, 2, 1), (3, 1, 2), (2, 3, 1), (1, 3, 2), (2, 1, 3), (1, 2, 3), (2, 2, 2)]
    assert len(found) == 6 * len(counts)
    assert {tuple(np.reshape(c, (3, 3)).sum(axis=1)) for c in found} == set(counts)
    figures = {"accuracy": 0.96667, "precision": 0.9697, "recall": 0.96667}
    known = [[10, 0, 0], [0, 9, 1], [0, 0, 10]]
    assert any(np.array_equal(confusion, known) for confusion in explanations(figures, 30))


def test_irisnet_gives_the_same_classes_in_torch_and_on_the_rtl(cache):
    results = irisnet("W1A3", steps=3, seeds=(0,), folds=2, cache=cache)
    by_name = {result.what: (result.value, result.note) for result in results}
    pairs = [name for name in by_name if name.startswith("IrisNet W1A3 on the RTL")]
    assert len(pairs) == 3
    for name in pairs:
        assert by_name[name] == by_name[name.replace(" on the RTL", "")]
    judged = by_name["IrisNet W1A3: accuracy cross-validated"][0]
    assert judged * 1.5 == pytest.approx(round(judged * 1.5)), "150 flowers, each judged once"


@pytest.mark.slow
def test_hls4ml_s_flow_gives_the_scores_of_torch_on_the_rtl(cache):
    results = hls4ml(steps=3, reuse=(64,), cache=cache)
    by_name = {result.what.partition(": ")[2]: result for result in results}
    equal = by_name["flowers whose scores on the RTL are those of torch, bit for bit"]
    assert (equal.value, equal.unit) == (30, "of 30")
    assert by_name["initiation interval"].value == 64
    assert 3424 * 0.2 < by_name["products a flower"].value <= 3424 * 0.25
    assert by_name["LUTs"].value > by_name["LUTs of the softmax among them"].value > 0
    assert by_name["LUTs"].note == "published, at reuse 1: 3,455"
