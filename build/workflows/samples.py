"""Samples: rows of numbers with the name of what they mean, and how commands are given them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bitfold.models.array_files import read_npy
from bitfold.models.checked import checked
from bitfold.models.dataset import Dataset
from bitfold.models.errors import InputError
from bitfold.models.files import check_file
from bitfold.models.inputs import INTEGERS, MEASUREMENTS, PIXELS, as_reals
from bitfold.models.json_files import parse_json
from bitfold.models.network import Network
from bitfold.models.tables import has_names, read_table

MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Samples:
    """Rows `x` as Accelerator.run takes them, what their numbers mean (models/inputs.py), and their
    classes (rows,) where these are known; `pictures` are (rows, height, width, channels) of 0..255,
    where they are images."""

    x: np.ndarray
    inputs: str = MEASUREMENTS
    labels: np.ndarray | None = None
    pictures: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice | np.ndarray) -> Samples:
        labels, pictures = (
            None if known is None else known[rows] for known in (self.labels, self.pictures)
        )
        return replace(self, x=self.x[rows], labels=labels, pictures=pictures)

    def integers(self, network: Network) -> np.ndarray:
        """The integers of the network's input. Raises InputError where it does not take them."""
        return network.quantize(self.x, inputs=self.inputs)

    def measurements(self, network: Network) -> np.ndarray:
        """(rows, *sample_shape) float32, as the file takes them that `network` was read from.

        Raises InputError where the network does not take them, and for integers that its quantizer
        makes of no measurements.
        """
        integers = self.integers(network)
        if self.inputs == INTEGERS:
            from bitfold.build.frontend import measurements

            x = measurements(network, integers)
            if not np.array_equal(network.quantize(x), integers):
                raise InputError(
                    f"{network.name}: its quantizer makes these integers of no measurements that "
                    "can be found; give measurements"
                )
            return x
        x = as_reals(np.asarray(self.x), self.inputs, network.name)
        return x.reshape(len(x), *network.sample_shape)


def read_samples(
    file: Path | None,
    dataset: str | None,
    label: str | None = None,
    network: Network | None = None,
    inputs: str | None = None,
) -> Samples:
    """The samples in `file`, .npy or .csv, or those of `dataset` (of models/datasets.py) with
    labels.

    `inputs` names what they are, by default measurements. Images of 0..255 are pixels, but for a
    network that was trained on them here: of that the numbers 0..255 are the measurements.

    A .csv file is either of numbers only, or starts with column names. Then the columns are taken
    that `network` was trained on, by name, and `label` may name one of its classes (a number from 0
    on where it has no names for them). Raises
    InputError for a file that holds no samples, DatasetError for data that is not here or not as
    named.
    """
    if dataset:
        from bitfold.models.datasets import IN_PARTS, load

        data = load(dataset)
        trained_here = network is not None and network.info.get("dataset") == dataset
        theirs = PIXELS if dataset in IN_PARTS and not trained_here else MEASUREMENTS
        return Samples(_alike(data, network), inputs or theirs, data.labels, data.pictures)
    inputs = inputs or MEASUREMENTS
    remedy = "give an .npy file, or a .csv of numbers only"
    check_file(file, MAX_BYTES, InputError, "not samples", remedy)
    if file.suffix != ".npy" and (label or has_names(file)):
        table = read_table(file, label, _features(network) or None)
        labels = table.indices(_classes(network)) if label else None
        return Samples(table.values, inputs, labels)
    if file.suffix == ".npy":
        x = read_npy(file, InputError, "not samples", remedy)
    else:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an empty file has its own error below
                x = np.loadtxt(file, delimiter=",", comments=None, ndmin=2, dtype=np.float32)
        except (OSError, ValueError, MemoryError) as error:
            raise InputError(f"{file}: not samples ({error}); {remedy}") from error
    if not x.size or not x.ndim:
        raise InputError(f"{file}: holds no samples; give at least one row")
    return Samples(x, inputs)


def _alike(data: Dataset, network: Network | None) -> np.ndarray:
    """The rows of `data` as `network` takes samples: channels last, where it does."""
    shape = network.sample_shape if network else None
    if data.image and shape == (*data.image[1:], data.image[0]) != data.image:
        return data.features.reshape(-1, *data.image).transpose(0, 2, 3, 1)
    return data.features


def _features(network: Network | None) -> tuple[str, ...]:
    """The columns that `network` was trained on, where it says so."""
    said = network.info.get("feature_names", "[]") if network else "[]"
    about = InputError, "the network's feature names", "compile it again"
    return checked(parse_json(said, *about), tuple[str, ...], *about)


def _classes(network: Network) -> tuple[str, ...]:
    last = network.values[network.last.inputs[0]] if network.decides_class else network.output_value
    return network.labels or tuple(map(str, range(last.size)))
