"""Note what a document is like, and which older one of its corpus it nearly repeats."""

from uuid import UUID

import numpy as np
from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from ingest.likeness import NEAR, Likeness, Signature, resemblance
from moat.records import DocumentState
from moat.tables import Document, LikenessBand, LikenessRow, Version

# A phrase that every document of a corpus shares must not make each new one be compared with all of them.
_LOOKED_AT_AT_MOST = 200
_COMPARED_AT_MOST = 50


def note_likeness(session: Session, document: Document, version: Version, found: Likeness) -> None:
    """Keep a version's likeness, unless a newer one's is kept already."""
    known = session.get(LikenessRow, document.id)
    if known is not None and (known.version > version.number or known.signature == found.signature.tobytes()):
        return  # such as a reindex of what it knows
    bands = found.bands()
    nearest = _nearest(session, document, version, found.signature, bands)
    if known is None:
        known = LikenessRow(document_id=document.id)
        session.add(known)
    else:
        session.execute(delete(LikenessBand).where(LikenessBand.document_id == document.id))
    known.version, known.language, known.signature = version.number, found.language, found.signature.tobytes()
    known.near_duplicate_of, known.resemblance = nearest or (None, None)
    session.execute(
        insert(LikenessBand),
        [{"corpus_id": document.corpus_id, "band": band, "document_id": document.id} for band in set(bands)],
    )


def _nearest(
    session: Session, document: Document, version: Version, signature: Signature, bands: list[int]
) -> tuple[UUID, float] | None:
    """Find the most alike older document that repeats none itself, exact copies left out: they are known as such."""
    # Those with the most bands in common first, by the index alone: pages of one template share one or two.
    most_alike = session.scalars(
        select(LikenessBand.document_id)
        .where(LikenessBand.corpus_id == document.corpus_id, LikenessBand.band.in_(bands))
        .where(LikenessBand.document_id != document.id)
        .group_by(LikenessBand.document_id)
        .order_by(func.count().desc())
        .limit(_LOOKED_AT_AT_MOST)
    ).all()
    if not most_alike:
        return None
    rows = session.execute(
        select(LikenessRow.document_id, LikenessRow.signature)
        .join(Document, Document.id == LikenessRow.document_id)
        .join(Version, (Version.document_id == Document.id) & (Version.number == LikenessRow.version))
        .where(LikenessRow.document_id.in_(most_alike), LikenessRow.near_duplicate_of.is_(None))
        .where(Version.sha256 != version.sha256)
        .where(Document.created_at <= document.created_at)
        .where(Document.state != DocumentState.DELETING)
        .order_by(Document.created_at)
        .limit(_COMPARED_AT_MOST)
    ).all()
    scored = [(id_, resemblance(signature, np.frombuffer(kept, np.uint32))) for id_, kept in rows]
    near = [pair for pair in scored if pair[1] >= NEAR]
    return max(near, key=lambda pair: pair[1], default=None)
