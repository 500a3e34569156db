"""An empty catalog on SQLite, and one on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from moat.database import Database
from tests.fakes.postgres import postgres, postgres_url

__all__ = ["catalog", "postgres", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give a catalog of either kind."""
    on_sqlite = request.param == "sqlite"
    made = Database(f"sqlite:///{tmp_path / 'catalog.db'}" if on_sqlite else request.getfixturevalue("postgres_url"))
    made.migrate()
    yield made
    made.close()
