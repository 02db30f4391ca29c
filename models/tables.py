"""Reads CSV tables, as people have them, into labelled rows, or says what is wrong where."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bitfold.models.dataset import Dataset
from bitfold.models.errors import DatasetError
from bitfold.models.files import check_file
from bitfold.models.names import plain_name

LEAST_ROWS = 5
"""Of each class: what 5-fold cross-validation and a holdout of a fifth need."""

LARGEST = 1e30
"""No value and no spread is beyond it, nor a spread below 1 / LARGEST: float32 has to hold both."""

MAX_BYTES = 128 << 20
"""Of a file."""

MAX_COLUMNS = 1 << 16
"""As many inputs as a layer can have."""

_SHOWN = 20
_DELIMITERS = ",;\t"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MISSING = {"", "?", "-", "na", "n/a", "nan", "null", "none"}


@dataclass(frozen=True)
class Table:
    """The numbers of a CSV file: `values` (rows, columns) float32, and the label of each row.

    `columns` names the values; `labels` is None where no label column was asked for.
    """

    path: Path
    columns: tuple[str, ...]
    values: np.ndarray
    labels: tuple[str, ...] | None

    def indices(self, classes: tuple[str, ...]) -> np.ndarray:
        """(rows,) int64: where each row's label stands in `classes`.

        Raises DatasetError for a label that is none of them.
        """
        unknown = sorted(set(self.labels) - set(classes))
        if unknown:
            raise DatasetError(
                f"{self.path}: label {unknown[0]!r} is none of the classes that the network knows: "
                f"{_some(classes)}"
            )
        index = {name: i for i, name in enumerate(classes)}
        return np.array([index[label] for label in self.labels], np.int64)


def read_table(
    path: str | Path, label: str | None = None, columns: tuple[str, ...] | None = None
) -> Table:
    """The table in a CSV file with a line of column names; `label` names the column of classes.

    Takes UTF-8 with or without a byte order mark; commas, semicolons or tabs between the cells;
    and, where those are not commas, a decimal comma. Blank lines are skipped. `columns`, by default
    all but `label`, have to hold numbers; they come out in this order, and others are ignored.
    Raises DatasetError, naming file, line and column.
    """
    path = Path(path)
    delimiter, lines = _read_cells(path)
    if len(lines) < 2:
        raise DatasetError(
            f"{path}: holds {'no rows' if lines else 'nothing'}; give a line of column names and a "
            "line for each sample"
        )
    names = [plain_name(name) for name in lines.pop(0)[1]]
    _check_names(path, names, label, columns)
    columns = columns or tuple(name for name in names if name != label)
    if not columns:
        raise DatasetError(
            f"{path}: has no column beside {label!r}; there is nothing to learn from"
        )
    values = np.empty((len(lines), len(columns)), np.float64)
    labels = []
    for row, (line, cells) in enumerate(lines):
        if len(cells) != len(names):
            raise DatasetError(
                f"{path}: line {line} has {len(cells)} cells, and the first line names "
                f"{len(names)} columns; mend the line"
            )
        named = dict(zip(names, cells))
        if label is not None:
            labels.append(plain_name(named[label]))
            if not named[label]:
                raise DatasetError(f"{path}: line {line}: {label!r} is empty; drop the line")
        for at, column in enumerate(columns):
            where = f"{path}: line {line}, column {column!r}"
            values[row, at] = _number(where, named[column], delimiter)
    return Table(path, columns, values.astype(np.float32), tuple(labels) if label else None)


def has_names(path: str | Path) -> bool:
    """Whether a CSV file starts with a line of column names: with one that holds no number."""
    delimiter, lines = _read_cells(Path(path))
    return bool(lines) and not any(_is_number(name, delimiter) for name in lines[0][1])


def load_table(path: str | Path, label: str) -> Dataset:
    """The labelled rows of a CSV file, to train on; classes in the order of their names.

    Raises DatasetError for what `read_table` refuses, for less than two classes or LEAST_ROWS rows
    of one, and for a column that says nothing or can't be scaled.
    """
    table = read_table(path, label)
    counts = Counter(table.labels)
    if len(counts) < 2:
        raise DatasetError(
            f"{path}: {label!r} is {table.labels[0]!r} in every row; two classes are needed"
        )
    rarest = min(counts, key=counts.get)
    if counts[rarest] < LEAST_ROWS:
        raise DatasetError(
            f"{path}: class {rarest!r} of {label!r} has {counts[rarest]} "
            f"row{'s' * (counts[rarest] > 1)}; at least {LEAST_ROWS} are needed: add rows, drop "
            f"the class, or name another label column than this one with {len(counts)} classes"
        )
    for name, column in zip(table.columns, table.values.T.astype(np.float64)):
        if (column == column[0]).all():
            raise DatasetError(
                f"{path}: column {name!r} is {column[0]:g} in every row, as float32 holds it; it "
                "says nothing: drop it"
            )
        if column.std() < 1 / LARGEST:
            raise DatasetError(
                f"{path}: column {name!r} varies by {column.std():g} only; give it in a "
                "smaller unit"
            )
    classes = tuple(sorted(counts, key=_order))
    return Dataset(
        name=Path(path).stem,
        features=table.values,
        labels=table.indices(classes),
        feature_names=table.columns,
        class_names=classes,
    )


def _read_cells(path: Path) -> tuple[str, list[tuple[int, list[str]]]]:
    """The delimiter, and the lines that are not blank, each with its number."""
    check_file(path, MAX_BYTES, DatasetError, "can't be read", "give a CSV file of fewer rows")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: not UTF-8 text (byte {error.start}); save it as CSV in UTF-8"
        ) from error
    except OSError as error:
        raise DatasetError(f"{path}: can't be read ({error.strerror or error})") from error
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise DatasetError(f"{path}: line {reader.line_num}: not CSV ({error})") from error
    return delimiter, [(line, cells) for line, cells in lines if any(cells)]


def _check_names(
    path: Path, names: list[str], label: str | None, columns: tuple[str, ...] | None
) -> None:
    if len(names) > MAX_COLUMNS:
        raise DatasetError(f"{path}: has {len(names)} columns, more than {MAX_COLUMNS}; drop some")
    known = set(names)
    for name in (*filter(None, [label]), *(columns or ())):
        if name not in known:
            header = "; the first line looks like a sample, and has to name the columns"
            raise DatasetError(
                f"{path}: has no column {name!r}; its columns are {_some(names)}"
                + header * any(_NUMBER.fullmatch(name) for name in names)
            )
    if "" in names:
        raise DatasetError(
            f"{path}: column {names.index('') + 1} has no name; name it, or drop it where it only "
            "counts the rows"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DatasetError(f"{path}: two columns are named {twice[0]!r}; rename one")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _is_number(cell: str, delimiter: str) -> bool:
    return bool(_NUMBER.fullmatch(_plain(cell, delimiter)))


def _plain(cell: str, delimiter: str) -> str:
    """The cell with a decimal point: where commas part no cells, one may be the decimal sign."""
    return cell.replace(",", ".", 1) if delimiter != "," and "." not in cell else cell


def _number(where: str, cell: str, delimiter: str) -> float:
    if cell.lower() in _MISSING:
        said = f"is {cell!r}" if cell else "is empty"
        raise DatasetError(f"{where} {said}; fill it in, or drop the line or the column")
    if not _is_number(cell, delimiter):
        raise DatasetError(
            f"{where}: {cell!r} is not a number; write it as one, or drop the column"
        )
    value = float(_plain(cell, delimiter))
    if abs(value) > LARGEST:
        raise DatasetError(f"{where}: {cell} is beyond {LARGEST:g}; give it in a larger unit")
    return value


def _order(name: str) -> tuple[float, str]:
    """Classes that are numbers by their value, in front of all others."""
    return (float(name), "") if _NUMBER.fullmatch(name) else (float("inf"), name)
