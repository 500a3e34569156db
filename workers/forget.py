"""Remove all that is held of a deleted document: points, texts, original, rows."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete

from moat.blobs import text_name
from moat.database import catalog_now
from moat.documents import is_referenced
from moat.tables import Document, Forgetting
from workers.parts import Parts
from workers.texts import drop_texts

_UUID_CHARS = 32


def forget_document(document_id: UUID, parts: Parts, now: datetime | None = None) -> bool:
    """Remove what is left of a document; False while a stale writer could still add to it.

    The row of `forgettings` goes last, so a crash anywhere is finished by the sweeper.
    """
    with parts.database.reading() as session:
        now = now or catalog_now(session)
        row = session.get(Forgetting, document_id)
    if row is None:
        return True
    present = set(parts.vectors.collections())
    for collection in row.collections:
        if collection in present:
            parts.vectors.delete_document(collection, document_id)
    unshared = [text for text in row.texts if len(text) == _UUID_CHARS]  # named by their indexing, by an older Moat
    with parts.database.transaction() as session:
        session.execute(delete(Document).where(Document.id == document_id))
        drop_texts(session, set(row.texts).difference(unshared), parts)
    for indexing in unshared:
        parts.blobs.delete(text_name(UUID(indexing)))
    for sha256 in row.originals:
        delete_unshared(sha256, parts)
    if now < row.not_before:
        return False
    with parts.database.transaction() as session:
        session.execute(delete(Forgetting).where(Forgetting.document_id == document_id))
    return True


def delete_unshared(sha256: str, parts: Parts) -> None:
    """Remove an original that no version needs any more."""
    # The lock is the one an upload of the same bytes holds while it seals its blob and commits its row.
    with parts.database.transaction() as session:
        parts.database.lock(session, f"blob/{sha256}")
        if not is_referenced(session, sha256):
            parts.blobs.delete_original(sha256)
