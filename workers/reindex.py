"""Bring a new generation up beside the serving one, and let it take over when it is complete."""

import logging
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moat.documents import ask_indexing
from moat.generations import chunk_ids, progress, take_over
from moat.records import DocumentState
from moat.tables import ChunkRow, Corpus, Document, Generation, Indexing, Job, Version, utc_now
from workers.claims import requeue
from workers.parts import Parts

log = logging.getLogger(__name__)

QUEUE_AT_ONCE = 500
MEND_AT_ONCE = 5_000


def advance_reindex(job_id: UUID, parts: Parts) -> None:
    """Queue what is missing, or take over when nothing is; safe to run twice and at any moment."""
    with parts.database.reading() as session:
        job = session.get(Job, job_id)
    if job is None or job.state != "running" or job.generation_id is None:
        return
    while _queue_missing(job.generation_id, parts):
        pass
    parts.publisher.publish_due()
    _finish_when_complete(job_id, job.generation_id, parts)


def _queue_missing(generation_id: UUID, parts: Parts) -> bool:
    """Queue versions that this generation must have and does not know yet; True when there may be more.

    A document whose newest version failed answers from an older one: that one must come along.
    """
    with parts.database.transaction() as session:
        generation = session.get_one(Generation, generation_id, with_for_update=True)  # two at once would queue twice
        if generation.state != "building":
            return False  # cancelled meanwhile
        known = select(Indexing.id).where(
            Indexing.document_id == Version.document_id,
            Indexing.generation_id == generation_id,
            Indexing.version == Version.number,
        )
        missing = session.execute(
            select(Document, Version.number)
            .join(Version, Version.document_id == Document.id)
            .where(Version.number.in_((Document.version, Document.serving_version)), ~known.exists())
            .where(Document.corpus_id == generation.corpus_id, Document.state != DocumentState.DELETING)
            .order_by(Document.created_at)
            .limit(QUEUE_AT_ONCE)
        ).all()
        for document, version in missing:
            ask_indexing(session, document, version, generation)
    return len(missing) == QUEUE_AT_ONCE


def _finish_when_complete(job_id: UUID, generation_id: UUID, parts: Parts) -> None:
    with parts.database.reading() as session:
        generation = session.get_one(Generation, generation_id)
        state = progress(session, generation)
        expected = chunk_ids(session, generation_id)
    if state.done < state.documents:
        return
    if state.lost:
        _end(job_id, "failed", f"{state.lost} documents that answer today could not be indexed.", parts)
        return
    if generation.dimension is not None and not _same_points(generation, expected, parts):
        return
    if _take_over(job_id, generation_id, parts):
        with parts.database.reading() as session:
            corpus = session.get_one(Corpus, generation.corpus_id)
        if generation.dimension is not None:
            parts.vectors.point_alias(alias(corpus), generation.collection)
        log.info("a generation took over", extra={"job": job_id, "documents": state.ready})


def _same_points(generation: Generation, expected: set[UUID], parts: Parts) -> bool:
    """Compare the points with the catalog; what differs is mended, and looked at again at the next sweep."""
    present = set(parts.vectors.ids(generation.collection))
    surplus, missing = present - expected, expected - present
    if not surplus and not missing:
        return True
    log.warning(
        "a generation's points differ from the catalog's and are mended",
        extra={"generation": generation.id, "surplus": len(surplus), "missing": len(missing)},
    )
    if surplus:
        parts.vectors.delete_points(generation.collection, sorted(surplus)[:MEND_AT_ONCE])
    with parts.database.transaction() as session:
        documents = select(ChunkRow.document_id).where(ChunkRow.id.in_(sorted(missing)[:MEND_AT_ONCE])).distinct()
        rows = session.scalars(
            select(Indexing).where(
                Indexing.generation_id == generation.id,
                Indexing.document_id.in_(documents),
                Indexing.state == DocumentState.READY,
            )
        )
        for row in rows.all():
            requeue(session, row)
    parts.publisher.publish_due()
    return False


def _take_over(job_id: UUID, generation_id: UUID, parts: Parts) -> bool:
    """Flip under the corpus's lock, unless something new came in since it was looked at."""
    with parts.database.transaction() as session:
        job = session.get_one(Job, job_id, with_for_update=True)
        generation = session.get_one(Generation, generation_id)
        corpus = session.get_one(Corpus, generation.corpus_id, with_for_update=True)
        state = progress(session, generation)
        if job.state != "running" or state.done < state.documents or state.lost:
            return False
        take_over(session, corpus, generation)
        job.state, job.finished_at = "done", utc_now()
        job.detail = f"{state.ready} documents, {_chunks(session, generation_id)} chunks"
    return True


def _chunks(session: Session, generation_id: UUID) -> int:
    return len(session.scalars(select(ChunkRow.id).where(ChunkRow.generation_id == generation_id)).all())


def _end(job_id: UUID, state: str, detail: str, parts: Parts) -> None:
    hint = "The generation before it goes on serving. See the failed documents, then reindex again."
    with parts.database.transaction() as session:
        job = session.get_one(Job, job_id, with_for_update=True)
        if job.state != "running":
            return  # cancelled meanwhile
        job.state, job.detail, job.hint, job.finished_at = state, detail, hint, utc_now()
        if job.generation_id is not None:
            abandon(session, job.generation_id)


def abandon(session: Session, generation_id: UUID) -> None:
    """Give up a generation that never served; the sweeper drops its collection."""
    generation = session.get_one(Generation, generation_id)
    generation.state = "abandoned"


def alias(corpus: Corpus) -> str:
    """Name the alias that mirrors a corpus's serving generation."""
    return f"moat_corpus_{corpus.id.hex}"
