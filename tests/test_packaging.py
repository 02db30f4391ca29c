"""Builds the sdist and the wheel, and installs the wheel where there is nothing but NumPy."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
ROOMS = ("models", "overlays", "runtime", "build")
# What packaging needs beside the rooms; README.md becomes the project's description.
ROOT_FILES = ("setup.cfg", "pyproject.toml", "LICENSE", "README.md")
ON_A_BOARD = """
import importlib, pkgutil, sys
PYNQ = {"bitfold.runtime." + name for name in ("board", "emulated_board", "emulate")}
import bitfold.models.network, bitfold.overlays, bitfold.runtime
for room in (bitfold.overlays, bitfold.runtime):
    for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
        if module.name not in PYNQ:
            importlib.import_module(module.name)
places = {sys.modules[name].__file__ for name in sys.modules if name.startswith("bitfold.")}
print(*sorted(filter(None, places)), sep="\\n")
"""
RUNTIME_WHEEL = """
import pathlib, sys
from bitfold.build.implement.runtime_wheel import write_runtime_wheel
print(write_runtime_wheel(pathlib.Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(REPOSITORY / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def requirements(setup_cfg) -> list[Requirement]:
    lists = [
        setup_cfg["options"]["install_requires"],
        *setup_cfg["options.extras_require"].values(),
    ]
    return [Requirement(line) for text in lists for line in text.split("\n") if line]


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of what is packaged, so that nothing is built inside the repository."""
    copy = tmp_path_factory.mktemp("source")
    for room in ROOMS:
        shutil.copytree(
            REPOSITORY / room, copy / room, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ROOT_FILES:
        if (REPOSITORY / name).exists():
            shutil.copy(REPOSITORY / name, copy)
    return copy


@pytest.fixture(scope="module")
def room_files(source) -> set[str]:
    """Every file of the rooms, as a path inside the repository."""
    files = {file for room in ROOMS for file in (source / room).rglob("*") if file.is_file()}
    names = {file.relative_to(source).as_posix() for file in files}
    assert {"runtime/harness.cpp", "overlays/rtl/mvau/mvau.sv", "models/value.py"} <= names
    return names


@pytest.fixture(scope="module")
def distributions(source, room_files, tmp_path_factory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, "."]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def test_every_folder_with_python_files_is_a_package(setup_cfg):
    files = [file for room in ROOMS for file in (REPOSITORY / room).rglob("*.py")]
    folders = {file.parent.relative_to(REPOSITORY).as_posix() for file in files}
    packages = {f"bitfold.{folder.replace('/', '.')}": folder for folder in folders}
    listed = [line.split(" = ") for line in setup_cfg["options"]["package_dir"].split("\n") if line]
    assert dict(listed) == packages
    assert set(setup_cfg["options"]["packages"].split()) == set(packages)


def test_the_lock_file_pins_every_requirement(requirements, lock):
    for requirement in requirements:
        version = lock[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is not {version}"


def test_the_environment_is_that_of_the_lock_file(lock):
    frozen = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    installed = dict(line.split("==") for line in frozen.splitlines() if "==" in line)
    installed = {canonicalize_name(name): version for name, version in installed.items()}
    for name, version in lock.items():
        # A local part tells builds of one version apart, such as 2.13.0+cpu.
        assert re.sub(r"\+.*", "", installed[name]) == version, name


def test_the_sdist_holds_every_file_of_the_rooms(distributions, room_files):
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert room_files <= names


def test_the_wheel_holds_every_file_of_the_rooms_and_no_other(distributions, room_files):
    names = zipfile.ZipFile(distributions[1]).namelist()
    assert {name for name in names if ".dist-info/" not in name} == {
        f"bitfold/{name}" for name in room_files
    }


@pytest.fixture(scope="module")
def only_numpy(distributions, tmp_path_factory) -> tuple[Path, Path]:
    """The Python of an environment that holds the wheel and NumPy, and where its packages lie."""
    folder = tmp_path_factory.mktemp("only_numpy")
    environment, libraries = folder / "venv", folder / "libraries"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    libraries.mkdir()
    ours = Path(np.__file__).parent
    for package in (ours, ours.with_name("numpy.libs")):
        if package.exists():
            (libraries / package.name).symlink_to(package)
    (site,) = (environment / "lib").glob("python*/site-packages")
    (site / "libraries.pth").write_text(f"{libraries}\n")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", python, "install", "-q"),
            *("--no-deps", "--no-index", distributions[1]),
        ],
        check=True,
    )
    return python, site


def run(python: Path, code: str, *arguments: object, cwd: Path) -> list[str]:
    """The lines that `code` prints, with nothing of ours but what is installed."""
    command = [python, "-I", "-c", code, *map(str, arguments)]
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_the_wheel_runs_where_there_is_only_numpy(only_numpy, tmp_path):
    python, site = only_numpy
    places = [Path(line) for line in run(python, ON_A_BOARD, cwd=tmp_path)]
    assert len(places) >= 10
    assert all(place.is_relative_to(site) for place in places)
    assert (python.parent / "bitfold").exists()


def test_the_installed_wheel_makes_the_runtimes_wheel(only_numpy, room_files, tmp_path):
    (made,) = run(only_numpy[0], RUNTIME_WHEEL, tmp_path, cwd=tmp_path)
    names = zipfile.ZipFile(made).namelist()
    assert {name for name in names if ".dist-info/" not in name} == {
        f"bitfold/{name}" for name in room_files if not name.startswith("build/")
    }
