"""The data: 150 iris flowers from scikit-learn, and MNIST from its authors' idx files."""

import gzip
import math
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bitfold.models.errors import DatasetError


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


@dataclass(frozen=True)
class Dataset:
    """Labelled rows.

    `features`: (rows, features), float32 measurements or uint8 pixels. `labels`: (rows,) int64,
    an index into `class_names`.
    """

    name: str
    features: np.ndarray
    labels: np.ndarray
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> "Dataset":
        """The same data with only these rows, in this order."""
        return replace(self, features=self.features[rows], labels=self.labels[rows])


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


# Where load_mnist looks when it is given no folder, in this order.
MNIST_FOLDERS = (
    Path("data/mnist"),
    Path("~/.cache/bitfold/mnist"),
    Path("~/.local/share/bitfold/mnist"),
    Path("/usr/local/share/mnist"),
    Path("/usr/share/mnist"),
)
_MNIST_STEMS = {"train": "train", "test": "t10k"}
_MNIST_SIDE = 28
_MAX_IDX_BYTES = 64 << 20  # unpacked; the largest of MNIST has 47 MB


def load_mnist(split: str, folder: str | Path | None = None) -> Dataset:
    """Handwritten digits: (rows, 784) uint8 pixels, 60,000 of them ("train") or 10,000 ("test").

    Reads the idx files `<stem>-images-idx3-ubyte` and `<stem>-labels-idx1-ubyte`, plain or `.gz`
    (the stem is `train` or `t10k`), from `folder`, or else from the first of `MNIST_FOLDERS`
    that has both. Raises DatasetError where files are missing, truncated or malformed.
    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """
    if split not in _MNIST_STEMS:
        raise DatasetError(f"mnist: split {split!r} is not known; choose 'train' or 'test'")
    stem = _MNIST_STEMS[split]
    places = [Path(folder)] if folder is not None else [p.expanduser() for p in MNIST_FOLDERS]
    for place in places:
        images_file = _plain_or_gz(place / f"{stem}-images-idx3-ubyte")
        labels_file = _plain_or_gz(place / f"{stem}-labels-idx1-ubyte")
        if images_file and labels_file:
            break
    else:
        raise DatasetError(
            f"mnist: found no {stem}-images-idx3-ubyte and {stem}-labels-idx1-ubyte (plain or .gz) "
            f"in {', '.join(map(str, places))}; get the four idx files of MNIST, for example from "
            f"https://ossci-datasets.s3.amazonaws.com/mnist/, and put them into {places[0]}"
        )
    images = read_idx(images_file)
    labels = read_idx(labels_file)
    if images.shape[1:] != (_MNIST_SIDE, _MNIST_SIDE) or labels.shape != images.shape[:1]:
        raise DatasetError(
            f"{images_file}: shape {images.shape} with {labels.shape} labels; expected "
            f"(rows, {_MNIST_SIDE}, {_MNIST_SIDE}) and (rows,): fetch both files again"
        )
    if labels.size and labels.max() > 9:
        raise DatasetError(f"{labels_file}: label {labels.max()}; expected 0 to 9: fetch it again")
    return Dataset(
        name="mnist",
        features=images.reshape(len(images), -1),
        labels=labels.astype(np.int64),
        feature_names=tuple(
            f"row {index // _MNIST_SIDE} column {index % _MNIST_SIDE}"
            for index in range(_MNIST_SIDE**2)
        ),
        class_names=tuple(str(digit) for digit in range(10)),
    )


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array in an idx file, plain or `.gz`. Raises DatasetError if it is not one.

    Format: two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension
    as a big-endian uint32, then the data in C order.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read(_MAX_IDX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: can't be read ({error}); fetch it again") from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise DatasetError(
            f"{path}: starts with {content[:4].hex(' ') or 'nothing'}; an idx file of unsigned "
            f"bytes starts with 00 00 08: fetch it again"
        )
    header_bytes = 4 + 4 * content[3]
    shape = tuple(
        int.from_bytes(content[at : at + 4], "big")
        for at in range(4, min(header_bytes, len(content)), 4)
    )
    expected_bytes = header_bytes + math.prod(shape)
    if len(content) != expected_bytes:
        raise DatasetError(
            f"{path}: {len(content)} bytes; its header promises {expected_bytes}: fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def _plain_or_gz(path: Path) -> Path | None:
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_file():
            return candidate
    return None
