"""One staged file into the catalog: what it is, whether it is new, and the commit that makes it durable."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from moat import audit
from moat.access import check_still_valid, find_corpus, rule
from moat.blobs import Blobs
from moat.database import Database
from moat.documents import ask_indexing, is_referenced, live_generations, mark_untidy, pass_on_access
from moat.errors import MoatError
from moat.jobs import INGEST
from moat.media import sniff
from moat.records import DocumentState, Reader
from moat.tables import Corpus, CorpusAccess, Document, DocumentAccess, Version, utc_now
from moat.uploaders import uploader
from services.upload.receive import Arrived

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the uploader said about one file; `access` None means as it was, or as the corpus has it."""

    key: str
    access: tuple[str, ...] | None
    metadata: Mapping[str, Any] | None
    queue: str = INGEST


@dataclass(frozen=True, slots=True)
class Accepted:
    """A file that is durably in the catalog."""

    id: UUID
    state: DocumentState
    duplicate: bool


def accept(
    arrived: Arrived, terms: Terms, corpus: Corpus, reader: Reader, database: Database, blobs: Blobs
) -> Accepted:
    """Make a staged file a document, a new version of one, or find that it is there already."""
    media_type = sniff(arrived.head, arrived.staged.path, arrived.filename)
    try:
        return _commit(arrived, media_type, terms, corpus, reader, database)
    except BaseException:
        _unseal(arrived.staged.sha256, database, blobs)
        raise


def _commit(
    arrived: Arrived, media_type: str, terms: Terms, corpus: Corpus, reader: Reader, database: Database
) -> Accepted:
    sha256 = arrived.staged.sha256
    with database.transaction() as session:
        # While the files were arriving, which may take hours, the key may have been revoked and the corpus deleted.
        check_still_valid(session, reader)
        find_corpus(session, reader, str(corpus.id), "against_changes")
        database.lock(session, f"blob/{sha256}")
        database.lock(session, f"key/{corpus.id}/{terms.key}")
        existing = _find(session, corpus.id, terms.key, reader)
        if existing is not None and _is_duplicate(session, existing, sha256, terms):
            return Accepted(existing.id, existing.state, duplicate=True)
        # Inside the commit: a deletion of the same bytes elsewhere either sees this version or removes its blob first.
        arrived.staged.seal()
        document = (
            _replace(session, existing, arrived, terms) if existing else _add(session, corpus, arrived, terms, reader)
        )
        session.add(
            Version(
                document_id=document.id,
                number=document.version,
                sha256=sha256,
                size=arrived.staged.size,
                filename=arrived.filename,
                media_type=media_type,
                access=None if terms.access is None else list(terms.access),
                uploader=uploader(reader),
            )
        )
        session.flush()
        for generation in live_generations(session, corpus.id):
            ask_indexing(session, document, document.version, generation, terms.queue)
        _note(session, reader, document, terms)
        return Accepted(document.id, document.state, duplicate=False)


def _note(session: Session, reader: Reader, document: Document, terms: Terms) -> None:
    """Write down the upload; who may read is a part of it where the uploader said so."""
    told = {} if terms.access is None else {"access": sorted(terms.access)}
    audit.note(
        session,
        reader,
        "document.uploaded",
        document.id,
        corpus_id=document.corpus_id,
        version=document.version,
        **told,
    )


def _unseal(sha256: str, database: Database, blobs: Blobs) -> None:
    """Remove the bytes of a commit that failed, unless another document has them too."""
    try:
        with database.transaction() as session:
            database.lock(session, f"blob/{sha256}")
            if not is_referenced(session, sha256):
                blobs.delete_original(sha256)
    except MoatError:
        log.warning("the bytes of a failed upload could not be removed", exc_info=True, extra={"sha256": sha256})


def _find(session: Session, corpus_id: UUID, key: str, reader: Reader) -> Document | None:
    """Find the document under this key, among those the uploader may read: others do not exist for them."""
    return session.scalar(
        select(Document)
        .where(Document.corpus_id == corpus_id, Document.key == key, rule(reader).documents())
        .order_by(Document.created_at)
        .limit(1)
        .with_for_update()
    )


def _is_duplicate(session: Session, document: Document, sha256: str, terms: Terms) -> bool:
    newest = session.get_one(Version, (document.id, document.version))
    if newest.sha256 != sha256 or document.state in (
        DocumentState.FAILED,
        DocumentState.QUARANTINED,
        DocumentState.CANCELLED,
    ):
        return False
    return terms.access is None or set(terms.access) == _wanted_access(session, document, newest)


def _wanted_access(session: Session, document: Document, newest: Version) -> set[str]:
    return set(newest.access) if newest.access is not None else _access(session, document.id)


def _access(session: Session, document_id: UUID) -> set[str]:
    return set(session.scalars(select(DocumentAccess.principal).where(DocumentAccess.document_id == document_id)))


def _add(session: Session, corpus: Corpus, arrived: Arrived, terms: Terms, reader: Reader) -> Document:
    document = Document(
        id=uuid4(),
        corpus_id=corpus.id,
        key=terms.key,
        name=arrived.filename.rsplit("/", 1)[-1],
        doc_metadata=dict(terms.metadata or {}),
        version=1,
        state=DocumentState.QUEUED,
        uploaded_by=reader.user,
    )
    session.add(document)
    session.flush()
    access = terms.access if terms.access is not None else _corpus_access(session, corpus.id)
    session.add_all(DocumentAccess(document_id=document.id, principal=p) for p in access)
    return document


def _corpus_access(session: Session, corpus_id: UUID) -> Sequence[str]:
    return session.scalars(select(CorpusAccess.principal).where(CorpusAccess.corpus_id == corpus_id)).all()


def _replace(session: Session, document: Document, arrived: Arrived, terms: Terms) -> Document:
    document.version += 1
    document.name = arrived.filename.rsplit("/", 1)[-1]
    document.state = DocumentState.QUEUED
    document.updated_at = utc_now()
    if terms.metadata is not None:
        document.doc_metadata = dict(terms.metadata)
    if terms.access is not None:
        # Until the new version serves, the old text is shown only to those who may read both.
        session.execute(
            delete(DocumentAccess).where(
                DocumentAccess.document_id == document.id, DocumentAccess.principal.not_in(terms.access)
            )
        )
        mark_untidy(session, document.id)
        pass_on_access(session, document.id)
    return document
