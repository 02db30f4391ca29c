"""Iris is whole and splits fairly; MNIST's idx files are found, read and refused as documented."""

import gzip

import numpy as np
import pytest

from bitfold.models import datasets
from bitfold.models.datasets import IRIS_INPUT, iris_split, load_iris, load_mnist, read_idx
from bitfold.models.errors import DatasetError


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
    training, holdout = iris_split(seed)
    assert np.bincount(training.labels).tolist() == [40, 40, 40]
    assert np.bincount(holdout.labels).tolist() == [10, 10, 10]
    both = np.concatenate([training.features, holdout.features])
    assert np.array_equal(np.sort(both, axis=0), np.sort(load_iris().features, axis=0))


def test_the_iris_split_is_decided_by_its_seed():
    assert np.array_equal(iris_split(1)[1].features, iris_split(1)[1].features)
    assert not np.array_equal(iris_split(1)[1].features, iris_split(2)[1].features)


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
    monkeypatch.setattr(datasets, "MNIST_FOLDERS", (empty, digits[0]))
    assert len(load_mnist("test")) == 7


def test_missing_mnist_files_are_reported_with_every_place_and_a_source(tmp_path, monkeypatch):
    places = (tmp_path / "first", tmp_path / "second")
    monkeypatch.setattr(datasets, "MNIST_FOLDERS", places)
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
