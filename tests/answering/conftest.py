from collections.abc import Iterator
from pathlib import Path

import pytest

from moat.records import Reader
from tests.fakes.library import Library


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path)
    yield made
    made.close()


@pytest.fixture
def reader() -> Reader:
    return Reader(key_id=None, user="ann", scopes=frozenset({"read", "ask"}))
