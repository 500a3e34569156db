"""The steps of a plan, each in a commit of its own under the source's lease."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from moat import audit
from moat.blobs import Staged
from moat.children import access_of
from moat.documents import ask_indexing, live_generations, mark_untidy, pass_on_access, start_forgetting
from moat.errors import InvalidRequest, TooLarge, UnsupportedMedia
from moat.jobs import BULK
from moat.records import DocumentState
from moat.tables import Corpus, Document, DocumentAccess, Version, utc_now
from workers.parts import Parts
from workers.sources.lease import Lease, fenced
from workers.sources.plan import Granted, Plan, Present
from workers.staging import staged_copy

MOST_KEY_CHARS = 1_000
_ROOM_EVERY = 50


def load_present(session: Session, name: str) -> list[Present]:
    """List the documents that a source brought, as they will be once their newest version serves."""
    rows = session.execute(
        select(Document, Version)
        .join(Version, (Version.document_id == Document.id) & (Version.number == Document.version))
        .where(Document.source == name, Document.state != DocumentState.DELETING)
    ).all()
    granted: dict[UUID, set[str]] = {}
    for grant in session.scalars(
        select(DocumentAccess).join(Document, Document.id == DocumentAccess.document_id).where(Document.source == name)
    ):
        granted.setdefault(grant.document_id, set()).add(grant.principal)
    return [
        Present(
            document.id,
            document.key,
            document.corpus_id,
            version.sha256,
            frozenset(granted.get(document.id, ()) if version.access is None else version.access),
            document.doc_metadata,
        )
        for document, version in rows
    ]


def apply_plan(
    plan: Plan, lease: Lease, corpus: Corpus, parts: Parts, wait_for_room: Callable[[], None]
) -> dict[str, str]:
    """Take every step, the narrowing of access first. Gives what could not be taken in: key and reason."""
    for old in plan.hide:
        lease.check()
        _set_access(lease, old, (), parts)
    for old, new in plan.change:
        lease.check()
        _change(lease, old, new, parts)
    refused: dict[str, str] = {}
    arrivals: list[tuple[Present | None, Granted]] = [*plan.replace, *((None, new) for new in plan.add)]
    for number, (before, new) in enumerate(arrivals):
        lease.check()
        if number % _ROOM_EVERY == 0:
            wait_for_room()
        try:
            _take_in(lease, before, new, corpus, parts)
        except (InvalidRequest, UnsupportedMedia, TooLarge) as error:
            refused[new.item.key] = error.detail
    for old in plan.delete:  # last: what was only renamed finds its vectors still there
        lease.check()
        _delete(lease, old, parts)
    return refused


def _delete(lease: Lease, old: Present, parts: Parts) -> None:
    with parts.database.transaction() as session:
        fenced(session, lease)
        document = session.scalar(select(Document).where(Document.id == old.id).with_for_update())
        if document is not None:
            start_forgetting(session, document, reason="source")


def _set_access(lease: Lease, old: Present, access: tuple[str, ...], parts: Parts) -> None:
    with parts.database.transaction() as session:
        fenced(session, lease)
        document = session.scalar(select(Document).where(Document.id == old.id).with_for_update())
        if document is not None and document.state != DocumentState.DELETING:
            _grant(session, document, access)


def _change(lease: Lease, old: Present, new: Granted, parts: Parts) -> None:
    with parts.database.transaction() as session:
        fenced(session, lease)
        document = session.scalar(select(Document).where(Document.id == old.id).with_for_update())
        if document is None or document.state == DocumentState.DELETING:
            return
        if new.item.metadata:
            document.doc_metadata = dict(new.item.metadata)
        if old.access != set(new.access):
            _grant(session, document, new.access)


def _grant(session: Session, document: Document, access: tuple[str, ...]) -> None:
    """Say who may read a document; what an older version that still serves shows is not widened."""
    session.get_one(Version, (document.id, document.version)).access = list(access)
    mine = delete(DocumentAccess).where(DocumentAccess.document_id == document.id)
    if document.serving_version in (None, document.version):
        session.execute(mine)
        session.add_all(DocumentAccess(document_id=document.id, principal=p) for p in access)
    else:
        session.execute(mine.where(DocumentAccess.principal.not_in(access)))
    mark_untidy(session, document.id)
    pass_on_access(session, document.id)
    told: dict[str, Any] = {"source": document.source, "access": sorted(access)}
    audit.note(session, None, "document.access_changed", document.id, corpus_id=document.corpus_id, **told)


def _take_in(lease: Lease, old: Present | None, new: Granted, corpus: Corpus, parts: Parts) -> None:
    item = new.item
    if not item.key.isprintable() or len(item.key) > MOST_KEY_CHARS:
        raise InvalidRequest(f"Its key is not 1 to {MOST_KEY_CHARS:,} printable characters.", "Rename it.")
    if item.size > parts.settings.upload.max_file_bytes:
        raise TooLarge(f"It is over {parts.settings.upload.max_file_bytes:,} bytes.", "Split it.")
    with staged_copy(item.path, item.filename or item.key, parts) as (staged, media_type):
        _commit(lease, old, new, media_type, staged, corpus, parts)


def _commit(
    lease: Lease, old: Present | None, new: Granted, media_type: str, staged: Staged, corpus: Corpus, parts: Parts
) -> None:
    with parts.database.transaction() as session:
        fenced(session, lease)
        held = session.scalar(select(Corpus).where(Corpus.id == corpus.id).with_for_update(read=True))
        if held is None or held.deleted_at is not None:
            raise InvalidRequest(f"The corpus {corpus.name!r} was deleted.", "Name another corpus for the source.")
        parts.database.lock(session, f"blob/{staged.sha256}")
        document = session.scalar(select(Document).where(Document.id == old.id).with_for_update()) if old else None
        if document is not None and document.state == DocumentState.DELETING:
            return  # somebody deleted it this moment; the next run adds it again
        staged.seal()
        filename = new.item.filename or new.item.key
        name = filename.rstrip("/").rsplit("/", 1)[-1]
        if document is None:
            document = Document(
                id=uuid4(),
                corpus_id=corpus.id,
                key=new.item.key,
                name=name,
                doc_metadata=dict(new.item.metadata),
                version=1,
                state=DocumentState.QUEUED,
                uploaded_by=f"source:{lease.name}",
                source=lease.name,
            )
            session.add(document)
            session.flush()
            session.add_all(DocumentAccess(document_id=document.id, principal=p) for p in new.access)
        else:
            document.version += 1
            document.name, document.state, document.updated_at = name, DocumentState.QUEUED, utc_now()
            document.doc_metadata = dict(new.item.metadata) or document.doc_metadata
            if set(new.access) != set(access_of(session, document.id)):
                # Until the new version serves, the old text is shown only to those who may read both.
                session.execute(
                    delete(DocumentAccess).where(
                        DocumentAccess.document_id == document.id, DocumentAccess.principal.not_in(new.access)
                    )
                )
                mark_untidy(session, document.id)
                pass_on_access(session, document.id)
        session.add(
            Version(
                document_id=document.id,
                number=document.version,
                sha256=staged.sha256,
                size=staged.size,
                filename=filename,
                media_type=media_type,
                access=list(new.access),
            )
        )
        session.flush()
        for generation in live_generations(session, corpus.id):
            ask_indexing(session, document, document.version, generation, BULK)
        told: dict[str, Any] = {"version": document.version, "source": lease.name, "access": sorted(new.access)}
        audit.note(session, None, "document.uploaded", document.id, corpus_id=corpus.id, **told)
