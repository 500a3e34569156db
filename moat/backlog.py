"""How much work waits: whether more is taken in, and when it will be done."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from moat.access import Rule
from moat.errors import Overloaded
from moat.jobs import BULK, INGEST
from moat.records import WORKING_STATES, DocumentState
from moat.tables import Document, Generation, Indexing

LATELY = timedelta(minutes=5)
_WAITING = (DocumentState.QUEUED, *sorted(WORKING_STATES))


def check_backlog(session: Session, most: int) -> None:
    """Raise Overloaded when more uploaded documents wait than the setting allows."""
    waiting = select(Indexing.queue).where(Indexing.state == DocumentState.QUEUED, Indexing.queue.in_((INGEST, BULK)))
    count = session.scalar(select(func.count()).select_from(waiting.limit(most + 1).subquery())) or 0
    if count > most:
        raise Overloaded(f"More than {most:,} documents wait to be indexed.")


def seconds_left(session: Session, readable: Rule, corpus_id: UUID, now: datetime) -> int | None:
    """Estimate when a corpus's waiting documents are done; None while nothing was finished lately.

    Corpora take turns, so this one is done when it has had its turns, or when everything is. Only readable documents
    count, those ahead in the queue included: the figure would tell of the others otherwise.
    """
    rows = session.execute(
        select(Generation.corpus_id, func.count())
        .select_from(Indexing)
        .join(Generation, Generation.id == Indexing.generation_id)
        .where(Indexing.state.in_(_WAITING), Indexing.queue.in_((INGEST, BULK)), *_shown(readable))
        .group_by(Generation.corpus_id)
    ).all()
    waiting = {row[0]: row[1] for row in rows}
    if not waiting.get(corpus_id):
        return 0
    finished, first = session.execute(
        select(func.count(), func.min(Indexing.finished_at)).where(
            Indexing.finished_at > now - LATELY, *_shown(readable)
        )
    ).one()
    if first is None:
        return None
    pace = finished / max(1.0, (now - first).total_seconds())
    return round(min(waiting[corpus_id] * len(waiting), sum(waiting.values())) / pace)


def _shown(readable: Rule) -> tuple[ColumnElement[bool], ...]:
    """Admins' figures need no look at the documents: an index has them all."""
    if readable.is_everything:
        return ()
    return (exists().where(Document.id == Indexing.document_id, readable.documents()),)
