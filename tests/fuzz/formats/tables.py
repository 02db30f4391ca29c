"""CSV files: tables to train on, and samples to run."""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random

import numpy as np
from fuzz import mutate

from bitfold.build.workflows.samples import read_samples
from bitfold.models.tables import load_table, read_table

FILE = "table.csv"
ROWS = [(round(0.37 * i, 2), round(7.5 - 0.21 * i, 2), -i, "abc"[i % 3]) for i in range(24)]
WORDS = (
    "nan",
    "1e30",
    "1e31",
    "1,5",
    "0x10",
    "1_000",
    "\u0663",
    "\uff11",
    '"',
    "NA",
    ";",
    "\t",
    "1e-400",
)


def _table(delimiter: str, header: bool = True, decimal: str = ".") -> str:
    rows = [("width", "height", "depth", "kind")] * header + ROWS
    lines = [delimiter.join(str(cell).replace(".", decimal) for cell in row) for row in rows]
    return "\n".join(lines) + "\n"


SEEDS = {
    "commas": _table(","),
    "semicolons": _table(";", decimal=","),
    "tabs": _table("\t"),
    "mark": "\ufeff" + _table(","),
    "quoted": _table(",").replace("a\n", '"a, or ""b"""\n'),
    "numbers": "\n".join(",".join(map(str, row[:3])) for row in ROWS) + "\n",
}


class Tables:
    name = "tables"

    def prepare(self, folder: Path, cache: Path) -> None:
        pass

    def may_start(self, command: list[str]) -> bool:
        return False

    def seeds(self) -> list[str]:
        return list(SEEDS)

    def copy(self, seed: str, case: Path) -> None:
        (case / FILE).write_text(SEEDS[seed], encoding="utf-8")

    def mutate(self, random: Random, case: Path) -> str:
        content = (case / FILE).read_bytes()
        kind = random.random()
        if kind < 0.25:
            content, said = mutate.octets(random, content)
        elif kind < 0.3:
            coding = random.choice(("utf-16", "utf-32", "utf-16-le", "cp037"))
            content, said = content.decode("utf-8-sig").encode(coding), coding
        elif kind < 0.75:
            written, said = _cells(random, content.decode())
            content = written.encode(errors="surrogatepass")
        else:
            written, said = mutate.text(random, content.decode(), WORDS)
            content = written.encode(errors="surrogatepass")
        (case / FILE).write_bytes(content)
        return said

    def check(self, case: Path) -> None:
        file = case / FILE
        if file.read_bytes()[:1] in b"-0123456789":
            samples = read_samples(file, None)
            assert samples.labels is None
            _check_values(samples.x, file, header=False)
            return
        table = read_table(file, "kind")
        _check_values(table.values, file, header=True)
        assert len(table.labels) == len(table.values)
        data = load_table(file, "kind")
        assert np.array_equal(data.features, table.values)
        assert [data.class_names[i] for i in data.labels] == list(table.labels)


def _cells(random: Random, content: str) -> tuple[str, str]:
    """The table with a cell, a line or a column changed."""
    lines = content.splitlines()
    delimiter = max(",;\t", key=lines[0].count)
    at = random.randrange(len(lines))
    cells = lines[at].split(delimiter)
    column = random.randrange(len(cells))
    kind = random.choice(("cell", "cell", "cell", "more", "less", "column", "lines"))
    if kind == "cell":
        values = (*WORDS, *mutate.NAMES, *mutate.INTEGERS, *mutate.FLOATS)
        cells[column] = str(random.choice(values))
    elif kind == "more":
        cells += [cells[column]] * random.choice((1, 2, 10_000))
    elif kind == "less":
        del cells[column]
    elif kind == "column":
        lines = [
            delimiter.join(x for i, x in enumerate(line.split(delimiter)) if i != column)
            for line in lines
        ]
        cells = lines[at].split(delimiter)
    else:
        lines += lines[1:] * random.choice((1, 40, 1000))
    lines[at] = delimiter.join(cells)
    return "\n".join(lines), f"table: {kind}, line {at + 1}, column {column + 1}"


def _check_values(values: np.ndarray, file: Path, header: bool) -> None:
    """Fails unless `values` are what the file says, as another reader reads it."""
    assert values.dtype == np.float32
    assert np.isfinite(values).all() or not header  # samples are looked at when they are run
    text = file.read_text(encoding="utf-8-sig")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = [row for row in csv.reader(stream, delimiter=delimiter) if any(map(str.strip, row))]
    keep = range(len(rows[0]))
    if header:
        names = [name.strip() for name in rows.pop(0)]
        keep = [i for i, name in enumerate(names) if name != "kind"]
    point = (lambda cell: cell) if delimiter == "," else (lambda cell: cell.replace(",", "."))
    try:
        read = np.array([[float(point(row[i])) for i in keep] for row in rows])
    except ValueError as error:
        raise AssertionError(f"{error}, and it was taken") from error
    np.testing.assert_array_equal(values, read.astype(np.float32))


TARGET = Tables()
