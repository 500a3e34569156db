"""A key is taken once, whoever comes at the same time, and a process that died does not keep it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import update

from moat.database import Database
from moat.errors import Conflict, InvalidRequest
from moat.records import Reader
from moat.tables import Idempotency, utc_now
from services.idempotency import Once, Stored

ANN = Reader(uuid4(), "ann")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    made.migrate()
    yield made
    made.close()


def once(
    database: Database, body: str = "{}", *, reader: Reader = ANN, key: str | None = "k", route: str = "r"
) -> Once:
    return Once(database, reader, route, key, body, lasts_at_most=timedelta(seconds=60))


def test_first_request_goes_on_and_its_answer_is_repeated(database: Database) -> None:
    first = once(database)
    assert first.begin() is None
    with pytest.raises(Conflict, match="under way"):
        once(database).begin()
    first.keep(200, {"a": 1})
    assert once(database).begin() == Stored(200, {"a": 1})


def test_another_body_is_refused_and_another_reader_or_route_is_another_key(database: Database) -> None:
    once(database).begin()
    with pytest.raises(InvalidRequest, match="another body"):
        once(database, '{"b": 1}').begin()
    assert once(database, reader=Reader(uuid4(), "ann")).begin() is None
    assert once(database, reader=Reader(None, "widget:1")).begin() is None
    assert once(database, route="s").begin() is None


def test_failed_request_frees_its_key(database: Database) -> None:
    first = once(database)
    first.begin()
    first.forget()
    assert once(database, '{"b": 1}').begin() is None


def test_without_a_key_nothing_is_kept(database: Database) -> None:
    for _ in range(2):
        unkeyed = once(database, key=None)
        assert unkeyed.begin() is None
        unkeyed.keep(200, {})
    with database.reading() as session:
        assert session.query(Idempotency).count() == 0


def test_of_many_at_once_one_goes_on(database: Database) -> None:
    def begin(_: int) -> bool:
        try:
            return once(database).begin() is None
        except Conflict:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(begin, range(16))) == [False] * 15 + [True]


def test_key_of_a_process_that_died_can_be_taken_again(database: Database) -> None:
    once(database).begin()
    with database.transaction() as session:
        session.execute(update(Idempotency).values(created_at=utc_now() - timedelta(seconds=61)))
    assert once(database).begin() is None
    with pytest.raises(Conflict):
        once(database).begin()


def test_reader_without_a_key_id_is_told_apart_by_name(database: Database) -> None:
    once(database, reader=Reader(None, "widget:1")).begin()
    assert once(database, "{1}", reader=Reader(None, "widget:2")).begin() is None
