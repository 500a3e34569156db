from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.api import Api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One API for all requests of a module that must change nothing."""
    made = Api(tmp_path_factory.mktemp("untouched"))
    yield made
    made.close()
