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
def home(tmp_path_factory, cache) -> Path:
    """A home for the commands, whose cache is that of the tests."""
    own = tmp_path_factory.mktemp("home")
    (own / ".cache").mkdir()
    cache.mkdir(parents=True, exist_ok=True)
    (own / ".cache" / "bitfold").symlink_to(cache)
    return own


@pytest.fixture(scope="session")
def cases() -> Path:
    """Inputs that bitfold's authors did not make; a checkout need not have them."""
    folder = REPOSITORY.parent / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("the folder of outside cases (../shared/cases) is not here")
    return folder
