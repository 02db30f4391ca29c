"""The rendered parts of the documentation are what the code says today."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitfold.overlays import program, registers

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize(("page", "source"), [("registers.md", registers), ("program.md", program)])
def test_a_rendered_page_is_up_to_date(page, source):
    assert (DOCS / page).read_text().endswith(source.render_markdown())
