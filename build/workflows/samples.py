"""Reads the samples that commands are given."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from bitfold.models.array_files import read_npy
from bitfold.models.checked import checked
from bitfold.models.errors import InputError
from bitfold.models.files import check_file
from bitfold.models.json_files import parse_json
from bitfold.models.network import Network
from bitfold.models.tables import has_names, read_table

MAX_BYTES = 1 << 30


def read_samples(
    file: Path | None,
    dataset: str | None,
    label: str | None = None,
    network: Network | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The samples in `file`, .npy or .csv, or those of `dataset` ("iris", "mnist") with labels.

    A .csv file is either of numbers only, or starts with column names. Then the columns are taken
    that `network` was trained on, by name, and `label` may name one of its classes (a number from 0
    on where it has no names for them). Raises
    InputError for a file that holds no samples, DatasetError for data that is not here or not as
    named.
    """
    if dataset:
        from bitfold.models.datasets import load_iris, load_mnist

        data = load_iris() if dataset == "iris" else load_mnist("test")
        return data.features, data.labels
    remedy = "give an .npy file, or a .csv of numbers only"
    check_file(file, MAX_BYTES, InputError, "not samples", remedy)
    if file.suffix != ".npy" and (label or has_names(file)):
        table = read_table(file, label, _features(network) or None)
        return table.values, table.indices(_classes(network)) if label else None
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
    return x, None


def _features(network: Network | None) -> tuple[str, ...]:
    """The columns that `network` was trained on, where it says so."""
    said = network.info.get("feature_names", "[]") if network else "[]"
    about = InputError, "the network's feature names", "compile it again"
    return checked(parse_json(said, *about), tuple[str, ...], *about)


def _classes(network: Network) -> tuple[str, ...]:
    last = network.values[network.last.inputs[0]] if network.decides_class else network.output_value
    return network.labels or tuple(map(str, range(last.size)))
