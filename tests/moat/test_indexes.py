"""What is asked for every document is answered by an index, so that it costs the same however many there are."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from moat.access import rule
from moat.backlog import check_backlog, seconds_left
from moat.database import Database
from moat.jobs import BULK, Publisher
from moat.lagging import lagging
from moat.records import Reader
from moat.tables import utc_now
from services.upload.accept import _find
from services.upload.views import state_counts
from workers.likeness import _nearest

READER = Reader(None, "ann", frozenset(), frozenset({"upload"}), None)
ADMIN = Reader(None, "root", frozenset(), frozenset({"admin"}), None)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    database.migrate()
    yield database
    database.close()


def plan(database: Database, act: Callable[[Session], object]) -> list[str]:
    """Say in SQLite's words how it would look up everything that `act` asks for."""
    asked: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.lstrip().startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    with database.reading() as session:
        act(session)
    event.remove(database.engine, "before_cursor_execute", note)
    assert asked
    with database.engine.connect() as connection:
        return [
            str(row.detail)
            for statement, parameters in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
        ]


@pytest.mark.parametrize("reader", [READER, ADMIN])
def test_the_document_of_a_key_is_looked_up(database: Database, reader: Reader) -> None:
    steps = plan(database, lambda session: _find(session, uuid4(), "a.md", reader))
    assert any("USING INDEX documents_by_key (corpus_id=? AND key=?)" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN documents") for step in steps), steps


def test_what_is_due_is_found_corpus_by_corpus(database: Database) -> None:
    publisher = Publisher(database, SimpleNamespace())  # type: ignore[arg-type]
    for act in (lambda _: publisher._due_queues(), lambda _: publisher._take_turns(BULK, 16)):
        steps = [step for step in plan(database, act) if step != "SCAN CONSTANT ROW"]
        assert any("outbox_by_turn" in step for step in steps), steps
        assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in steps), steps


def test_what_waits_is_counted_in_the_index_alone(database: Database) -> None:
    steps = plan(database, lambda session: check_backlog(session, 100))
    assert any("USING COVERING INDEX indexings_by_state" in step for step in steps), steps
    steps = plan(database, lambda session: seconds_left(session, rule(ADMIN), uuid4(), utc_now()))
    assert any("USING COVERING INDEX indexings_by_state" in step for step in steps), steps
    steps = plan(database, lambda session: state_counts(session, ADMIN, uuid4()))
    assert any("INDEX documents_by_state" in step for step in steps), steps


def test_pages_alike_are_found_by_their_bands(database: Database) -> None:
    document = SimpleNamespace(id=uuid4(), corpus_id=uuid4(), created_at=utc_now())
    steps = plan(database, lambda session: _nearest(session, document, 1, None, [1, 2, 3]))  # type: ignore[arg-type]
    assert any("(corpus_id=? AND band=?)" in step for step in steps), steps
    assert not any(step.startswith("SCAN") for step in steps), steps


def test_what_was_changed_and_not_tidied_is_found_without_a_look_at_the_corpus(database: Database) -> None:
    steps = plan(database, lambda session: lagging(session, rule(READER), [uuid4(), uuid4()]))
    assert any("INDEX ix_documents_untidy_since" in step for step in steps), steps
    assert any("INDEX documents_by_state" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
