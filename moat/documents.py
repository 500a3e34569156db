"""What API and workers both do to documents: ask for an indexing in every live generation, and for their end."""

from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from moat import audit
from moat.blobs import shared_text_name, text_name
from moat.children import children, inherit_access
from moat.database import catalog_now
from moat.erasures import Reason, report_erasure
from moat.errors import Conflict
from moat.jobs import FORGET_DOCUMENT, INGEST, REINDEX, TIDY_DOCUMENT, UPKEEP, enqueue, enqueue_indexing
from moat.records import TERMINAL_STATES, WORKING_STATES, DocumentState, Reader
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


def ask_indexing(
    session: Session, document: Document, version: int, generation: Generation, queue: str = INGEST
) -> Indexing:
    """Queue one version of a document for one generation; only the serving one's is in a hurry."""
    row = Indexing(
        id=uuid4(),
        generation_id=generation.id,
        document_id=document.id,
        version=version,
        queue=queue if generation.state == "serving" else REINDEX,
        state=DocumentState.QUEUED,
        available_at=catalog_now(session),
    )
    session.add(row)
    enqueue_indexing(session, row)
    return row


def text_of(indexing: Indexing) -> str:
    """Name the blob of the canonical text that an indexing's spans count in."""
    return shared_text_name(indexing.text) if indexing.text else text_name(indexing.id)


def start_forgetting(
    session: Session,
    document: Document,
    reader: Reader | None = None,
    reason: Reason = "request",
    parent_id: UUID | None = None,
) -> UUID | None:
    """Hide a document and its children at once and queue the removal of all that is held of them.

    Gives the id of the erasure that will report it; None for a document that is being deleted already.
    """
    if document.state == DocumentState.DELETING:
        return None
    rows = session.scalars(select(Indexing).where(Indexing.document_id == document.id)).all()
    collections = [g.collection for g in live_generations(session, document.corpus_id)]
    leases = [row.lease_until for row in rows if row.state in WORKING_STATES and row.lease_until is not None]
    not_before = max([catalog_now(session), *(lease + _AFTER_LEASE for lease in leases)])
    session.execute(
        update(Indexing)
        .where(Indexing.document_id == document.id)
        .values(fence=Indexing.fence + 1, state=DocumentState.CANCELLED, lease_until=None)
        .execution_options(synchronize_session=False)
    )
    document.state = DocumentState.DELETING
    document.updated_at = utc_now()
    erasure = report_erasure(session, document, reader, reason, parent_id)
    session.add(
        Forgetting(
            document_id=document.id,
            erasure_id=erasure.id,
            collections=collections,
            texts=[row.text or row.id.hex for row in rows],
            originals=list(
                session.scalars(select(Version.sha256).where(Version.document_id == document.id).distinct())
            ),
            not_before=not_before,
        )
    )
    enqueue(session, FORGET_DOCUMENT, document.id, queue=UPKEEP)
    audit.note(session, reader, "document.deleted", document.id, corpus_id=document.corpus_id, reason=reason)
    for child in children(session, document.id):
        start_forgetting(session, child, reader, reason, erasure.id)
    return erasure.id


def mark_untidy(session: Session, document_id: UUID) -> None:
    """Have a document's points brought in line with the catalog; the mark outlives a lost task."""
    session.execute(
        update(Document)
        .where(Document.id == document_id)
        .values(untidy_since=catalog_now(session))
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
        row.available_at = catalog_now(session)
        row.published_at = None
        enqueue_indexing(session, row)
    serving = session.get_one(Corpus, document.corpus_id).serving_generation
    if any(row.generation_id == serving for row in rows):  # another generation's failure does not show
        document.state = DocumentState.QUEUED
        document.updated_at = utc_now()


def pass_on_access(session: Session, document_id: UUID) -> None:
    """Let a document's children be read by those who may read it, down to the last of them."""
    for changed in inherit_access(session, document_id):
        mark_untidy(session, changed)


def cancel(session: Session, document: Document, settles_after: timedelta) -> None:
    """Stop what is queued or in work of the newest version; an older one that serves goes on serving.

    `settles_after` is how long a worker that holds a claim may still write: its points are removed then.
    """
    rows = session.scalars(
        select(Indexing).where(
            Indexing.document_id == document.id,
            Indexing.version == document.version,
            Indexing.state.not_in(TERMINAL_STATES),
        )
    ).all()
    if document.state in TERMINAL_STATES or not rows:
        raise Conflict(f"The document is {document.state}; there is nothing to cancel.", "Delete it to be rid of it.")
    working = any(row.state in WORKING_STATES for row in rows)
    for row in rows:
        row.fence += 1
        row.state, row.finished_at = DocumentState.CANCELLED, utc_now()
        row.claimed_by = row.lease_until = None
        row.error, row.hint = "It was cancelled.", "Retry it to have it indexed after all."
    document.state, document.updated_at = DocumentState.CANCELLED, utc_now()
    mark_untidy(session, document.id)
    if working:
        enqueue(session, TIDY_DOCUMENT, document.id, queue=UPKEEP, delay=settles_after)
