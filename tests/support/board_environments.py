"""Makes virtual environments that hold what a board has, with pinned versions, for tests."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[1] / "board"
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")


@dataclass(frozen=True)
class Environment:
    """A virtual environment; its own packages lie in `site`, those it shares with others do not."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site(self) -> Path:
        (site,) = (self.folder / "lib").glob("python*/site-packages")
        return site

    def install(self, wheel: Path) -> None:
        """As a package's README.md says."""
        command = (*PIP, "--python", self.python, "install", "--no-deps", wheel)
        subprocess.run(command, check=True, capture_output=True)

    def run(self, *arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
        """Python with these arguments, and nothing of this process's own environment but PATH."""
        return subprocess.run(
            [str(part) for part in (self.python, *arguments)],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )


def environment(folder: Path, cache: Path, *names: str) -> Environment:
    """A new one in `folder` with the packages of the requirements files `names` of tests/board.

    The packages are installed once and kept in `cache`. Skips the test where there is no Python of
    the version that the files name.
    """
    python = _python(_version(names[0]))
    shared = [_packages(name, cache) for name in names]
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    made = Environment(folder)
    (made.site / "shared.pth").write_text("".join(f"{path}\n" for path in shared))
    return made


def _packages(name: str, cache: Path) -> Path:
    """The folder with the packages of a requirements file; the first who asks installs them."""
    content = (REQUIREMENTS / f"{name}-requirements.txt").read_bytes()
    python = _python(_version(name))
    key = hashlib.sha256(content + str(python).encode()).hexdigest()[:16]
    target = cache / "environments" / f"{name}-{key}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                _install(name, python, Path(scratch))
                (Path(scratch) / "packages").rename(target)
    return target


def _install(name: str, python: Path, scratch: Path) -> None:
    # pip runs on our Python and installs for the other, which need not have it.
    subprocess.run([python, "-m", "venv", "--without-pip", scratch / "venv"], check=True)
    file = REQUIREMENTS / f"{name}-requirements.txt"
    command = (*PIP, "--python", scratch / "venv" / "bin" / "python", "install", "--no-deps")
    command = (*command, "--target", scratch / "packages", "--requirement", file)
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, f"{file.name} can't be installed:\n{made.stdout}{made.stderr}"


def _version(name: str) -> str:
    """Which Python a requirements file is for: its first line says so."""
    first = (REQUIREMENTS / f"{name}-requirements.txt").read_text().partition("\n")[0]
    return re.search(r"python (3\.\d+)", first)[1]


def _python(version: str) -> Path:
    """A Python of that version on this machine. Skips the test where there is none."""
    for candidate in _candidates(version):
        asked = "import sys, venv; print('%d.%d' % sys.version_info[:2], sys.executable)"
        answer = subprocess.run([candidate, "-c", asked], capture_output=True, text=True)
        found, _, executable = answer.stdout.strip().partition(" ")
        if found == version:
            return Path(executable)
    pytest.skip(f"no Python {version} with the venv module is here, which boards have")


def _candidates(version: str) -> Iterator[str | Path]:
    yield sys.executable
    named = shutil.which(f"python{version}")
    if named:
        yield named
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
