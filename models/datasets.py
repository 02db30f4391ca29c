"""The data by name: flowers and digits from scikit-learn, images from the user's own files."""

from collections.abc import Callable

import numpy as np

from bitfold.models.dataset import Dataset, InputFormat, split
from bitfold.models.errors import DatasetError
from bitfold.models.image_files import load_cifar10, load_fashion_mnist, load_mnist

# Measurements come in steps of 0.1 cm up to 7.9 cm. 1/32 cm holds them in 8 bits, float32 divides
# by it exactly, and no measurement lies on a rounding tie (0.1 * k * 32 is never an odd half).
IRIS_INPUT = InputFormat(features=4, bits=8, scale=1 / 32)
# Of columns that are standardized first: 0 is 4 standard deviations below the mean, the largest
# almost 4 above it. What is further out saturates.
STANDARDIZED = 4.0


def standardized_input(features: int) -> InputFormat:
    """The format of `features` columns that are standardized first."""
    return InputFormat(features, bits=8, scale=STANDARDIZED / 128)


# A pixel is its own integer: the first BatchNorm learns what 1/255 would have done.
MNIST_INPUT = InputFormat(features=784, bits=8, scale=1.0, image=(1, 28, 28))
# Counts of set pixels in blocks of 4x4: 0..16.
DIGITS_INPUT = InputFormat(features=64, bits=5, scale=1.0, image=(1, 8, 8))
CIFAR10_INPUT = InputFormat(features=3072, bits=8, scale=1.0, image=(3, 32, 32))


def load_iris() -> Dataset:
    """Fisher's 150 flowers: lengths and widths in cm, 50 rows of each of 3 species.

    Source: `sklearn.datasets.load_iris` (carried inside scikit-learn, nothing is fetched).
    """
    from sklearn.datasets import load_iris as load_from_scikit_learn

    iris = load_from_scikit_learn()
    return Dataset(
        name="iris",
        features=iris.data.astype(np.float32),
        labels=iris.target.astype(np.int64),
        feature_names=tuple(iris.feature_names),
        class_names=tuple(str(name) for name in iris.target_names),
    )


def iris_split(seed: int) -> tuple[Dataset, Dataset]:
    """The holdout split: 120 rows to train on and 30 to judge by, each species in proportion."""
    return split(load_iris(), seed)


def load_digits() -> Dataset:
    """Handwritten digits of 8x8 pixels, each 0..16: 1,797 rows.

    Source: `sklearn.datasets.load_digits` (carried inside scikit-learn, nothing is fetched).
    """
    from sklearn.datasets import load_digits as load_from_scikit_learn

    digits = load_from_scikit_learn()
    return Dataset(
        name="digits",
        features=digits.data.astype(np.float32),
        labels=digits.target.astype(np.int64),
        feature_names=tuple(digits.feature_names),
        class_names=tuple(str(name) for name in digits.target_names),
        image=(1, 8, 8),
        largest=16,
    )


_WHOLE: dict[str, Callable[[], Dataset]] = {"iris": load_iris, "digits": load_digits}
IN_PARTS: dict[str, Callable[[str], Dataset]] = {
    "mnist": load_mnist,
    "fashion-mnist": load_fashion_mnist,
    "cifar10": load_cifar10,
}
"""Those that come as a training set and a test set, of pixels 0..255."""
DATASETS = (*_WHOLE, *IN_PARTS)
"""The names of all."""


def load(name: str) -> Dataset:
    """The rows by which networks are judged: the test set, or all, where there is no other.

    Raises DatasetError for a name that is not known, and for files that are not here.
    """
    if name in _WHOLE:
        return _WHOLE[name]()
    if name not in IN_PARTS:
        raise DatasetError(f"dataset {name!r} is not known; choose one of {', '.join(DATASETS)}")
    return IN_PARTS[name]("test")


def holdout(name: str, seed: int) -> tuple[Dataset, Dataset, str]:
    """Rows to train on and rows to judge by, and which the first are, in words: the training set,
    or four fifths of all. Raises what `load` raises."""
    if name in IN_PARTS:
        training, held_out = IN_PARTS[name]("train"), load(name)
        return training, held_out, f"the {len(training)} rows of the training set"
    return fifth(load(name), seed)


def fifth(rows: Dataset, seed: int) -> tuple[Dataset, Dataset, str]:
    """The same of any rows."""
    training, held_out = split(rows, seed)
    said = f"{len(training)} of {len(rows)} rows, stratified with seed {seed}"
    return training, held_out, said
