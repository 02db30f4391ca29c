"""Reads JSON that may come from anyone: bounded, finite, and one typed error for all else."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path

from bitfold.models.errors import BitfoldError
from bitfold.models.files import read_file

MAX_BYTES = 16 << 20
MAX_DEPTH = 32
MAX_DIGITS = 40


def read_json(path: Path | str, error: type[BitfoldError], remedy: str) -> object:
    """What the JSON file at `path` says, as `parse_json` gives it.

    Raises `error`, which names the file, the reason and `remedy`, also where it can't be read.
    """
    content = read_file(path, MAX_BYTES, error, "can't be read", remedy)
    return parse_json(content, error, str(path), remedy)


def parse_json(content: bytes | str, error: type[BitfoldError], name: str, remedy: str) -> object:
    """What a JSON text says: dict, list, str, int, float, bool or None.

    It is UTF-8 of at most MAX_BYTES and nested at most MAX_DEPTH deep; its numbers are finite and
    of at most MAX_DIGITS digits; no object has a key twice. Raises `error`, which names `name`, the
    reason and `remedy`, for anything else.
    """
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        document = json.loads(
            text,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
            object_pairs_hook=_object,
        )
        _check(document)
        return document
    except RecursionError as reason:
        raise error(f"{name}: not readable JSON ({_TOO_DEEP}); {remedy}") from reason
    except ValueError as reason:  # of json and of the encoding too
        raise error(f"{name}: not readable JSON ({reason}); {remedy}") from reason


_TOO_DEEP = f"nested more than {MAX_DEPTH} deep"


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits, more than {MAX_DIGITS}")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise ValueError(f"the number {digits[:MAX_DIGITS]} is not finite")
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made: dict[str, object] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key[:MAX_DIGITS]!r} stands twice in one object")
        made[key] = value
    return made


def _check(document: object) -> None:
    """Level by level, so that no depth is too much to be looked at."""
    level: list[list] = [[document]]
    for _ in range(MAX_DEPTH + 1):
        inner = []
        for children in level:
            for child in children:
                if isinstance(child, str):
                    child.encode()  # half a surrogate pair is no text: it can't be written again
                elif isinstance(child, dict):
                    inner.append([*child, *child.values()])
                elif isinstance(child, list):
                    inner.append(child)
        if not inner:
            return
        level = inner
    raise ValueError(_TOO_DEEP)
