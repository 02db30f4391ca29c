"""Takes in what a caller gives for a number or a place, or says what is wrong with it."""

from __future__ import annotations

import operator
from pathlib import Path

from bitfold.models.errors import InputError


def as_count(value: object, what: str, least: int = 1, most: int = 2**32 - 1) -> int:
    """A whole number from `least` to `most`. Raises InputError, which says `what` it is for."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise InputError(
            f"{what}: {shown(value)} is no whole number; give {least} or more, at most {most}"
        ) from error
    if not least <= number <= most:
        raise InputError(
            f"{what}: {shown(number)} is out of range; give {least} or more, at most {most}"
        )
    return number


def as_folder(value: object, what: str) -> Path | None:
    """The path of a folder; None stays None. Raises InputError for anything else."""
    if value is None:
        return None
    if not isinstance(value, (str, Path)) or "\0" in str(value):
        raise InputError(f"{what} is {shown(value)}; give the path of a folder")
    return Path(value)


def shown(value: object) -> str:
    """`value` in an error: in a few words, on one line."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}..."
