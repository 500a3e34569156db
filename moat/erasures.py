"""Reports of erasures: begun in the commit that hides a document, ended when nothing of it is left."""

from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moat.audit import SYSTEM
from moat.records import Reader
from moat.tables import (
    AnswerDocument,
    ChunkRow,
    Document,
    DocumentAccess,
    Erasure,
    Indexing,
    LikenessBand,
    LikenessRow,
    Version,
)

Reason = Literal["request", "corpus", "retention", "source", "member"]
# A document's rows by the column that names it; `documents` itself is looked at by its id.
_TABLES = (Version, Indexing, ChunkRow, LikenessRow, LikenessBand, DocumentAccess, AnswerDocument)


def report_erasure(
    session: Session, document: Document, reader: Reader | None, reason: Reason, parent_id: UUID | None
) -> Erasure:
    """Begin the report of a document's erasure with what there is of it now."""
    erasure = Erasure(
        id=uuid4(),
        kind="document",
        document_id=document.id,
        corpus_id=document.corpus_id,
        parent_id=parent_id,
        reason=reason,
        asked_by=SYSTEM if reader is None else reader.user,
        state="removing",
        removed=rows_of(session, document.id),
        collections=[],
        checked={},
    )
    session.add(erasure)
    return erasure


def rows_of(session: Session, document_id: UUID) -> dict[str, Any]:
    """Count what the catalog holds of a document, by table."""
    counts = [select(func.count()).select_from(Document).where(Document.id == document_id).scalar_subquery()]
    counts += [
        select(func.count()).select_from(table).where(table.document_id == document_id).scalar_subquery()
        for table in _TABLES
    ]
    names = ["documents", *(table.__tablename__ for table in _TABLES)]
    return dict(zip(names, session.execute(select(*counts)).one(), strict=True))
