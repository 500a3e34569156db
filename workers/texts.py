"""Canonical texts by the hash of what they say: exact copies, versions and rebuilds share one blob."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ingest import pipeline
from moat.blobs import shared_text_name
from moat.records import CanonicalText, DocumentState
from moat.tables import Indexing
from workers.parts import Parts

_AT_ONCE = 200


def keep_text(session: Session, row: Indexing, canonical: CanonicalText, parts: Parts) -> None:
    """Store a text for an indexing, unless a copy has the very same; call it under the claim."""
    # Its title stands in the catalog: a file's name may be in it, and files of other names share the text.
    dumped = pipeline.dump_canonical(replace(canonical, title=""))
    digest = hashlib.sha256(dumped).hexdigest()
    before, row.text = row.text, digest
    parts.database.lock(session, _lock(digest))
    # Of the same generation only: a reindex writes all its texts, so that it mends one that the disk has lost.
    held = select(Indexing.id).where(
        Indexing.text == digest,
        Indexing.generation_id == row.generation_id,
        Indexing.state == DocumentState.READY,
    )
    if session.scalar(held.limit(1)) is None:
        parts.blobs.put(shared_text_name(digest), dumped)
    if before is not None:
        session.flush()
        drop_texts(session, [before], parts)


def drop_texts(session: Session, digests: Iterable[str], parts: Parts) -> None:
    """Remove the texts that no indexing has any more; call it in the commit that takes them from theirs."""
    wanted = sorted(set(digests))
    for digest in wanted:
        parts.database.lock(session, _lock(digest))
    kept = set(session.scalars(select(Indexing.text).where(Indexing.text.in_(wanted)).distinct()))
    for digest in wanted:
        if digest not in kept:
            parts.blobs.delete(shared_text_name(digest))


def drop_texts_of_generation(generation_id: UUID, parts: Parts) -> None:
    """Take a generation's texts from its indexings, a few in each commit."""
    while True:
        with parts.database.transaction() as session:
            rows = session.execute(
                select(Indexing.id, Indexing.text)
                .where(Indexing.generation_id == generation_id, Indexing.text.is_not(None))
                .limit(_AT_ONCE)
            ).all()
            if not rows:
                return
            session.execute(update(Indexing).where(Indexing.id.in_([row.id for row in rows])).values(text=None))
            drop_texts(session, [row.text for row in rows if row.text], parts)


def _lock(digest: str) -> str:
    return f"text/{digest}"
