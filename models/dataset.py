"""Dataset: labelled rows, and InputFormat: how they enter the hardware."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class InputFormat:
    """How a row enters the hardware: `features` unsigned integers of `bits`, each worth `scale`.

    `image` is what they are a picture of, (channels, height, width), where they are one.
    """

    features: int
    bits: int
    scale: float
    image: tuple[int, int, int] | None = None

    @property
    def largest(self) -> float:
        """The largest value that the format holds, in the unit of the data; the smallest is 0."""
        return (2**self.bits - 1) * self.scale


@dataclass(frozen=True)
class Dataset:
    """Labelled rows.

    `features`: (rows, features), float32 measurements or uint8 pixels. `labels`: (rows,) int64,
    an index into `class_names`. `image` is what a row is a picture of, (channels, height, width),
    where it is one; `largest` is then its brightest pixel.
    """

    name: str
    features: np.ndarray
    labels: np.ndarray
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    image: tuple[int, int, int] | None = None
    largest: float = 255

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def pictures(self) -> np.ndarray | None:
        """(rows, height, width, channels) of 0..255, where the rows are images."""
        if self.image is None:
            return None
        pixels = self.features.reshape(-1, *self.image).transpose(0, 2, 3, 1)
        return pixels if self.largest == 255 else pixels * (255 / self.largest)

    def take(self, rows: np.ndarray) -> "Dataset":
        """The same data with only these rows, in this order."""
        return replace(self, features=self.features[rows], labels=self.labels[rows])


def split(rows: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """Rows to train on, and a fifth of all to judge by, each class in proportion."""
    from sklearn.model_selection import train_test_split

    training, holdout = train_test_split(
        np.arange(len(rows)),
        test_size=round(len(rows) / 5),
        stratify=rows.labels,
        random_state=seed,
    )
    return rows.take(training), rows.take(holdout)
