"""Writes docs/limits.md: what it says of each limit comes from trying it.

`PYTHONPATH=tests python -m support.limits_page` writes the page again.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from support.documented_limits import SECTIONS, Limit

from bitfold.build.frontend import operators
from bitfold.build.frontend.problems import unsupported
from bitfold.models.errors import BitfoldError

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
REFUSED = (
    *("ConvTranspose", "MaxPoolNHWC", "LSTM", "If", "LayerNormalization"),
    *("DynamicQuantizeLinear", "QLinearMatMul", "FloatQuant", "Sign", "Erf"),
)
"""Operators to show: one of each reason."""


@cache
def refusal(limit: Limit) -> str:
    """What is raised beyond the limit, in one line."""
    with scratch():
        try:
            limit.attempt(limit.excess)
        except BitfoldError as error:
            # The front end lists nodes below a headline; there is one.
            line = re.sub(r"^\S+: 1 node can't be lowered.*\n *", "", str(error))
            line = line.replace(":\n ", ":").replace("\n", "; ")
            return f"{type(error).__name__}: {line}"
    raise AssertionError(f"{limit.what}: {limit.excess} was not refused")


@contextlib.contextmanager
def scratch() -> Iterator[None]:
    """A folder of its own, so that no path is in what is said."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def render(text: str) -> str:
    """`text` with what stands between the marks of each section made anew."""
    parts = {name: _table(limits) for name, limits in SECTIONS.items()}
    parts["Operators"] = _operators()
    for name, part in parts.items():
        marks = f"<!-- {name}: made by tests/support/limits_page.py -->", "<!-- end -->"
        pattern = rf"({re.escape(marks[0])}\n).*?({re.escape(marks[1])})"
        text, count = re.subn(pattern, lambda m, p=part: m[1] + p + m[2], text, flags=re.DOTALL)
        assert count == 1, f"{PAGE.name} has no {marks[0]}"
    return text


def _table(limits: tuple[Limit, ...]) -> str:
    numbers = any(limit.number is not None for limit in limits)
    lines = ["| what | limit | beyond it | in |", "|---|---:|---|---|"]
    if not numbers:
        lines = ["| what | you get | in |", "|---|---|---|"]
    for limit in limits:
        number = "" if limit.number is None else f"{limit.number:,}"
        file, _, name = limit.where.partition("::")
        where = f"`{name}` in `{file}`" if name else f"`{file}`"
        cells = [limit.what, *([number] if numbers else []), _code(refusal(limit)), where]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _code(text: str) -> str:
    """As code in a cell of a table, in which a bar would end the cell."""
    text = text.replace("|", "\\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _operators() -> str:
    groups = {
        "layers": operators.DENSE | operators.CONVOLUTION,
        "pooling": operators.MAX_POOL | operators.AVERAGE,
        "padding in front of these": operators.PAD,
        "quantizers": operators.QUANTIZER,
        "joins of branches": operators.JOIN,
        "folded into thresholds or scales": operators.AFFINE | operators.MONOTONE,
        "the choice of the class, at the end": operators.CHOICE,
        "done by the host, behind the last layer": operators.HOST,
        "changing nothing but the shape": operators.SHAPE,
    }
    lines = ["| read | operators |", "|---|---|"]
    lines += [f"| {what} | {', '.join(sorted(kinds))} |" for what, kinds in groups.items()]
    lines += ["", "| refused, such as | because | do this |", "|---|---|---|"]
    for kind in REFUSED:
        error = unsupported(kind)
        lines.append(f"| {kind} | {error.reason} | {error.remedy} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
