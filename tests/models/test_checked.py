"""What JSON says, as typed data or as one error."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bitfold.models.checked import checked
from bitfold.models.errors import DatasetError, FoldingError


@dataclass(frozen=True)
class Inner:
    share: float = 0.5

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise ValueError(f"a share of {self.share:g} is none")


@dataclass(frozen=True)
class Outer:
    name: str
    sizes: tuple[int, ...]
    inner: Inner | None = None
    more: dict[str, tuple[Inner, ...]] | None = None


def read(document, kind=Outer):
    return checked(document, kind, DatasetError, "a.json", "delete it")


def test_json_becomes_the_data_that_it_describes():
    assert read({"name": "a", "sizes": []}) == Outer("a", ())
    document = {"name": "", "sizes": [1, 2], "inner": {}, "more": {"x": [{"share": 1}]}}
    assert read(document) == Outer("", (1, 2), Inner(), {"x": (Inner(1.0),)})
    assert read([1, None], tuple[int | None, ...]) == (1, None)
    assert read({"a": [1, {}]}, dict[str, object]) == {"a": [1, {}]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "it is null, and has to be an object"),
        ([1], r"it is \[1\], and has to be an object"),
        ({"sizes": []}, "name is missing"),
        ({"name": "a", "sizes": [], "x\n": 1}, r'"x\\n" is no field; it has name, sizes, inner'),
        ({"name": True, "sizes": []}, "name is true, and has to be a text"),
        ({"name": "a", "sizes": [0, True]}, r"sizes\[1\] is true, and has to be a whole number"),
        ({"name": "a", "sizes": [0.0]}, r"sizes\[0\] is 0.0, and has to be a whole number"),
        ({"name": "a", "sizes": "12"}, 'sizes is "12", and has to be a list'),
        ({"name": "a", "sizes": [[0] * 99]}, r"sizes\[0\] is a list of 99, and has to be"),
        ({"name": "a" * 99, "sizes": 9}, "sizes is 9"),
        ({"name": ["a" * 99], "sizes": []}, r'name is \["a+\.\.\., and has to be a text'),
        ({"name": "a", "sizes": [], "inner": {"share": 2}}, "inner: a share of 2 is none"),
        (
            {"name": "a", "sizes": [], "more": {"k": [{}, {"share": "1"}]}},
            r'more\.k\[1\]\.share is "1", and has to be a number',
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named_with_its_place(document, said):
    with pytest.raises(DatasetError, match=f"^a.json: {said}.*; delete it$"):
        read(document)


def test_an_error_of_ours_is_told_as_the_file_s():
    @dataclass(frozen=True)
    class Refused:
        x: int

        def __post_init__(self):
            raise FoldingError("it can't be")

    with pytest.raises(DatasetError, match=r"^a\.json: it can't be; delete it$"):
        read({"x": 1}, Refused)
