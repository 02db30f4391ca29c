"""The data is whole and splits fairly; files of images are read and refused as documented."""

import gzip
import io
import tarfile

import numpy as np
import pytest

from bitfold.models import image_files
from bitfold.models.dataset import split
from bitfold.models.datasets import (
    DATASETS,
    DIGITS_INPUT,
    IRIS_INPUT,
    holdout,
    load,
    load_digits,
    load_iris,
)
from bitfold.models.errors import DatasetError
from bitfold.models.image_files import load_cifar10, load_fashion_mnist, load_mnist, read_idx


def test_iris_has_fifty_flowers_of_each_of_three_species():
    iris = load_iris()
    assert iris.features.shape == (150, 4) and iris.features.dtype == np.float32
    assert iris.labels.dtype == np.int64
    assert np.bincount(iris.labels).tolist() == [50, 50, 50]
    assert iris.class_names == ("setosa", "versicolor", "virginica")
    assert len(iris.feature_names) == 4


def test_no_iris_measurement_lies_on_a_rounding_tie_or_outside_the_input_format():
    steps = load_iris().features / IRIS_INPUT.scale
    assert np.abs(steps - np.floor(steps) - 0.5).min() > 0.05
    assert steps.min() >= 0 and load_iris().features.max() <= IRIS_INPUT.largest


@pytest.mark.parametrize("seed", range(4))
def test_the_iris_split_holds_out_ten_flowers_of_each_species(seed):
    training, holdout = split(load_iris(), seed)
    assert np.bincount(training.labels).tolist() == [40, 40, 40]
    assert np.bincount(holdout.labels).tolist() == [10, 10, 10]
    both = np.concatenate([training.features, holdout.features])
    assert np.array_equal(np.sort(both, axis=0), np.sort(load_iris().features, axis=0))


def test_the_iris_split_is_decided_by_its_seed():
    assert np.array_equal(split(load_iris(), 1)[1].features, split(load_iris(), 1)[1].features)
    assert not np.array_equal(split(load_iris(), 1)[1].features, split(load_iris(), 2)[1].features)


def test_the_digits_are_images_of_whole_numbers_that_the_input_holds():
    digits = load_digits()
    assert digits.features.shape == (1797, 64) and digits.image == (1, 8, 8)
    assert np.array_equal(digits.features, np.round(digits.features))
    assert digits.features.max() == digits.largest == 16 <= DIGITS_INPUT.largest
    training, held_out, said = holdout("digits", seed=0)
    assert (len(training), len(held_out)) == (1438, 359) and "1438 of 1797" in said


def test_every_data_has_a_name_and_another_name_is_refused_with_these():
    with pytest.raises(DatasetError, match=f"'fashion' is not known; .*{', '.join(DATASETS)}"):
        load("fashion")


def test_taken_rows_keep_their_labels():
    iris = load_iris()
    taken = iris.take(np.array([149, 0]))
    assert len(taken) == 2
    assert taken.labels.tolist() == [2, 0]
    assert np.array_equal(taken.features, iris.features[[149, 0]])


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def digits(tmp_path):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (7, 28, 28)).astype(np.uint8)
    labels = np.arange(7)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path, images


def test_mnist_is_read_from_plain_and_gzipped_files(digits):
    folder, images = digits
    mnist = load_mnist("test", folder)
    assert mnist.features.dtype == np.uint8
    assert np.array_equal(mnist.features, images.reshape(7, 784))
    assert mnist.labels.tolist() == list(range(7)) and mnist.labels.dtype == np.int64
    assert mnist.class_names[3] == "3" and len(mnist.feature_names) == 784


def test_mnist_is_taken_from_the_first_documented_place_that_has_it(digits, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    monkeypatch.setattr(image_files, "folders", lambda name: (empty, digits[0]))
    assert len(load_mnist("test")) == 7


def test_missing_mnist_files_are_reported_with_every_place_and_a_source(tmp_path, monkeypatch):
    places = (tmp_path / "first", tmp_path / "second")
    monkeypatch.setattr(image_files, "folders", lambda name: places)
    with pytest.raises(DatasetError) as error:
        load_mnist("train")
    assert all(str(place) in str(error.value) for place in places)
    assert "train-images-idx3-ubyte" in str(error.value) and "https://" in str(error.value)


def test_an_unknown_split_is_refused():
    with pytest.raises(DatasetError, match="'validation'"):
        load_mnist("validation")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x00\x08",
        b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00\x00\x00\x00",
        idx(np.zeros((2, 3)))[:-1],
        idx(np.zeros((2, 3))) + b"\x00",
        idx(np.zeros((2, 3)))[:7],
    ],
    ids=["empty", "no dimensions", "floats", "truncated", "too long", "header cut"],
)
def test_a_malformed_idx_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="broken"):
        read_idx(path)


@pytest.mark.parametrize("keep", [0, 5, 30, -9])
def test_a_truncated_gzip_file_is_refused_by_name(tmp_path, keep):
    path = tmp_path / "broken.gz"
    path.write_bytes(gzip.compress(idx(np.arange(200)))[:keep])
    with pytest.raises(DatasetError, match=r"broken\.gz"):
        read_idx(path)


def test_images_and_labels_that_do_not_match_are_refused(digits):
    folder, _ = digits
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.arange(6)))
    with pytest.raises(DatasetError, match=r"\(6,\) labels"):
        load_mnist("test", folder)


def test_a_label_that_is_no_digit_is_refused(digits):
    folder, _ = digits
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.arange(4, 11)))
    with pytest.raises(DatasetError, match="label 10"):
        load_mnist("test", folder)


def test_fashion_mnist_has_the_names_of_clothes(digits):
    clothes = load_fashion_mnist("test", digits[0])
    assert clothes.name == "fashion-mnist" and clothes.class_names[9] == "ankle boot"
    assert clothes.image == (1, 28, 28)


def test_fashion_mnist_is_not_looked_for_where_mnist_is(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "folders", lambda name: (tmp_path / "none" / name,))
    with pytest.raises(DatasetError, match=r"fashion-mnist: found no .*/none/fashion-mnist; get"):
        load_fashion_mnist("test")


CIFAR10 = np.random.default_rng(0).integers(0, 256, (3, 3073)).astype(np.uint8)
CIFAR10[:, 0] = [3, 8, 0]
TEST_BATCH = "cifar-10-batches-bin/test_batch.bin"


def packed(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("place", ["test_batch.bin", TEST_BATCH, "cifar-10-binary.tar.gz"])
def test_cifar10_is_read_from_its_batches_and_from_the_archive_of_them(tmp_path, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    if place.endswith("gz"):
        packed(tmp_path / place, {"readme.html": b"", TEST_BATCH: CIFAR10.tobytes()})
    else:
        (tmp_path / place).write_bytes(CIFAR10.tobytes())
    images = load_cifar10("test", tmp_path)
    assert images.labels.tolist() == [3, 8, 0] and images.class_names[3] == "cat"
    assert np.array_equal(images.features, CIFAR10[:, 1:]) and images.image == (3, 32, 32)
    assert images.feature_names[1024] == "green row 0 column 0"
    assert sorted(path.name for path in tmp_path.iterdir()) == [place.split("/")[0]]


def test_the_training_set_of_cifar10_is_all_five_batches(tmp_path):
    for number in range(1, 6):
        (tmp_path / f"data_batch_{number}.bin").write_bytes(CIFAR10[:number].tobytes())
    with pytest.raises(DatasetError, match=r"found no test_batch\.bin and no cifar-10-binary"):
        load_cifar10("test", tmp_path)
    assert len(load_cifar10("train", tmp_path)) == 1 + 2 + 3 + 3 + 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "a batch of 0 bytes"),
        (CIFAR10.tobytes()[:-1], "a batch of 9218 bytes; expected 3073 an image"),
        (b"\x0a" + CIFAR10.tobytes()[1:], "label 10"),
    ],
)
@pytest.mark.parametrize("archived", [False, True])
def test_a_malformed_batch_is_refused_by_name(tmp_path, content, said, archived):
    if archived:
        packed(tmp_path / "cifar-10-binary.tar.gz", {TEST_BATCH: content})
    else:
        (tmp_path / "test_batch.bin").write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{tmp_path}/.*: {said}.*fetch it again"):
        load_cifar10("test", tmp_path)


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_damaged_archive_is_refused_by_name(tmp_path, keep):
    path = tmp_path / "cifar-10-binary.tar.gz"
    packed(path, {TEST_BATCH: CIFAR10.tobytes()})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DatasetError, match=r"binary\.tar\.gz: .*fetch it again"):
        load_cifar10("test", tmp_path)


def test_an_archive_without_the_batches_or_too_large_is_refused(tmp_path, monkeypatch):
    packed(tmp_path / "cifar-10-binary.tar.gz", {"other.bin": CIFAR10.tobytes()})
    with pytest.raises(DatasetError, match=r"holds no test_batch\.bin"):
        load_cifar10("test", tmp_path)
    monkeypatch.setattr(image_files, "_MAX_ARCHIVE_BYTES", 1000)
    with pytest.raises(DatasetError, match="unpacks to more than 1000 bytes"):
        load_cifar10("test", tmp_path)
