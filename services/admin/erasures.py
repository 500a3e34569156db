"""Routes of erasures and of how long a corpus keeps documents."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from moat import audit
from moat.access import find_corpus, require
from moat.errors import NotFound
from moat.records import Reader
from moat.retention import too_old
from moat.tables import Erasure
from services.admin.erasure_schemas import ErasurePage, ErasureShape, RetentionBody, RetentionShape
from services.dependencies import Admin, PartsOf, ReaderOf
from services.schemas import decode_cursor, encode_cursor

router = APIRouter(prefix="/v1", tags=["erasure"])
_SHOWN = 100
# What an uploader put there; how often others had the same bytes, or asked about them, is not theirs to know.
_OWN = ("documents", "versions", "chunks")


@router.get("/erasures")
def list_erasures(
    reader: Admin,
    parts: PartsOf,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: str | None = None,
    document_id: UUID | None = None,
) -> ErasurePage:
    """List erasures, newest first."""
    statement = select(Erasure).order_by(Erasure.asked_at.desc(), Erasure.id.desc()).limit(limit + 1)
    if document_id is not None:
        statement = statement.where(Erasure.document_id == document_id)
    if cursor:
        asked_at, id_ = decode_cursor(cursor)
        older = and_(Erasure.asked_at == asked_at, Erasure.id < id_)
        statement = statement.where(or_(Erasure.asked_at < asked_at, older))
    with parts.database.reading() as session:
        rows = session.scalars(statement).all()
        items = [erasure_shape(session, row, reader) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    return ErasurePage(items=items, next_cursor=encode_cursor(last.asked_at, last.id) if last else None)


@router.get("/erasures/{erasure_id}")
def get_erasure(erasure_id: UUID, reader: ReaderOf, parts: PartsOf) -> ErasureShape:
    """Report an erasure: to admins, and in short to whoever asked for it."""
    # Uploaders erase documents, readers their own history: either may ask what became of it.
    require(reader, "upload" if "upload" in reader.scopes else "read")
    with parts.database.reading() as session:
        row = session.get(Erasure, erasure_id)
        if row is None or not (reader.is_admin or row.asked_by == reader.user):
            raise NotFound(f"There is no erasure {erasure_id} of yours.", "A deletion gives its id.")
        return erasure_shape(session, row, reader)


@router.put("/corpora/{corpus}/retention")
def put_retention(corpus: str, body: RetentionBody, reader: Admin, parts: PartsOf) -> RetentionShape:
    """Say how long a corpus keeps documents; unless `dry_run` is false, only say what would go."""
    with parts.database.transaction() as session:
        row = find_corpus(session, reader, corpus, "for_change")
        old = None if body.days is None else too_old(row, body.days)
        count = 0 if old is None else session.scalar(select(func.count()).select_from(old.order_by(None).subquery()))
        oldest = [] if old is None else [document.id for document in session.scalars(old.limit(_SHOWN))]
        if not body.dry_run:
            row.retention_days = body.days
            audit.note(session, reader, "corpus.retention_changed", row.id, corpus_id=row.id, days=body.days)
    return RetentionShape(days=body.days, in_force=not body.dry_run, documents=count or 0, oldest=oldest)


def erasure_shape(session: Session, row: Erasure, reader: Reader) -> ErasureShape:
    """Show an erasure with those of the files inside the document."""
    members = _members(session, row.id)
    states = {row.state, *(member.state for member in members)}
    state = next(s for s in ("removing", "incomplete", "compacting", "done") if s in states)
    ends = [row.finished_at, *(member.finished_at for member in members)]
    own = {name: count for name, count in row.removed.items() if reader.is_admin or name in _OWN}
    return ErasureShape(
        id=row.id,
        kind="history" if row.kind == "history" else "document",
        document_id=row.document_id,
        corpus_id=row.corpus_id,
        reason=row.reason,
        asked_by=row.asked_by,
        state=state,
        members=len(members),
        removed=own,
        checked=row.checked if reader.is_admin else {},
        asked_at=row.asked_at,
        finished_at=max((end for end in ends if end is not None), default=None) if state == "done" else None,
    )


def _members(session: Session, erasure_id: UUID) -> list[Erasure]:
    found = list(session.scalars(select(Erasure).where(Erasure.parent_id == erasure_id)))
    return found + [deeper for member in found for deeper in _members(session, member.id)]
