"""Says what a name may be: any text that can be written down, whatever it means to anyone."""

from __future__ import annotations

import re

MAX_CHARACTERS = 1000
_NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def plain_name(name: str) -> str:
    """`name` as a network may have it: one line, of at most MAX_CHARACTERS.

    Control characters and halves of characters become U+FFFD. All else stays as it is: quotes,
    brackets, paths and tags are no danger, as a name is data and stands in no generated text.
    """
    return _NOT_TEXT.sub("�", name[:MAX_CHARACTERS])
