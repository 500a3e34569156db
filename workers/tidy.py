"""Make a document's points say what the catalog says: one version, no leftovers, today's access."""

from uuid import UUID

from sqlalchemy import select, update

from moat.blobs import text_name
from moat.documents import LIVE_GENERATIONS
from moat.records import DocumentState
from moat.tables import Document, DocumentAccess, Generation, Indexing
from workers.parts import Parts
from workers.texts import drop_texts

_GAVE_UP = frozenset({DocumentState.FAILED, DocumentState.QUARANTINED, DocumentState.CANCELLED})


def tidy_document(document_id: UUID, parts: Parts) -> None:
    """Remove points of replaced and failed versions, and set who may read the rest; safe to run twice."""
    while not _tidied(document_id, parts):
        pass


def _tidied(document_id: UUID, parts: Parts) -> bool:
    """Tidy once; False when the document was marked, or tidied by another thread, since the catalog was read.

    That other thread may have written today's access before this one wrote yesterday's.
    """
    with parts.database.reading() as session:
        document = session.get(Document, document_id)
        if document is None or document.state == DocumentState.DELETING:
            return True
        access = session.scalars(
            select(DocumentAccess.principal).where(DocumentAccess.document_id == document_id)
        ).all()
        rows = session.execute(
            select(Indexing, Generation.collection, Generation.dimension)
            .join(Generation, Generation.id == Indexing.generation_id)
            .where(Indexing.document_id == document_id, Generation.state.in_(LIVE_GENERATIONS))
            .order_by(Indexing.version)
        ).all()
    for collection in {row.collection for row in rows if row.dimension is not None}:
        indexings = [row.Indexing for row in rows if row.collection == collection]
        _tidy_collection(document_id, collection, indexings, parts)
        parts.vectors.set_access(collection, document_id, access)
    with parts.database.transaction() as session:
        cleared = session.execute(
            update(Document)
            .where(Document.id == document_id, Document.untidy_since == document.untidy_since)
            .values(untidy_since=None)
        )
    return bool(cleared.rowcount)  # type: ignore[attr-defined]


def _tidy_collection(document_id: UUID, collection: str, indexings: list[Indexing], parts: Parts) -> None:
    ready = [i for i in indexings if i.state == DocumentState.READY]
    if ready:
        newest = ready[-1]
        parts.vectors.delete_versions_below(collection, document_id, newest.version)
        parts.vectors.delete_ordinals_from(collection, document_id, newest.version, newest.chunks)
        for old in indexings:
            if old.version < newest.version:
                _drop_text(old, parts)
    for given_up in (i for i in indexings if i.state in _GAVE_UP):
        parts.vectors.delete_version(collection, document_id, given_up.version)


def _drop_text(old: Indexing, parts: Parts) -> None:
    if old.text is None:
        parts.blobs.delete(text_name(old.id))
        return
    with parts.database.transaction() as session:
        session.execute(update(Indexing).where(Indexing.id == old.id, Indexing.text == old.text).values(text=None))
        drop_texts(session, [old.text], parts)
