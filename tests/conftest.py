"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def cache() -> Path:
    """Where built simulations stay from one run of the tests to the next."""
    return REPOSITORY / ".cache" / "tests"


@pytest.fixture(scope="session")
def cases() -> Path:
    """Inputs that bitfold's authors did not make; a checkout need not have them."""
    folder = REPOSITORY.parent / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("the folder of outside cases (../shared/cases) is not here")
    return folder
