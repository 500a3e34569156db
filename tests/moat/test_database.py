"""Transactions keep all or nothing, and times and money come back as they went in."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text

from moat.corpora import create_corpus
from moat.database import Database
from moat.errors import StorageFull, Unavailable
from moat.pipeline_settings import PipelineSettings
from moat.tables import CallRow, Corpus, CorpusAccess, Generation, Widget, utc_now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    made.migrate()
    yield made
    made.close()


def widget(name: str = "w") -> Widget:
    return Widget(id=str(uuid4()), name=name, origins=[], corpora=None, groups=[])


def count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Widget)) or 0


def test_migration_brings_an_empty_file_to_this_version_and_is_safe_to_repeat(database: Database) -> None:
    database.migrate()
    present, wanted = database.revision()
    assert present == wanted is not None


def test_transaction_that_fails_keeps_nothing(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as session:
            session.add(widget())
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count(database) == 0


def test_reading_writes_nothing(database: Database) -> None:
    with database.reading() as session:
        session.add(widget())
        session.flush()
    assert count(database) == 0


def test_writers_wait_for_each_other_and_readers_for_nobody(database: Database) -> None:
    def write(_: int) -> None:
        with database.transaction() as session:
            seen = session.scalar(select(func.count()).select_from(Widget))
            session.add(widget(str(seen)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    with database.reading() as session:
        names = set(session.scalars(select(Widget.name)))
    assert names == {str(n) for n in range(40)}, "each writer saw what the ones before it had written"
    writing, read = threading.Event(), threading.Event()

    def hold() -> None:
        with database.transaction() as session:
            session.add(widget())
            session.flush()
            writing.set()
            assert read.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert writing.wait(10)
    assert count(database) == 40
    read.set()
    thread.join()
    assert count(database) == 41


def test_files_are_written_for_durability_and_deletion_erases(database: Database) -> None:
    with database.reading() as session:
        pragmas = {
            name: session.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def test_times_come_back_aware_in_utc(database: Database) -> None:
    local = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    row = widget()
    row.created_at = local
    with database.transaction() as session:
        session.add(row)
    with database.reading() as session:
        found = session.get_one(Widget, row.id).created_at
    assert found == local
    assert found.tzinfo is UTC


@pytest.mark.parametrize("amount", ["0", "0.000000000001", "0.00342", "123456.789012345678", "-1.5"])
def test_money_is_exact_and_adds_up_in_sql(database: Database, amount: str) -> None:
    def call() -> CallRow:
        return CallRow(
            user="a", corpora=[], kind="answer", provider="p", model="m", attempt=1, status="ok",
            ceiling_usd=Decimal(amount), cost_usd=Decimal(amount), expires_at=utc_now(),
        )  # fmt: skip

    with database.transaction() as session:
        session.add_all([call(), call(), call()])
    with database.reading() as session:
        assert session.scalars(select(CallRow.cost_usd)).first() == Decimal(amount)
        assert session.scalar(select(func.sum(CallRow.cost_usd))) == 3 * Decimal(amount)


def test_rows_go_with_their_corpus(database: Database) -> None:
    with database.transaction() as session:
        corpus = create_corpus(session, "a", ["hr"], PipelineSettings())
    with database.transaction() as session:
        session.delete(session.get_one(Corpus, corpus.id))
    with database.reading() as session:
        assert session.scalars(select(CorpusAccess)).all() == session.scalars(select(Generation)).all() == []


def test_catalog_that_is_away_is_said_as_such(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'nowhere' / 'catalog.db'}")
    with pytest.raises(Unavailable, match="does not answer"), database.reading() as session:
        session.execute(text("SELECT 1"))


def test_catalog_on_a_full_disk_is_said_as_such(database: Database) -> None:
    def write() -> None:
        with database.transaction() as session:
            pages = session.execute(text("PRAGMA page_count")).scalar()
            session.execute(text(f"PRAGMA max_page_count = {pages}"))
            session.add_all([widget("x" * 3000) for _ in range(20)])

    with pytest.raises(StorageFull):
        write()
    assert count(database) == 0


def test_catalog_whose_connections_are_all_in_use_is_said_as_such(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}", pool_size=1)
    database.engine.pool._timeout = 0.01  # type: ignore[attr-defined]

    def ask() -> None:
        with database.reading() as session:
            session.execute(text("SELECT 1"))

    with ExitStack() as held:
        for _ in range(41):
            held.enter_context(database.reading()).execute(text("SELECT 1"))
        with pytest.raises(Unavailable, match="in use"):
            ask()
    ask()


def test_only_what_is_hasty_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}", pool_size=1)
    for hasty, level in ((False, 2), (True, 1), (False, 2)):
        with database.transaction(hasty=hasty) as session:
            assert session.scalar(text("PRAGMA synchronous")) == level
    database.close()


def test_who_waits_for_the_only_writer_goes_on_when_it_ends_and_is_told_when_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    monkeypatch.setattr("moat.database.BUSY_TIMEOUT_S", 0.1)
    with ThreadPoolExecutor(1) as pool, database.transaction(), pytest.raises(Unavailable, match="busy"):
        pool.submit(_write_nothing, database).result()
    _write_nothing(database)
    database.close()


def _write_nothing(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("SELECT 1"))
