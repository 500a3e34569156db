"""Task names, and their way from the outbox to the broker."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from celery import Celery
from kombu.exceptions import KombuError, OperationalError
from sqlalchemy import Select, delete, or_, select, update
from sqlalchemy.orm import Session

from moat.database import Database, catalog_now
from moat.errors import Unavailable
from moat.settings import Settings
from moat.tables import Generation, Indexing, Outbox

log = logging.getLogger(__name__)

INGEST_DOCUMENT = "moat.ingest_document"
TIDY_DOCUMENT = "moat.tidy_document"
FORGET_DOCUMENT = "moat.forget_document"
ADVANCE_REINDEX = "moat.advance_reindex"
SWEEP = "moat.sweep"

INGEST, BULK, REINDEX, UPKEEP = QUEUES = ("ingest", "bulk", "reindex", "upkeep")
DOCUMENT_QUEUES = frozenset({INGEST, BULK, REINDEX})
_BATCH = 200
_TAKEN_FOR = timedelta(seconds=30)


def enqueue(session: Session, task: str, argument: UUID, *, queue: str, delay: timedelta = timedelta(0)) -> None:
    """Ask for a task in the same commit that makes it necessary."""
    due = catalog_now(session) + delay
    session.add(Outbox(id=uuid4(), task=task, queue=queue, arguments=[str(argument)], available_at=due))


def enqueue_indexing(session: Session, row: Indexing, delay: timedelta = timedelta(0)) -> None:
    """Ask for an indexing; its corpus takes turns with the others."""
    corpus = select(Generation.corpus_id).where(Generation.id == row.generation_id)
    session.add(
        Outbox(
            id=uuid4(),
            task=INGEST_DOCUMENT,
            queue=row.queue,
            corpus_id=session.scalar(corpus),
            arguments=[str(row.id)],
            available_at=catalog_now(session) + delay,
        )
    )


def celery_app(settings: Settings) -> Celery:
    """Make the Celery application that API and workers share."""
    app = Celery("moat", broker=settings.broker.url)
    app.conf.update(
        task_acks_late=True,
        # A task whose worker was killed comes back through the catalog's leases, not through the broker.
        task_reject_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_default_queue=INGEST,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=5,
        broker_transport_options={
            "visibility_timeout": settings.broker.visibility_timeout_s,
            # A publisher does not wait for a broker that is away: the outbox keeps the task.
            "max_retries": 0,
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            # Redis asks the queues in the order the worker names them; by default they would take turns.
            "queue_order_strategy": "priority",
        },
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        timezone="UTC",
    )
    return app


class Publisher:
    """Moves due tasks from the outbox to the broker; a crash on the way sends one twice, never not at all."""

    def __init__(self, database: Database, app: Celery, window: int = 32) -> None:
        self._database = database
        self._app = app
        self._window = window

    def publish_due(self) -> int:
        """Publish what is due: all of upkeep, and of documents what the window has room for.

        Raises Unavailable when the broker does not answer.
        """
        total = 0
        while batch := self._take():
            total += self._send(batch)
            if len(batch) < _BATCH:
                break
        return total + self._fill()

    def refill(self) -> int:
        """Publish documents once a window is half empty; called when one is done."""
        return self._fill(at_least=self._window // 2)

    def _fill(self, at_least: int = 1) -> int:
        """Fill the queues' windows from the outbox, the corpora in turn: a bulk load holds nobody up."""
        sent = 0
        for queue in self._due_queues():
            room = self._window - self.waiting(queue)
            if room >= at_least:
                sent += self._send(self._take_turns(queue, room))
        return sent

    def _due_queues(self) -> list[str]:
        """Name the queues that a document is due in, most urgent first."""
        with self._database.reading() as session:
            now = catalog_now(session)
            due = [_due(queue, now).with_only_columns(Outbox.id).limit(1).exists() for queue in (INGEST, BULK, REINDEX)]
            found = session.execute(select(*due)).one()
        return [queue for queue, any_ in zip((INGEST, BULK, REINDEX), found, strict=True) if any_]

    def waiting(self, queue: str) -> int:
        """Count the messages that wait in a queue of the broker."""
        return waiting(self._app, queue)

    def _take(self) -> Sequence[Outbox]:
        with self._database.transaction() as session:
            now = catalog_now(session)
            due = session.scalars(
                _due(UPKEEP, now).order_by(Outbox.available_at).limit(_BATCH).with_for_update(skip_locked=True)
            ).all()
            for row in due:
                row.taken_until = now + _TAKEN_FOR
        return due

    def _take_turns(self, queue: str, room: int) -> Sequence[Outbox]:
        with self._database.transaction() as session:
            now = catalog_now(session)
            # A corpus at a time along the index: ranking all that waits would cost more the more there is.
            corpora = _corpora_in(queue, session)
            each = 1 if len(corpora) > room else room
            turns: list[tuple[int, datetime, Outbox]] = []
            for corpus in corpora:
                head = (
                    _due(queue, now)
                    .where(Outbox.corpus_id.is_not_distinct_from(corpus))
                    .order_by(Outbox.available_at)
                    .limit(each)
                )
                found = session.scalars(head.with_for_update(skip_locked=True))
                turns += [(turn, row.available_at, row) for turn, row in enumerate(found)]
            rows = [row for *_, row in sorted(turns, key=lambda place: place[:2])[:room]]
            for row in rows:
                row.taken_until = now + _TAKEN_FOR
        return rows

    def _send(self, batch: Sequence[Outbox]) -> int:
        sent: list[Outbox] = []
        try:
            for row in batch:
                self._app.send_task(row.task, args=row.arguments, queue=row.queue, task_id=str(row.id), retry=False)
                sent.append(row)
        except (OperationalError, KombuError, OSError) as error:
            raise Unavailable("The broker does not answer.", inside=error) from error
        finally:
            self._mark(sent, [row for row in batch if row not in sent])
        return len(sent)

    def _mark(self, sent: Sequence[Outbox], unsent: Sequence[Outbox]) -> None:
        indexings = [UUID(row.arguments[0]) for row in sent if row.task == INGEST_DOCUMENT]
        with self._database.transaction() as session:
            session.execute(delete(Outbox).where(Outbox.id.in_([row.id for row in sent])))
            session.execute(update(Outbox).where(Outbox.id.in_([row.id for row in unsent])).values(taken_until=None))
            published = update(Indexing).where(Indexing.id.in_(indexings))
            session.execute(published.values(published_at=catalog_now(session)))


def waiting(app: Celery, queue: str) -> int:
    """Count the messages that wait in a queue of the broker; raises Unavailable when it does not answer."""
    try:
        with app.pool.acquire(block=True) as connection:  # a new connection costs more than the question
            try:
                channel = connection.default_channel
                return int(channel.queue_declare(queue=queue, durable=True, passive=False).message_count)
            except (*connection.connection_errors, *connection.channel_errors) as error:  # the transport's own kinds
                raise Unavailable("The broker does not answer.", inside=error) from error
    except (OperationalError, KombuError, OSError) as error:
        raise Unavailable("The broker does not answer.", inside=error) from error


def _due(queue: str, now: datetime) -> Select[Outbox]:
    """Select a queue's due tasks that nobody is sending."""
    return select(Outbox).where(
        Outbox.queue == queue,
        Outbox.available_at <= now,
        or_(Outbox.taken_until.is_(None), Outbox.taken_until < now),
    )


def _corpora_in(queue: str, session: Session) -> list[UUID | None]:
    """Name the corpora that wait in a queue, by one look into the index for each; None are those of an older Moat."""
    corpora: list[UUID | None] = []
    every = select(Outbox.corpus_id).where(Outbox.queue == queue, Outbox.corpus_id.is_not(None))
    following = every.order_by(Outbox.corpus_id).limit(1)
    while corpus := session.scalar(following.where(Outbox.corpus_id > corpora[-1]) if corpora else following):
        corpora.append(corpus)
    return [None, *corpora]
