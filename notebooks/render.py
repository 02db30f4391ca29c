"""Executes the notebooks and writes what they show to docs/notebooks: a page and pictures each.

    python notebooks/render.py            all of them
    python notebooks/render.py 3_precision

In git a notebook has no outputs, so that a change of it shows what changed; these pages have them.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from execution import NOTEBOOKS, execute
from PIL import Image

PAGES = Path(__file__).parents[1] / "docs" / "notebooks"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""What a kernel has programs put around text."""


def main(names: list[str]) -> None:
    known = {notebook.stem: notebook for notebook in NOTEBOOKS}
    for name in names:
        if name not in known:
            sys.exit(f"no notebook {name}; there are {', '.join(known)}")
    for name in names or known:
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            executed = execute(known[name], Path(folder))
        write(known[name], executed, PAGES)
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)


def write(notebook: Path, executed: nbformat.NotebookNode, folder: Path) -> None:
    """Writes the page of an executed notebook, and its pictures beside it, in place of the old."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{notebook.stem}*"):
        old.unlink()
    parts = [first_line(notebook)]
    for cell in executed.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(_fenced("python", cell.source))
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                picture = folder / f"{notebook.stem}-{cell.id}.png"
                drawn = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
                # A palette takes a third of the bytes, and git keeps every version.
                drawn.convert("RGB").quantize().save(picture, optimize=True)
                parts.append(f"![{cell.metadata['alt']}]({picture.name})")
            elif "text/markdown" in data:
                parts.append(data["text/markdown"])
            elif text := output.get("text") or data.get("text/plain"):
                parts.append(_fenced("text", COLOURS.sub("", text)))
    (folder / f"{notebook.stem}.md").write_text("\n\n".join(parts) + "\n")


def first_line(notebook: Path) -> str:
    """What a page starts with: it names the notebook, and changes with its cells."""
    cells = nbformat.read(notebook, as_version=4).cells
    said = [(cell.cell_type, cell.id, cell.metadata.get("alt"), cell.source) for cell in cells]
    digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]
    return f"<!-- `make notebooks` wrote this from notebooks/{notebook.name}, cells {digest} -->"


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


if __name__ == "__main__":
    main(sys.argv[1:])
