"""The notebooks: they run to their end, are kept without outputs, and docs/notebooks shows them."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
import render
from execution import NOTEBOOKS, execute
from nbclient.exceptions import CellExecutionError

REPOSITORY = Path(__file__).parents[1]
LARGEST_PICTURE_BYTES = 60_000

each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def write(path: Path, *sources: str) -> Path:
    """A notebook of code cells."""
    cells = [nbformat.v4.new_code_cell(source, id=f"cell{i}") for i, source in enumerate(sources)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def texts(executed: nbformat.NotebookNode) -> str:
    """What all cells printed."""
    outputs = [output for cell in executed.cells for output in cell.outputs]
    return "".join(output.get("text", "") for output in outputs)


@each_notebook
def test_a_notebook_runs_to_its_end_and_ends_with_a_figure_and_what_it_shows(
    notebook, tmp_path, home
):
    executed = execute(notebook, tmp_path, home)
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    # torch says so where there is a CUDA compiler without a GPU, whatever the notebook does.
    said = [output.text for output in outputs if output.get("name") == "stderr"]
    assert not [text for text in said if "No CUDA runtime is found" not in text]
    *_, figure, said = outputs
    assert "image/png" in figure.data
    assert said.data["text/markdown"].startswith("**What it shows.**")
    render.write(notebook, executed, tmp_path / "page")
    pictures = (tmp_path / "page").glob("*.png")
    assert all(picture.stat().st_size <= LARGEST_PICTURE_BYTES for picture in pictures)


def test_a_notebook_with_a_broken_cell_fails(tmp_path):
    lesson = nbformat.read(NOTEBOOKS[0], as_version=4)
    broken = nbformat.v4.new_code_cell("assert 1 + 1 == 3, 'broken on purpose'", id="broken")
    lesson.cells.insert(1, broken)
    nbformat.write(lesson, tmp_path / "broken.ipynb")
    with pytest.raises(CellExecutionError, match="broken on purpose"):
        execute(tmp_path / "broken.ipynb", tmp_path)


def test_a_command_that_fails_in_a_notebook_fails_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.defpath)  # an environment that was not activated
    notebook = write(tmp_path / "shell.ipynb", "%%bash\nbitfold run missing.bundle --dataset iris")
    with pytest.raises(CellExecutionError, match="there is no such bundle"):
        execute(notebook, tmp_path)


def test_the_kernel_is_this_python_whatever_kernels_the_user_has(tmp_path, monkeypatch):
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": ["another-python"], "display_name": "another"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    notebook = write(tmp_path / "where.ipynb", "import sys", "print(sys.prefix, sys.executable)")
    assert texts(execute(notebook, tmp_path)).split() == [sys.prefix, sys.executable]


@each_notebook
def test_no_output_is_kept_in_git(notebook):
    for cell in nbformat.read(notebook, as_version=4).cells:
        assert cell.get("execution_count") is None
        assert not cell.get("outputs"), f"{cell.id}: clear all outputs"


@each_notebook
def test_a_page_is_made_from_the_notebook_as_it_is(notebook):
    page = render.PAGES / f"{notebook.stem}.md"
    text = page.read_text()
    assert text.startswith(render.first_line(notebook)), "`make notebooks` writes it anew"
    shown = set(re.findall(r"\]\(([\w-]+\.png)\)", text))
    assert shown
    assert shown == {picture.name for picture in render.PAGES.glob(f"{notebook.stem}-*.png")}
    assert all((render.PAGES / name).stat().st_size <= LARGEST_PICTURE_BYTES for name in shown)


def test_every_page_has_its_notebook_and_is_in_the_list():
    stems = {notebook.stem for notebook in NOTEBOOKS}
    assert {page.stem for page in render.PAGES.glob("*.md")} == {*stems, "README"}
    listed = re.findall(r"\]\((\w+)\.md\)", (render.PAGES / "README.md").read_text())
    assert set(listed) >= stems


def test_a_page_shows_code_text_and_pictures_and_replaces_the_old(tmp_path):
    drawing = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    notebook = write(tmp_path / "lesson.ipynb", "print('\\x1b[31m' 'red')\n1 + 1", drawing)
    before = render.first_line(notebook)
    lesson = nbformat.read(notebook, as_version=4)
    lesson.cells[1].metadata["alt"] = "a line that rises"
    nbformat.write(lesson, notebook)
    assert render.first_line(notebook) != before
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "lesson-old.png").touch()
    render.write(notebook, execute(notebook, tmp_path), tmp_path / "page")
    assert sorted(file.name for file in (tmp_path / "page").iterdir()) == [
        "lesson-cell1.png",
        "lesson.md",
    ]
    page = (tmp_path / "page" / "lesson.md").read_text()
    assert "```python\nprint(" in page
    assert "```text\nred\n```\n\n```text\n2\n```" in page
    assert "![a line that rises](lesson-cell1.png)" in page
