"""The rooms that run on a board pass their own tests on its Python 3.10 with its NumPy 1.21.

The tests of training need torch, and those that sweep the RTL say nothing more on another Python:
both are left out.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TESTS = REPOSITORY / "tests"
ROOMS = ("models", "overlays", "runtime", "build")
TRAINING = {"checkpoints", "cross_validation", "datasets", "export", "training", "zoo"}
TRAINING |= {"checkpoint_headers", "table_training"}
COMPILED = {"received_bundles"}
SWEEPS = {"offload_errors", "offload_networks", "random_graphs", "random_networks", "softmax"}
SWEEPS |= {"verilator"}


def files(room: str, without: set[str]) -> list[Path]:
    return [
        file
        for file in sorted((TESTS / room).glob("test_*.py"))
        if file.stem.removeprefix("test_") not in without
    ]


@pytest.mark.parametrize(
    ("room", "without"),
    [
        ("models", TRAINING),
        ("overlays", COMPILED),
        ("runtime", SWEEPS),
    ],
    ids=["models", "overlays", "runtime"],
)
def test_a_room_passes_its_tests_on_the_python_of_a_board(room, without, board):
    environment = board("pynq-3.0.1", "python-3.10-tests")
    # The rooms themselves, as `pip install -e` would put them there.
    packages = environment.site / "bitfold"
    packages.mkdir()
    for name in ROOMS:
        (packages / name).symlink_to(REPOSITORY / name)
    versions = "import sys, numpy; print(*sys.version_info[:2], numpy.__version__)"
    assert environment.run("-c", versions, cwd=TESTS).stdout == "3 10 1.21.5\n"

    chosen = files(room, without)
    assert len(chosen) >= 5
    ran = environment.run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *chosen),
        cwd=REPOSITORY,
    )
    closing = ran.stdout.splitlines()[-1] if ran.stdout else ran.stderr
    assert ran.returncode == 0, f"{closing}\n{ran.stdout[-10_000:]}"
    passed = re.search(r"(\d+) passed", closing)
    assert int(passed[1]) >= 50, closing
