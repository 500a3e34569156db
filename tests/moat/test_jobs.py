"""Tasks go from the outbox to the broker after the commit: twice at worst, never not at all."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from sqlalchemy import func, select

from moat.database import Database
from moat.errors import Unavailable
from moat.jobs import FORGET_DOCUMENT, INGEST, INGEST_DOCUMENT, UPKEEP, Publisher, celery_app, enqueue
from moat.settings import Settings
from moat.tables import Outbox, utc_now


class FakeCelery:
    """Remembers what was sent; `fails_after` messages the broker goes away."""

    def __init__(self, fails_after: int = 10**6) -> None:
        self.sent: list[tuple[str, list[str], str, str]] = []
        self.fails_after = fails_after

    def send_task(self, name: str, args: list[str], queue: str, task_id: str, retry: bool) -> None:
        if len(self.sent) >= self.fails_after:
            raise OperationalError("gone")
        self.sent.append((name, args, queue, task_id))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    made.migrate()
    yield made
    made.close()


def waiting(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Outbox)) or 0


def ask(database: Database, number: int, **options: Any) -> None:
    with database.transaction() as session:
        for _ in range(number):
            enqueue(session, FORGET_DOCUMENT, uuid4(), queue=UPKEEP, **options)


def test_task_of_a_commit_that_failed_is_never_sent(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as session:
            enqueue(session, INGEST_DOCUMENT, uuid4(), queue=INGEST)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    app = FakeCelery()
    assert Publisher(database, app).publish_due() == 0  # type: ignore[arg-type]
    assert app.sent == []


def test_due_tasks_are_sent_once_and_leave_the_outbox(database: Database) -> None:
    ask(database, 450)
    ask(database, 1, delay=timedelta(hours=1))
    app = FakeCelery()
    publisher = Publisher(database, app)  # type: ignore[arg-type]
    assert publisher.publish_due() == 450
    assert len({task_id for *_, task_id in app.sent}) == 450
    assert waiting(database) == 1, "what is due later waits"
    assert publisher.publish_due() == 0


def test_broker_that_goes_away_in_between_loses_nothing_and_doubles_nothing(database: Database) -> None:
    ask(database, 10)
    app = FakeCelery(fails_after=4)
    publisher = Publisher(database, app)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="broker does not answer"):
        publisher.publish_due()
    assert waiting(database) == 6
    app.fails_after = 100
    assert publisher.publish_due() == 6
    assert len({task_id for *_, task_id in app.sent}) == len(app.sent) == 10


def test_task_taken_by_a_publisher_that_died_is_sent_when_its_time_is_over(database: Database) -> None:
    ask(database, 1)
    app = FakeCelery()
    publisher = Publisher(database, app)  # type: ignore[arg-type]
    with database.transaction() as session:
        session.scalars(select(Outbox)).one().taken_until = utc_now() + timedelta(seconds=30)
    assert publisher.publish_due() == 0
    with database.transaction() as session:
        session.scalars(select(Outbox)).one().taken_until = utc_now() - timedelta(seconds=1)
    assert publisher.publish_due() == 1


def test_queue_is_counted_and_a_lost_broker_said_as_such(database: Database, tmp_path: Path) -> None:
    app: Celery = celery_app(Settings(home=tmp_path, broker={"url": "memory://"}))
    app.conf.task_default_queue = queue = f"q{uuid4().hex}"
    publisher = Publisher(database, app)
    assert publisher.waiting(queue) == 0
    app.send_task("a", queue=queue)
    assert publisher.waiting(queue) == 1
    away = Publisher(database, celery_app(Settings(home=tmp_path, broker={"url": "redis://127.0.0.1:1/0"})))
    with pytest.raises(Unavailable, match="broker does not answer"):
        away.waiting(INGEST)
