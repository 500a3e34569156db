"""A corpus's generations: the next one begins beside the serving one, and takes over when it is complete."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session, aliased

from moat.corpora import new_generation
from moat.errors import Conflict
from moat.pipeline_settings import PipelineSettings
from moat.records import TERMINAL_STATES, DocumentState
from moat.tables import ChunkRow, Corpus, Document, Generation, Indexing, Job, utc_now


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a generation is."""

    documents: int
    done: int
    ready: int
    lost: int  # documents that serve today and could not be indexed here


def start_reindex(session: Session, corpus: Corpus, pipeline: PipelineSettings, fingerprint: str, user: str) -> Job:
    """Begin a new generation; the documents are queued by the worker."""
    running = session.scalar(select(Job).where(Job.corpus_id == corpus.id, Job.state == "running"))
    if running is not None:
        raise Conflict(f"Reindex {running.id} of {corpus.name!r} is running.", "Wait for it, or cancel it first.")
    generation = new_generation(corpus.id, pipeline, fingerprint, state="building")
    session.add(generation)
    job = Job(
        id=uuid4(), kind="reindex", corpus_id=corpus.id, generation_id=generation.id, state="running", requested_by=user
    )
    session.add(job)
    return job


def progress(session: Session, generation: Generation) -> Progress:
    """Count a generation's documents at their newest version, and at the one that answers where that is older."""
    newest, answers = aliased(Indexing), aliased(Indexing)
    live = (
        select(newest.state.label("newest"), answers.state.label("answers"), Document.serving_version)
        .select_from(Document)
        .join(newest, _is(newest, generation, Document.version), isouter=True)
        .join(answers, _is(answers, generation, Document.serving_version), isouter=True)
        .where(Document.corpus_id == generation.corpus_id, Document.state != DocumentState.DELETING)
        .subquery()
    )
    count = func.count()
    unanswered = live.c.serving_version.is_(None)
    done = live.c.newest.in_(TERMINAL_STATES) & (unanswered | live.c.answers.in_(TERMINAL_STATES))
    ready = (live.c.newest == DocumentState.READY) | (~unanswered & (live.c.answers == DocumentState.READY))
    lost = ~unanswered & done & ~func.coalesce(ready, False)
    total, finished, good, missing = session.execute(
        select(count, count.filter(done), count.filter(ready), count.filter(lost)).select_from(live)
    ).one()
    return Progress(total, finished, good, missing)


def _is(indexing: type[Indexing], generation: Generation, version: Any) -> ColumnElement[bool]:
    return and_(
        indexing.document_id == Document.id,
        indexing.generation_id == generation.id,
        indexing.version == version,
    )


def take_over(session: Session, corpus: Corpus, generation: Generation) -> None:
    """Make a complete generation serve; the one before it stays, and is kept current, for rollback."""
    now = utc_now()
    session.execute(
        update(Generation)
        .where(Generation.corpus_id == corpus.id, Generation.state == "serving")
        .values(state="retired", retired_at=now)
    )
    generation.state, generation.retired_at = "serving", None
    corpus.serving_generation = generation.id
    corpus.pipeline = generation.pipeline
    ready = (
        select(func.max(Indexing.version))
        .where(
            Indexing.document_id == Document.id,
            Indexing.generation_id == generation.id,
            Indexing.state == DocumentState.READY,
        )
        .scalar_subquery()
    )
    newest = (
        select(Indexing.state)
        .where(
            Indexing.document_id == Document.id,
            Indexing.generation_id == generation.id,
            Indexing.version == Document.version,
        )
        .scalar_subquery()
    )
    session.execute(
        update(Document)
        .where(Document.corpus_id == corpus.id, Document.state != DocumentState.DELETING)
        .values(serving_version=ready, state=func.coalesce(newest, Document.state), updated_at=now)
        .execution_options(synchronize_session=False)
    )


def chunk_ids(session: Session, generation_id: UUID) -> set[UUID]:
    """List the points that a generation's collection must hold."""
    return set(session.scalars(select(ChunkRow.id).where(ChunkRow.generation_id == generation_id)))
