"""What a page is made of, whatever its words are: its elements and their attributes' names."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path


def elements(page: Path) -> list[tuple[str, tuple[str, ...]]]:
    """Each element of the page with the names of its attributes, in order."""
    found: list[tuple[str, tuple[str, ...]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.append((tag, tuple(name for name, _ in attributes)))

    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return found
