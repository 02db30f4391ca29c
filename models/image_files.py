"""Images in the files that they are published in: MNIST's idx, CIFAR-10's binary."""

import gzip
import io
import math
import tarfile
import zlib
from pathlib import Path

import numpy as np

from bitfold.models.dataset import Dataset
from bitfold.models.errors import DatasetError

FASHION = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_STEMS = {"train": "train", "test": "t10k"}
_SIDE = 28
_MAX_IDX_BYTES = 64 << 20  # unpacked; the largest of MNIST has 47 MB
_CIFAR10_IMAGE = (3, 32, 32)
_CIFAR10_RECORD = 1 + math.prod(_CIFAR10_IMAGE)
_CIFAR10_BATCHES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
_CIFAR10_ROWS = 10_000  # of a batch
_CIFAR10_FOLDER = "cifar-10-batches-bin"
_CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"
_MAX_ARCHIVE_BYTES = 256 << 20  # unpacked; it has 184 MB


def folders(name: str) -> tuple[Path, ...]:
    """Where the files of a dataset are looked for when no folder is given, in this order."""
    return (
        Path("data") / name,
        *(Path(place) / name for place in ("~/.cache/bitfold", "~/.local/share/bitfold")),
        *(Path(place) / name for place in ("/usr/local/share", "/usr/share")),
    )


def load_mnist(split: str, folder: str | Path | None = None) -> Dataset:
    """Handwritten digits: (rows, 784) uint8 pixels, 60,000 of them ("train") or 10,000 ("test").

    Reads the idx files `<stem>-images-idx3-ubyte` and `<stem>-labels-idx1-ubyte`, plain or `.gz`
    (the stem is `train` or `t10k`), from `folder`, or else from the first of `folders` that has
    both. Raises DatasetError where files are missing, truncated or malformed.
    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """
    source = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    return _load_idx("mnist", split, folder, tuple(map(str, range(10))), source)


def load_fashion_mnist(split: str, folder: str | Path | None = None) -> Dataset:
    """Clothes, in the same files as MNIST's digits: see `load_mnist`.

    Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST", 2017.
    """
    source = "https://github.com/zalandoresearch/fashion-mnist"
    return _load_idx("fashion-mnist", split, folder, FASHION, source)


def load_cifar10(split: str, folder: str | Path | None = None) -> Dataset:
    """Colour images: (rows, 3072) uint8 pixels, all of red first; 50,000 ("train") or 10,000.

    Reads CIFAR-10's binary batches, `data_batch_1.bin` to `5` or `test_batch.bin`, from `folder` or
    else from the first of `folders` that has them: as they are, in a folder `cifar-10-batches-bin`,
    or in `cifar-10-binary.tar.gz`. Raises DatasetError where they are missing or malformed.
    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    places = _places("cifar10", split, folder)
    names = _CIFAR10_BATCHES[split]
    for place in places:
        for inside in (place, place / _CIFAR10_FOLDER):
            if all((inside / name).is_file() for name in names):
                batches = [_cifar10_file(inside / name) for name in names]
                return _cifar10(np.concatenate(batches))
        if (place / _CIFAR10_ARCHIVE).is_file():
            return _cifar10(_cifar10_archive(place / _CIFAR10_ARCHIVE, names))
    raise DatasetError(
        f"cifar10: found no {names[0]} and no {_CIFAR10_ARCHIVE} in "
        f"{', '.join(map(str, places))}; get the binary version, for example from "
        f"https://www.cs.toronto.edu/~kriz/{_CIFAR10_ARCHIVE}, and put it into {places[0]}"
    )


def _places(name: str, split: str, folder: str | Path | None) -> list[Path]:
    if split not in _STEMS:
        raise DatasetError(f"{name}: split {split!r} is not known; choose 'train' or 'test'")
    if folder is not None:
        return [Path(folder)]
    return [place.expanduser() for place in folders(name)]


def _load_idx(
    name: str, split: str, folder: str | Path | None, classes: tuple[str, ...], source: str
) -> Dataset:
    places = _places(name, split, folder)
    stem = _STEMS[split]
    for place in places:
        images_file = _plain_or_gz(place / f"{stem}-images-idx3-ubyte")
        labels_file = _plain_or_gz(place / f"{stem}-labels-idx1-ubyte")
        if images_file and labels_file:
            break
    else:
        raise DatasetError(
            f"{name}: found no {stem}-images-idx3-ubyte and {stem}-labels-idx1-ubyte (plain or .gz)"
            f" in {', '.join(map(str, places))}; get the four idx files, for example from "
            f"{source}, and put them into {places[0]}"
        )
    images = read_idx(images_file)
    labels = read_idx(labels_file)
    if images.shape[1:] != (_SIDE, _SIDE) or labels.shape != images.shape[:1]:
        raise DatasetError(
            f"{images_file}: shape {images.shape} with {labels.shape} labels; expected "
            f"(rows, {_SIDE}, {_SIDE}) and (rows,): fetch both files again"
        )
    _check_labels(labels, labels_file)
    return _images(name, images.reshape(len(images), -1), labels, classes, (1, _SIDE, _SIDE))


def _images(
    name: str,
    pixels: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    image: tuple[int, int, int],
) -> Dataset:
    channels, height, width = image
    colours = [""] if channels == 1 else ["red ", "green ", "blue "]
    return Dataset(
        name=name,
        features=pixels,
        labels=labels.astype(np.int64),
        feature_names=tuple(
            f"{colour}row {row} column {column}"
            for colour in colours
            for row in range(height)
            for column in range(width)
        ),
        class_names=classes,
        image=image,
    )


def _check_labels(labels: np.ndarray, file: Path) -> None:
    if labels.size and labels.max() > 9:
        raise DatasetError(f"{file}: label {labels.max()}; expected 0 to 9: fetch it again")


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


def _cifar10(records: np.ndarray) -> Dataset:
    return _images("cifar10", records[:, 1:], records[:, 0], CIFAR10, _CIFAR10_IMAGE)


def _cifar10_file(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            return _cifar10_batch(file, path)
    except OSError as error:
        raise DatasetError(f"{path}: can't be read ({error}); fetch it again") from error


def _cifar10_archive(path: Path, names: tuple[str, ...]) -> np.ndarray:
    """The batches in the archive, of which nothing is written anywhere."""
    batches = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.offset + member.size > _MAX_ARCHIVE_BYTES:
                    raise tarfile.TarError(f"it unpacks to more than {_MAX_ARCHIVE_BYTES} bytes")
                name = Path(member.name).name
                if name in names and member.isfile():
                    batches[name] = _cifar10_batch(archive.extractfile(member), path)
                if len(batches) == len(names):
                    return np.concatenate([batches[name] for name in names])
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DatasetError(f"{path}: can't be read ({error}); fetch it again") from error
    missing = ", ".join(name for name in names if name not in batches)
    raise DatasetError(f"{path}: holds no {missing}; fetch it again")


def _cifar10_batch(file: io.BufferedIOBase, path: Path) -> np.ndarray:
    """(rows, 3073) uint8: the label, then the pixels of each image."""
    largest = _CIFAR10_ROWS * _CIFAR10_RECORD
    content = file.read(largest + 1)
    if not content or len(content) > largest or len(content) % _CIFAR10_RECORD:
        raise DatasetError(
            f"{path}: a batch of {len(content)} bytes; expected {_CIFAR10_RECORD} an image, and at "
            f"most {_CIFAR10_ROWS} images: fetch it again"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, _CIFAR10_RECORD)
    _check_labels(records[:, 0], path)
    return records
