"""What API and workers both do to documents: ask for an indexing in every live generation, and for their end."""

from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from moat.errors import Conflict
from moat.jobs import FORGET_DOCUMENT, INGEST, INGEST_DOCUMENT, REINDEX, TIDY_DOCUMENT, UPKEEP, enqueue
from moat.records import WORKING_STATES, DocumentState
from moat.tables import Corpus, Document, Forgetting, Generation, Indexing, Version, utc_now

LIVE_GENERATIONS = ("building", "serving", "retired")
_AFTER_LEASE = timedelta(seconds=5)


def live_generations(session: Session, corpus_id: UUID) -> list[Generation]:
    """List the generations that every change must reach until they are dropped."""
    return list(
        session.scalars(
            select(Generation).where(Generation.corpus_id == corpus_id, Generation.state.in_(LIVE_GENERATIONS))
        )
    )


def ask_indexing(session: Session, document: Document, version: int, generation: Generation) -> Indexing:
    """Queue one version of a document for one generation."""
    queue = INGEST if generation.state == "serving" else REINDEX
    row = Indexing(
        id=uuid4(),
        generation_id=generation.id,
        document_id=document.id,
        version=version,
        queue=queue,
        state=DocumentState.QUEUED,
    )
    session.add(row)
    enqueue(session, INGEST_DOCUMENT, row.id, queue=queue)
    return row


def start_forgetting(session: Session, document: Document) -> None:
    """Hide a document at once and queue the removal of all that is held of it."""
    rows = session.scalars(select(Indexing).where(Indexing.document_id == document.id)).all()
    collections = [g.collection for g in live_generations(session, document.corpus_id)]
    leases = [row.lease_until for row in rows if row.state in WORKING_STATES and row.lease_until is not None]
    not_before = max([utc_now(), *(lease + _AFTER_LEASE for lease in leases)])
    session.execute(
        update(Indexing)
        .where(Indexing.document_id == document.id)
        .values(fence=Indexing.fence + 1, state=DocumentState.CANCELLED, lease_until=None)
        .execution_options(synchronize_session=False)
    )
    document.state = DocumentState.DELETING
    document.updated_at = utc_now()
    session.add(
        Forgetting(
            document_id=document.id,
            collections=collections,
            texts=[row.id.hex for row in rows],
            originals=list(
                session.scalars(select(Version.sha256).where(Version.document_id == document.id).distinct())
            ),
            not_before=not_before,
        )
    )
    enqueue(session, FORGET_DOCUMENT, document.id, queue=UPKEEP)


def mark_untidy(session: Session, document_id: UUID) -> None:
    """Have a document's points brought in line with the catalog; the mark outlives a lost task."""
    session.execute(
        update(Document)
        .where(Document.id == document_id)
        .values(untidy_since=utc_now())
        .execution_options(synchronize_session=False)
    )
    enqueue(session, TIDY_DOCUMENT, document_id, queue=UPKEEP)


def is_referenced(session: Session, sha256: str) -> bool:
    """Tell whether any version still needs this original."""
    count = session.scalar(select(func.count()).select_from(Version).where(Version.sha256 == sha256))
    return bool(count)


def retry(session: Session, document: Document) -> None:
    """Queue again every indexing of the newest version that gave up."""
    rows = session.scalars(
        select(Indexing).where(
            Indexing.document_id == document.id,
            Indexing.version == document.version,
            Indexing.state.in_((DocumentState.FAILED, DocumentState.QUARANTINED, DocumentState.CANCELLED)),
        )
    ).all()
    if not rows:
        raise Conflict(f"The document is {document.state}; there is nothing to retry.", "Retry what failed.")
    for row in rows:
        row.failures = row.attempts = 0
        row.error = row.hint = None
        row.state = DocumentState.QUEUED
        row.available_at = utc_now()
        row.published_at = None
        enqueue(session, INGEST_DOCUMENT, row.id, queue=row.queue)
    serving = session.get_one(Corpus, document.corpus_id).serving_generation
    if any(row.generation_id == serving for row in rows):  # another generation's failure does not show
        document.state = DocumentState.QUEUED
        document.updated_at = utc_now()
