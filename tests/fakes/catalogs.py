"""An empty catalog on SQLite, and one on either kind of database for what their SQL may do differently."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from moat.database import Database
from tests.fakes.postgres import postgres, postgres_url

__all__ = ["catalog", "database", "postgres", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give a catalog of either kind."""
    if request.param == "postgresql":
        yield from _migrated(request.getfixturevalue("postgres_url"))
    else:
        yield from _migrated(f"sqlite:///{tmp_path / 'catalog.db'}")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give a catalog on SQLite."""
    yield from _migrated(f"sqlite:///{tmp_path / 'catalog.db'}")


def _migrated(url: str) -> Iterator[Database]:
    made = Database(url)
    made.migrate()
    yield made
    made.close()
