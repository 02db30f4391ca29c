"""Executes a notebook in a fresh kernel of the Python that runs this file."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = tuple(sorted(Path(__file__).parent.glob("*.ipynb")))

CELL_LIMIT_S = 600
"""A cell that takes longer is taken for one that hangs."""


def execute(notebook: Path, folder: Path, home: Path | None = None) -> nbformat.NotebookNode:
    """The notebook with the outputs of its cells, which run in `folder`; the file stays as it is.

    `home` takes the place of the user's home, where bitfold keeps what it built. Raises nbclient's
    CellExecutionError, which shows the cell and the traceback, at the first cell that fails.
    """
    client = NotebookClient(
        nbformat.read(notebook, as_version=4),
        timeout=CELL_LIMIT_S,
        coalesce_streams=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    manager = client.create_kernel_manager()
    # A kernel that somebody installed under that name may be another Python's. Without any,
    # ipykernel gives its own, which is ours.
    manager.kernel_spec_manager.kernel_dirs = []
    with tempfile.TemporaryDirectory() as scratch:
        # Sockets in a folder of ours, and not ports that anyone on the machine may reach.
        manager.transport = "ipc"
        manager.connection_file = str(Path(scratch) / "kernel.json")
        return client.execute(env=_environment(Path(scratch), home))


def _environment(scratch: Path, home: Path | None) -> dict[str, str]:
    """Ours, without what the user has IPython do at its start, and with `bitfold` on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path, "IPYTHONDIR": str(scratch)}
    return environment if home is None else {**environment, "HOME": str(home)}
