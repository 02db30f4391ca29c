"""CSV tables: what is read, and what is refused with its place and a remedy."""

from __future__ import annotations

import os

import numpy as np
import pytest

from bitfold.models.errors import DatasetError
from bitfold.models.tables import LEAST_ROWS, MAX_BYTES, has_names, load_table, read_table

PLAIN = "width,length,kind\n1.5,-2e3,b\n.25,+4,a\n"


@pytest.fixture
def written(tmp_path):
    def write(content: str | bytes):
        file = tmp_path / "flowers.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write


def table_of(rows: int = 5, **columns) -> str:
    """A CSV text of two classes with so many rows each, and these columns beside `kind`."""
    columns = {"width": lambda i: i, **columns}
    lines = [",".join([*columns, "kind"])]
    for i in range(2 * rows):
        lines.append(",".join([*(str(value(i)) for value in columns.values()), "ab"[i % 2]]))
    return "\n".join(lines) + "\n"


# What is read.


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.rstrip("\n"),
        PLAIN.replace("\n", "\n\n , ,\n"),
        PLAIN.replace(",", " , "),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace("width", '"width"').replace("1.5", '"1.5"'),
    ],
    ids=[
        *("plain", "carriage returns", "no end of line", "blank lines", "spaces"),
        *("byte order mark", "semicolons", "tabs", "decimal commas", "quotes"),
    ],
)
def test_the_same_table_is_read_however_it_is_written(content, written):
    table = read_table(written(content), "kind")
    assert table.columns == ("width", "length") and table.labels == ("b", "a")
    assert np.array_equal(table.values, np.float32([[1.5, -2000], [0.25, 4]]))
    assert table.values.dtype == np.float32


def test_columns_are_taken_by_name_and_others_are_not_looked_at(written):
    file = written("note,length,kind,width\nfine,2,b,1\n,4,a,3\n")
    table = read_table(file, columns=("width", "length"))
    assert np.array_equal(table.values, [[1, 2], [3, 4]]) and table.labels is None


def test_classes_are_sorted_by_name_and_numbers_by_value(written):
    rows = load_table(written(table_of()), "kind")
    assert rows.class_names == ("a", "b") and rows.name == "flowers"
    assert rows.labels.tolist() == [0, 1] * 5 and rows.feature_names == ("width",)
    numbered = table_of().replace(",a", ",10").replace(",b", ",9")
    assert load_table(written(numbered), "kind").class_names == ("9", "10")


def test_a_line_of_names_is_told_from_a_line_of_numbers(written):
    assert has_names(written(PLAIN))
    assert not has_names(written("1,2\n3,4\n"))
    assert not has_names(written("1,red\n"))
    assert not has_names(written(""))


# What is refused.

REFUSED = {
    "no file": (None, "flowers.csv: can't be read .*No such file"),
    "nothing": ("", "holds nothing; give a line of column names"),
    "no rows": ("width,kind\n\n", "holds no rows"),
    "not text": (b"PK\x03\x04\xff\xfe\x00", "not UTF-8 text .byte 4.; save it as CSV in UTF-8"),
    "a quote left open": ('width,kind\n1,"a\n', "line 2: not CSV"),
    "no label column": (
        "width,species\n1,a\n",
        "has no column 'kind'; its columns are width, species$",
    ),
    "no header": ("5.1,3.5,setosa\n1,2,a\n", "has no column 'kind'.*looks like a sample"),
    "a name twice": ("width,width,kind\n1,2,a\n", "two columns are named 'width'; rename one"),
    "no name": (",width,kind\n0,1,a\n", "column 1 has no name; name it, or drop it"),
    "only a label": ("kind\na\n", "has no column beside 'kind'"),
    "a short line": ("width,kind\n1,a\n2\n", "line 3 has 1 cells, and the first line names 2"),
    "a long line": ("width,kind\n1,a,\n", "line 2 has 3 cells"),
    "a decimal comma between commas": ("width,kind\n1,5,a\n", "line 2 has 3 cells"),
    "a word": ("width,kind\n1,a\nred,b\n", "line 3, column 'width': 'red' is not a number"),
    "a line break before": ('width,kind\n1,"a\n"\nred,b\n', "line 4, column 'width': 'red'"),
    "an empty cell": ("width,kind\n1,a\n\n ,b\n", "line 4, column 'width' is empty; fill it in"),
    "NaN": ("width,kind\nNaN,a\n", "line 2, column 'width' is 'NaN'; fill it in, or drop"),
    "a question mark": ("width,kind\n?,a\n", "line 2, column 'width' is '\\?'"),
    "infinity": ("width,kind\ninf,a\n", "line 2, column 'width': 'inf' is not a number"),
    "thousands": ("width;kind\n1.234,5;a\n", "column 'width': '1.234,5' is not a number"),
    "underscores": ("width,kind\n1_000,a\n", "'1_000' is not a number"),
    "too large": ("width,kind\n1e31,a\n", "line 2, column 'width': 1e31 is beyond 1e.30"),
    "beyond float64": ("width,kind\n1e999,a\n", "1e999 is beyond 1e.30; give it in a larger unit"),
    "no label": ("width,kind\n1,a\n2,\n", "line 3: 'kind' is empty; drop the line"),
    "one class": ("width,kind\n1,a\n2,a\n", "'kind' is 'a' in every row; two classes are needed"),
    "a rare class": (table_of(4), "class 'a' of 'kind' has 4 rows; at least 5 are needed"),
    "a lone class": (table_of(5) + "1,lone\n", "class 'lone' of 'kind' has 1 row; .*3 classes"),
    "a constant": (
        table_of(ok=lambda i: 7),
        "column 'ok' is 7 in every row, as float32 holds it; it says nothing: drop it",
    ),
    "constant in float32": (table_of(t=lambda i: f"1.{i:012}"), "column 't' is 1 in every row"),
    "hardly any spread": (table_of(t=lambda i: f"{i}e-35"), "column 't' varies by .*smaller unit"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_named_with_its_place(content, message, written, tmp_path):
    file = tmp_path / "flowers.csv" if content is None else written(content)
    with pytest.raises(DatasetError, match=message) as caught:
        load_table(file, "kind")
    assert str(caught.value).startswith(str(file)) and "\n" not in str(caught.value)


def test_a_column_that_the_network_needs_is_missed_by_name(written):
    with pytest.raises(DatasetError, match="has no column 'height'; its columns are width, length"):
        read_table(written(PLAIN), columns=("width", "height"))


def test_a_label_that_the_network_does_not_know_is_named(written):
    table = read_table(written(PLAIN), "kind")
    assert table.indices(("a", "b")).tolist() == [1, 0]
    with pytest.raises(DatasetError, match=r"label 'b' is none of the classes .*: a, c"):
        table.indices(("a", "c"))


# What no spreadsheet writes.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # Before Python 3.11 its reader refuses the character itself.
        (b"a,kind\n1\x00,b\n", r"line 2(, column 'a': '1\\x00' is not a number|: not CSV)"),
        ("a,kind\n1,b\n".encode("utf-16"), "not UTF-8 text"),
        ("größe,kind\n1,b\n".encode("latin-1"), "not UTF-8 text"),
        (b'a,kind\n"1,b\n2,c\n', "line 3: not CSV"),
        (b"a,kind\n" + b"1" * 200_000 + b",b\n", "line 2: not CSV .field larger than"),
        (b"a,kind\n1e999,b\n", "1e999 is beyond"),
        (b"a,kind\n-inf,b\n", "'-inf' is not a number"),
        (b"a,kind\n1,2,b\n", "line 2 has 3 cells"),
        (b"a,kind\n" + b",".join([b"1"] * 10**6), "line 2 has 1000000 cells"),
        (b",".join([b"%d" % i for i in range(10**6)]) + b"\n1,b\n", "1000000 columns, more than"),
        (b",".join([b"c%d" % i for i in range(10**4)]) + b"\n1,b\n", "c19 and 9980 more"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_file_that_is_no_table_is_one_short_line(content, message, written):
    with pytest.raises(DatasetError, match=message) as caught:
        read_table(written(content), "kind")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


def test_what_may_never_end_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path, kind in ((tmp_path / "pipe.csv", "pipe"), (tmp_path, "folder"), ("/dev/zero", "dev")):
        with pytest.raises(DatasetError, match=f"can't be read .it is a {kind}"):
            read_table(path, "kind")
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(DatasetError, match="more than"):
        has_names(tmp_path / "large.csv")


def test_many_classes_take_no_longer_than_few(written):
    lines = "\n".join(f"{i},{i // LEAST_ROWS}" for i in range(100_000))
    rows = load_table(written(f"a,kind\n{lines}\n"), "kind")
    assert rows.labels.tolist() == [i // LEAST_ROWS for i in range(100_000)]
