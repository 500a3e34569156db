"""Remove all that is held of a deleted document: points, quotes in answers, texts, original, rows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from moat.blobs import shared_text_name, text_name
from moat.database import catalog_now
from moat.documents import is_referenced
from moat.erasures import rows_of
from moat.errors import NotFound
from moat.tables import Document, Erasure, Forgetting, Indexing, utc_now
from workers.parts import Parts
from workers.texts import drop_texts
from workers.tombstones import tombstone_answers

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
    present = set(parts.vectors.collections()).intersection(row.collections)
    for collection in present:
        parts.vectors.delete_document(collection, document_id)
    tombstone_answers(document_id, row.erasure_id, parts)
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
    checked = _checked(row, present, parts)
    with parts.database.transaction() as session:
        session.execute(delete(Forgetting).where(Forgetting.document_id == document_id))
        erasure = None if row.erasure_id is None else session.get(Erasure, row.erasure_id)
        if erasure is not None:
            erasure.state, erasure.removed_at, erasure.checked = "compacting", utc_now(), checked
            erasure.collections = sorted(present)
    return True


def delete_unshared(sha256: str, parts: Parts) -> None:
    """Remove an original that no version needs any more."""
    # The lock is the one an upload of the same bytes holds while it seals its blob and commits its row.
    with parts.database.transaction() as session:
        parts.database.lock(session, f"blob/{sha256}")
        if not is_referenced(session, sha256):
            parts.blobs.delete_original(sha256)


def _checked(row: Forgetting, collections: set[str], parts: Parts) -> dict[str, Any]:
    """Look for what should be gone, and count what is there all the same; copies of other documents are not left."""
    left = sum(parts.vectors.count_document(collection, row.document_id) for collection in collections)
    with parts.database.reading() as session:
        rows = sum(rows_of(session, row.document_id).values())
        needed = {sha256 for sha256 in row.originals if is_referenced(session, sha256)}
        texts = set(session.scalars(select(Indexing.text).where(Indexing.text.in_(row.texts))))
    blobs = [name for sha256 in set(row.originals) - needed for name in parts.blobs.of_original(sha256)]
    blobs += [name for text in set(row.texts) - texts if _is_stored(name := _text_name(text), parts)]
    return {
        "points_left": left,
        "rows_left": rows,
        "blobs_left": len(blobs),
        "blobs_shared": len(needed) + len(texts),
    }


def _text_name(text: str) -> str:
    return text_name(UUID(text)) if len(text) == _UUID_CHARS else shared_text_name(text)


def _is_stored(name: str, parts: Parts) -> bool:
    try:
        parts.blobs.get(name)
    except NotFound:
        return False
    return True
