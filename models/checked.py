"""Makes typed data of what JSON says, or one error that names the field, its value and its type."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import TypeVar, Union, get_args, get_origin, get_type_hints

from bitfold.models.errors import BitfoldError

T = TypeVar("T")

_WORDS = {
    **{int: "a whole number", float: "a number", str: "a text", bool: "true or false"},
    **{tuple: "a list", dict: "an object", type(None): "null"},
}


def checked(
    document: object,
    kind: type[T],
    error: type[BitfoldError],
    name: str,
    remedy: str,
    others: bool = False,
) -> T:
    """`document`, as `read_json` gives it, as a `kind`: int, float, str, bool, tuple[..., ...],
    dict[str, ...], one of these or None, or a dataclass of fields of these kinds.

    A dataclass has no fields beside its own (with `others`: they are left out), and all that have
    no default; its `__post_init__` may
    refuse a value with a ValueError. A whole number is a float too, and nothing else is anything
    but itself. Raises `error`, which names `name`, the field, what it is and `remedy`.
    """
    try:
        return _checked(document, kind, "", others)
    except _UnfitError as reason:
        raise error(f"{name}: {reason}; {remedy}") from reason


class _UnfitError(Exception):
    pass


def _checked(value: object, kind, at: str, others: bool):
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        chosen = [each for each in inner if each is not type(None)]
        return None if value is None else _checked(value, chosen[0], at, others)
    if is_dataclass(kind):
        return _record(_checked(value, dict[str, object], at, others), kind, at, others)
    if origin is tuple and type(value) is list:
        return tuple(_checked(each, inner[0], f"{at}[{i}]", others) for i, each in enumerate(value))
    if origin is dict and type(value) is dict:
        return {
            key: _checked(each, inner[1], _below(at, key), others) for key, each in value.items()
        }
    if kind is float and type(value) is int:
        return float(value)
    if kind is object or type(value) is kind:
        return value
    raise _UnfitError(f"{at or 'it'} is {_shown(value)}, and has to be {_WORDS[origin or kind]}")


def _record(values: dict, kind, at: str, others: bool):
    known = {field.name: field for field in fields(kind)}
    for name in values:
        if name not in known and not others:
            raise _UnfitError(f"{_below(at, _shown(name))} is no field; it has {', '.join(known)}")
    for name, field in known.items():
        if name not in values and (field.default, field.default_factory) == (MISSING, MISSING):
            raise _UnfitError(f"{_below(at, name)} is missing")
    kinds = get_type_hints(kind)
    made = {
        name: _checked(values[name], kinds[name], _below(at, name), others)
        for name in known
        if name in values
    }
    try:
        return kind(**made)
    except (ValueError, BitfoldError) as reason:
        said = _clipped(str(reason), 300)
        raise _UnfitError(f"{at}: {said}" if at else said) from reason


def _below(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _shown(value: object) -> str:
    """As JSON, which has no character that is not ASCII, and not much of it."""
    if isinstance(value, (list, dict)) and len(value) > 9:
        return f"{_WORDS[tuple if isinstance(value, list) else dict]} of {len(value)}"
    return _clipped(json.dumps(value), 60)


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
