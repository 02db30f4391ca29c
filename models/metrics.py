"""How well predicted classes match the labels."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Metrics:
    """`precision` and `recall` are means over the classes; `confusion[label][predicted]` counts."""

    samples: int
    accuracy: float
    precision: float
    recall: float
    confusion: tuple[tuple[int, ...], ...]

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict) -> "Metrics":
        return cls(**{**data, "confusion": tuple(tuple(row) for row in data["confusion"])})


def measure(labels: Sequence[int], predicted: Sequence[int], classes: int) -> Metrics:
    """Metrics of `predicted` against `labels`, both (rows,) integers in [0, classes).

    A class that is never predicted has precision 0, one that never occurs has recall 0.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_score, recall_score

    every_class = np.arange(classes)
    macro = {"labels": every_class, "average": "macro", "zero_division": 0}
    return Metrics(
        samples=len(labels),
        accuracy=float(accuracy_score(labels, predicted)),
        precision=float(precision_score(labels, predicted, **macro)),
        recall=float(recall_score(labels, predicted, **macro)),
        confusion=tuple(
            tuple(int(count) for count in row)
            for row in confusion_matrix(labels, predicted, labels=every_class)
        ),
    )
