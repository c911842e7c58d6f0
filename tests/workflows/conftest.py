"""A search, and the race of its finalists, trained once for all tests of this room."""

import shutil
from pathlib import Path

import pytest

from budgetnas.files import cache_folder
from tests.workflows import races


@pytest.fixture(scope="session")
def _made(_measured: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the search alone in `searched`, and with its race in `raced`."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        shutil.copytree(_measured, cache_folder())
        patched.chdir(folder)
        races.search()
        shutil.copytree("studies", "searched")
        races.race()
        shutil.move("studies", "raced")
    return folder


@pytest.fixture
def searched(_made: Path, _clean_folder: None) -> str:
    """A search of four trials."""
    shutil.copytree(_made / "searched", "studies")
    return races.NAME


@pytest.fixture
def raced(_made: Path, _clean_folder: None) -> str:
    """A search of four trials, whose finalists have a winner."""
    shutil.copytree(_made / "raced", "studies")
    return races.NAME
