"""Find what was lost: expired claims, messages the broker forgot, unfinished endings."""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import delete, or_, select, update

from moat.blobs import ABANDONED_AFTER, text_name
from moat.budget_alerts import tell
from moat.budgets import drop_session_budgets
from moat.database import catalog_now
from moat.errors import MoatError
from moat.fetch import Fetcher
from moat.jobs import INGEST_DOCUMENT, QUEUES, enqueue_indexing
from moat.ledger import expire_open, note_outcome
from moat.records import WORKING_STATES, DocumentState
from moat.reservations import drop_dead_waits
from moat.tables import (
    AnswerRow,
    CachedAnswer,
    ChunkRow,
    Corpus,
    Document,
    Forgetting,
    Generation,
    Idempotency,
    Indexing,
    Job,
    Outbox,
    UsedToken,
    WidgetSession,
    utc_now,
)
from workers.claims import requeue
from workers.erasures import finish_erasures
from workers.forget import forget_document
from workers.kept_vectors import unneeded_packs
from workers.moments import mend_moments
from workers.originals import drop_unmasked_of_corpus
from workers.parts import Parts
from workers.reindex import advance_reindex
from workers.retention import keep_no_longer
from workers.sources.run import follow_due
from workers.texts import drop_texts_of_generation
from workers.tidy import tidy_document

log = logging.getLogger(__name__)

AT_ONCE = 500
FORGOTTEN_AFTER = timedelta(seconds=15)
IDEMPOTENCY_KEPT = timedelta(hours=24)
SESSIONS_KEPT = timedelta(hours=24)  # their calls may still be settled
DEAD_WAITS_KEPT = timedelta(minutes=1)


def sweep(parts: Parts) -> None:
    """Run every duty once; one that fails is logged and does not hold up the others."""
    duties: tuple[Callable[[Parts], None], ...] = (
        mend_moments,
        _requeue_expired,
        _republish_forgotten,
        _publish,
        _advance_jobs,
        _finish_forgetting,
        finish_erasures,
        _tidy_marked,
        _drop_generations,
        _finish_deleted_corpora,
        _close_calls,
        _tell_of_budgets,
        _close_answers,
        _purge,
        keep_no_longer,
        _follow_sources,
    )
    for duty in duties:
        try:
            duty(parts)
        except MoatError as error:
            log.warning("sweep: %s: %s", duty.__name__.strip("_"), error.detail)


def _requeue_expired(parts: Parts) -> None:
    with parts.database.transaction() as session:
        rows = session.scalars(
            select(Indexing)
            .join(Document, Document.id == Indexing.document_id)
            .where(Indexing.state.in_(WORKING_STATES), Indexing.lease_until < catalog_now(session))
            .limit(AT_ONCE)
            # The documents too: one that is being deleted is left alone, rather than waited for with its indexing held.
            .with_for_update(of=[Document, Indexing], skip_locked=True)
        ).all()
        for row in rows:
            requeue(session, row)
    if rows:
        log.warning("sweep: %d claims had expired", len(rows))


def _republish_forgotten(parts: Parts) -> None:
    """Send again what waits in the catalog while the broker's queue is empty: the broker lost it."""
    for queue in QUEUES:
        if parts.publisher.waiting(queue) == 0:
            _republish(queue, parts)


def _republish(queue: str, parts: Parts) -> None:
    with parts.database.transaction() as session:
        now = catalog_now(session)
        # What is due only: one document that waits for its next try must not hold up all that were forgotten.
        pending = select(Outbox.id).where(
            Outbox.task == INGEST_DOCUMENT, Outbox.queue == queue, Outbox.available_at <= now
        )
        lost = Indexing.published_at < now - FORGOTTEN_AFTER
        if session.scalar(pending.limit(1)) is None:  # otherwise what was never published still has its turn
            lost = or_(lost, Indexing.published_at.is_(None))
        rows = session.scalars(
            select(Indexing)
            .where(Indexing.state == DocumentState.QUEUED, Indexing.queue == queue, Indexing.available_at <= now)
            .where(lost)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)  # another sweeper may send the same ones
        ).all()
        for row in rows:
            row.published_at = None
            enqueue_indexing(session, row)
    if rows:
        log.warning("sweep: the broker had forgotten %d tasks", len(rows))


def _publish(parts: Parts) -> None:
    parts.publisher.publish_due()


def _advance_jobs(parts: Parts) -> None:
    with parts.database.reading() as session:
        running = session.scalars(select(Job.id).where(Job.state == "running")).all()
    for job_id in running:
        advance_reindex(job_id, parts)


def _finish_forgetting(parts: Parts) -> None:
    with parts.database.reading() as session:
        due = session.scalars(
            select(Forgetting.document_id).where(Forgetting.not_before <= catalog_now(session)).limit(AT_ONCE)
        ).all()
    for document_id in due:
        forget_document(document_id, parts)


def _tidy_marked(parts: Parts) -> None:
    with parts.database.reading() as session:
        marked = session.scalars(
            select(Document.id).where(Document.untidy_since < catalog_now(session) - FORGOTTEN_AFTER).limit(AT_ONCE)
        ).all()
    for document_id in marked:
        tidy_document(document_id, parts)


def _drop_generations(parts: Parts) -> None:
    """Drop abandoned generations, and retired ones whose time for rollback is over."""
    cutoff = utc_now() - timedelta(seconds=parts.settings.reindex.grace_s)
    with parts.database.reading() as session:
        old = session.scalars(
            select(Generation).where(
                or_(
                    Generation.state == "abandoned",
                    # a writer that lost its claim a moment too late may have made the collection again
                    (Generation.state == "dropped") & Generation.collection.in_(parts.vectors.collections()),
                    (Generation.state == "retired") & (Generation.retired_at < cutoff),
                )
            )
        ).all()
    for generation in old:
        _drop(generation.id, generation.collection, generation.corpus_id, parts)


def _drop(generation_id: UUID, collection: str, corpus_id: UUID, parts: Parts) -> None:
    # Fences first: a writer that still holds a claim must find it lost before its collection is gone.
    # The rows that name what is stored go last, so that a crash or a store that is away leaves nothing unnamed.
    with parts.database.transaction() as session:
        session.execute(update(Generation).where(Generation.id == generation_id).values(state="abandoned"))
        made = [
            text_name(indexing)
            for indexing in session.scalars(
                select(Indexing.id).where(Indexing.generation_id == generation_id, Indexing.text.is_(None))
            )
        ]
        made += unneeded_packs(session, session.get_one(Generation, generation_id))
        session.execute(
            update(Indexing)
            .where(Indexing.generation_id == generation_id)
            .values(fence=Indexing.fence + 1, state=DocumentState.CANCELLED, lease_until=None)
        )
    parts.vectors.drop(collection)
    for name in made:
        parts.blobs.delete(name)
    drop_texts_of_generation(generation_id, parts)
    drop_unmasked_of_corpus(corpus_id, parts)
    with parts.database.transaction() as session:
        session.execute(update(Generation).where(Generation.id == generation_id).values(state="dropped"))
        session.execute(delete(ChunkRow).where(ChunkRow.generation_id == generation_id))
        session.execute(delete(Indexing).where(Indexing.generation_id == generation_id))


def _finish_deleted_corpora(parts: Parts) -> None:
    """Remove the rows of deleted corpora once their documents and collections are gone."""
    left = select(Document.id).where(Document.corpus_id == Corpus.id).exists()
    undropped = select(Generation.id).where(Generation.corpus_id == Corpus.id, Generation.state != "dropped").exists()
    with parts.database.transaction() as session:
        session.execute(
            delete(Corpus)
            .where(Corpus.deleted_at.is_not(None), ~left, ~undropped)
            .execution_options(synchronize_session=False)
        )


def _close_calls(parts: Parts) -> None:
    expire_open(parts.database)


def _tell_of_budgets(parts: Parts) -> None:
    webhook = parts.settings.budgets.webhook.get_secret_value()
    tell(parts.database, webhook, Fetcher(parts.settings.fetch))


def _close_answers(parts: Parts) -> None:
    """Say of answers that were being made when their process died that they failed."""
    answering = parts.settings.answering
    longest = timedelta(seconds=answering.deadline_s + answering.drain_s) + FORGOTTEN_AFTER
    with parts.database.transaction() as session:
        broken = session.scalars(
            update(AnswerRow)
            .where(AnswerRow.status == "open", AnswerRow.created_at < utc_now() - longest)
            .values(status="failed")
            .returning(AnswerRow.id)
        )
        for answer_id in broken.all():
            note_outcome(session, answer_id, "failed")


def _purge(parts: Parts) -> None:
    now = utc_now()
    parts.blobs.clear_staging(ABANDONED_AFTER)
    with parts.database.transaction() as session:
        session.execute(delete(Idempotency).where(Idempotency.created_at < now - IDEMPOTENCY_KEPT))
        session.execute(delete(CachedAnswer).where(CachedAnswer.expires_at < now))
        session.execute(delete(WidgetSession).where(WidgetSession.expires_at < now))
        session.execute(delete(UsedToken).where(UsedToken.expires_at < now))
        drop_session_budgets(session, now - timedelta(seconds=parts.settings.widget.session_s) - SESSIONS_KEPT)
        drop_dead_waits(session, now - DEAD_WAITS_KEPT)


def _follow_sources(parts: Parts) -> None:
    if parts.settings.sources:
        parts.follower.begin(partial(follow_due, parts))
