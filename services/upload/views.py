"""Documents as their readers see them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from answering.body import dollars
from moat import ledger
from moat.access import rule
from moat.backlog import seconds_left
from moat.records import TERMINAL_STATES, DocumentState, Reader
from moat.tables import Corpus, Document, DocumentAccess, Indexing, Version, utc_now
from services.schemas import decode_cursor, encode_cursor
from services.upload.schemas import DocumentPage, DocumentShape

# Work that a copy elsewhere saves. Shown to its uploader, it would tell that somebody else has the same file.
TELLS_OF_COPIES = {"embedded"}


def document_page(
    session: Session,
    reader: Reader,
    corpus: Corpus,
    limit: int,
    cursor: str | None,
    state: DocumentState | None,
    key: str | None,
) -> DocumentPage:
    """List a corpus's readable documents, newest first."""
    statement = _rows().where(Document.corpus_id == corpus.id, rule(reader).documents())
    if state is not None:
        statement = statement.where(Document.state == state)
    if key is not None:
        statement = statement.where(Document.key == key)
    if cursor:
        created_at, id_ = decode_cursor(cursor)
        older = and_(Document.created_at == created_at, Document.id < id_)
        statement = statement.where(or_(Document.created_at < created_at, older))
    statement = statement.order_by(Document.created_at.desc(), Document.id.desc()).limit(limit + 1)
    rows = session.execute(statement).all()
    shapes = _shapes(session, reader, rows[:limit])
    last = rows[limit - 1][0] if len(rows) > limit else None
    return DocumentPage(
        items=shapes,
        next_cursor=encode_cursor(last.created_at, last.id) if last else None,
        counts=state_counts(session, reader, corpus.id),
        seconds_left=seconds_left(session, rule(reader), corpus.id, utc_now()),
    )


def document_shape(session: Session, reader: Reader, document_id: UUID) -> DocumentShape:
    """Show one document that was found readable."""
    return _shapes(session, reader, session.execute(_rows().where(Document.id == document_id)).all())[0]


def state_counts(session: Session, reader: Reader, corpus_id: UUID) -> dict[str, int]:
    """Count a corpus's readable documents by state."""
    rows = session.execute(
        select(Document.state, func.count())
        .where(Document.corpus_id == corpus_id, rule(reader).documents())
        .group_by(Document.state)
    )
    return {str(state): count for state, count in rows}


def is_settled(document: DocumentShape) -> bool:
    """Tell whether nothing more happens to a document by itself."""
    return document.state in TERMINAL_STATES


def _rows() -> Select[Document, Corpus, Version, Indexing]:
    return (
        select(Document, Corpus, Version, Indexing)
        .join(Corpus, Corpus.id == Document.corpus_id)
        .join(Version, and_(Version.document_id == Document.id, Version.number == Document.version))
        .join(
            Indexing,
            and_(
                Indexing.document_id == Document.id,
                Indexing.version == Document.version,
                Indexing.generation_id == Corpus.serving_generation,
            ),
            isouter=True,
        )
    )


def _shapes(
    session: Session, reader: Reader, rows: Sequence[Row[Document, Corpus, Version, Indexing]]
) -> list[DocumentShape]:
    ids = [row[0].id for row in rows]
    parents = {row[0].parent_id for row in rows} - {None}
    readable = set(session.scalars(select(Document.id).where(Document.id.in_(parents), rule(reader).documents())))
    access: dict[UUID, list[str]] = {id_: [] for id_ in ids}
    for grant in session.scalars(select(DocumentAccess).where(DocumentAccess.document_id.in_(ids))):
        access[grant.document_id].append(grant.principal)
    spent = ledger.cost_of_documents(session, ids) if reader.is_admin else {}
    return [_shape(row, access, readable, reader, spent) for row in rows]


def _shape(
    row: Row[Document, Corpus, Version, Indexing],
    access: dict[UUID, list[str]],
    readable_parents: set[UUID],
    reader: Reader,
    spent: Mapping[UUID, Decimal],
) -> DocumentShape:
    document, corpus, version, joined = row
    indexing: Indexing | None = joined  # an outer join: a generation may not know the newest version yet
    report = (indexing.report or {}) if indexing else {}
    return DocumentShape(
        id=document.id,
        corpus=corpus.name,
        key=document.key,
        name=document.name,
        title=version.title or document.name,
        parent_id=document.parent_id if document.parent_id in readable_parents else None,
        version=document.version,
        serving_version=document.serving_version,
        state=document.state,
        progress=indexing.progress if indexing else 0.0,
        error=indexing.error if indexing else None,
        hint=indexing.hint if indexing else None,
        media_type=version.media_type,
        size=version.size,
        sha256=version.sha256,
        pages=version.pages,
        chunks=indexing.chunks if indexing else 0,
        cost_usd=dollars(spent.get(document.id, Decimal(0))) if reader.is_admin else None,
        access=sorted(access[document.id]),
        metadata=document.doc_metadata,
        uploaded_by=document.uploaded_by,
        created_at=document.created_at,
        updated_at=document.updated_at,
        timings=indexing.timings if indexing and reader.is_admin else {},
        warnings=version.warnings or [],
        report={name: said for name, said in report.items() if name not in TELLS_OF_COPIES or reader.is_admin},
    )
