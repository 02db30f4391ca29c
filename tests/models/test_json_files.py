"""JSON from outside: what it says comes back, and all else is one typed error in bounded time."""

from __future__ import annotations

import json

import pytest

from bitfold.models.errors import FoldingError, NetworkError
from bitfold.models.json_files import MAX_BYTES, MAX_DEPTH, parse_json, read_json


def test_what_was_written_is_read(tmp_path):
    said = {"a": [1, -2.5, True, None, "é 🌷 \x00 <b>"], "": {"b": 10**30}}
    (tmp_path / "said.json").write_text(json.dumps(said))
    assert read_json(tmp_path / "said.json", NetworkError, "export it again") == said
    (tmp_path / "said.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(said).encode())
    assert read_json(tmp_path / "said.json", NetworkError, "export it again") == said


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_nesting_goes_as_deep_as_the_limit():
    parse_json(nested(MAX_DEPTH), NetworkError, "n", "export it again")


BAD = {
    "deeper than the limit": (nested(MAX_DEPTH + 1), "nested more than"),
    "objects deeper than the limit": ('{"a":' * 99 + "1" + "}" * 99, "nested more than"),
    "deeper than the stack": (nested(500_000), "nested more than"),
    "open brackets only": ("[" * 500_000, "nested more than"),
    "NaN": ("[NaN]", "the number NaN is not finite"),
    "infinity": ("-Infinity", "the number -Infinity is not finite"),
    "a float beyond all floats": ("1e999", "the number 1e999 is not finite"),
    "5,000 digits": ("1" * 5000, "a number of 5000 digits"),
    "a key twice": ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
    "half a surrogate pair": (r'"\ud800"', "surrogates not allowed"),
    "half a pair in a key": (r'{"\ud800": 1}', "surrogates not allowed"),
    "no UTF-8": (b'"\xff"', "can't decode byte"),
    "nothing": ("", "Expecting value"),
    "cut off": ('{"a": [1, 2', "Expecting"),
    "something behind it": ("1 2", "Extra data"),
    "too many bytes": (" " * MAX_BYTES + "1", "more than"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_json_of_ours_is_one_error_with_its_reason(case, tmp_path):
    content, reason = BAD[case]
    file = tmp_path / "file.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FoldingError, match=f"file.json: .*{reason}.*; write it again") as refused:
        read_json(file, FoldingError, "write it again")
    assert "\n" not in str(refused.value)


def test_a_file_that_can_not_be_read_is_the_same_error(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere", str(tmp_path) + "/\0"):
        with pytest.raises(NetworkError, match=r"can't be read .*; export it again"):
            read_json(place, NetworkError, "export it again")
