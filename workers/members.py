"""Files inside a file become documents of their own, before the one they came in is concluded."""

import logging
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ingest.members import Member
from ingest.parse.members import UnpackLimits
from moat.blobs import Staged, original_name
from moat.children import access_of, children, depth
from moat.documents import ask_indexing, live_generations, mark_untidy, start_forgetting
from moat.errors import InvalidRequest, UnsupportedMedia
from moat.jobs import BULK, INGEST
from moat.records import DocumentState
from moat.tables import Document, DocumentAccess, Version, utc_now
from workers.claims import Claim, fenced
from workers.parts import Parts
from workers.staging import staged_copy

log = logging.getLogger(__name__)

SEPARATOR = "!/"
MOST_KEY_CHARS = 1_000


class _Superseded(Exception):
    """A newer version came meanwhile: its members count, not this one's."""


def accept_members(claim: Claim, count: int, parts: Parts) -> None:
    """Make every member of a version a document with the parent's access and metadata; safe to run twice.

    Members that the version no longer has are forgotten. What cannot be a document is named in the version's warnings.
    """
    if not count and claim.version == 1:
        return  # as most documents: it has no members, and no earlier version had any
    with parts.database.reading() as session:
        document = session.get_one(Document, claim.document_id)
        version = session.get_one(Version, (claim.document_id, claim.version))
        above = depth(session, document)
        had = bool(children(session, document.id))
    if version.unpacked_at is not None or not (count or had):
        return
    try:
        if not count:
            _conclude(claim, [], [], parts)
        elif above >= parts.settings.upload.max_member_depth:
            _conclude(claim, [], [f"Its {count} file(s) were not read: it lies {above} deep in other files."], parts)
        else:
            _accept_all(claim, document, version, parts)
    except _Superseded:
        log.info("a version was replaced while its members were accepted", extra={"indexing": claim.indexing_id})


def _accept_all(claim: Claim, parent: Document, version: Version, parts: Parts) -> None:
    limits = UnpackLimits(
        parts.settings.upload.max_members,
        min(parts.settings.upload.max_file_bytes, parts.settings.sandbox.max_output_bytes),
        parts.settings.upload.max_unpacked_bytes,
        parts.settings.sandbox.max_expansion,
    )
    keys: list[str] = []
    with (
        parts.blobs.local_file(original_name(version.sha256)) as path,
        parts.sandbox.unpack(path, version.media_type, version.filename, limits) as unpacked,
    ):
        warnings = list(unpacked.warnings)
        queue = BULK if len(unpacked.members) > parts.settings.upload.bulk_from else INGEST
        for member in unpacked.members:
            claim.check()
            key = f"{parent.key}{SEPARATOR}{member.path}"
            try:
                _accept(claim, parent, key, member, queue, parts)
            except (UnsupportedMedia, InvalidRequest) as refused:
                warnings.append(f"{member.path}: {refused.detail}")
            else:
                keys.append(key)
    _conclude(claim, keys, warnings, parts)


def _accept(claim: Claim, parent: Document, key: str, member: Member, queue: str, parts: Parts) -> None:
    if len(key) > MOST_KEY_CHARS:
        raise InvalidRequest(f"Its key would be over {MOST_KEY_CHARS} characters.", "Shorten its path.")
    with staged_copy(member.file, member.path, parts) as (staged, media_type):
        _commit(claim, parent, key, member.path, media_type, staged, queue, parts)


def _commit(
    claim: Claim, parent: Document, key: str, path: str, media_type: str, staged: Staged, queue: str, parts: Parts
) -> None:
    with parts.database.transaction() as session:
        fenced(session, claim)
        _must_be_newest(session, claim)
        parts.database.lock(session, f"blob/{staged.sha256}")
        child = _find(session, parent.id, key)
        if child is not None and _has(session, child, staged.sha256):
            child.doc_metadata = dict(parent.doc_metadata)
            return
        staged.seal()
        access = access_of(session, parent.id)
        if child is None:
            child = _new(parent, key, path)
            session.add(child)
            session.flush()
            session.add_all(DocumentAccess(document_id=child.id, principal=p) for p in access)
        else:
            # Its content is there at once: until it serves, it is for those alone who may read both versions.
            others = DocumentAccess.principal.not_in(access)
            session.execute(delete(DocumentAccess).where(DocumentAccess.document_id == child.id, others))
            mark_untidy(session, child.id)
            child.version += 1
            child.state, child.updated_at = DocumentState.QUEUED, utc_now()
            child.doc_metadata = dict(parent.doc_metadata)
        session.add(
            Version(
                document_id=child.id,
                number=child.version,
                sha256=staged.sha256,
                size=staged.size,
                filename=path,
                media_type=media_type,
                access=access,
                uploader=session.get_one(Version, (parent.id, claim.version)).uploader,
            )
        )
        session.flush()
        for generation in live_generations(session, child.corpus_id):
            ask_indexing(session, child, child.version, generation, queue)


def _must_be_newest(session: Session, claim: Claim) -> None:
    """A version that was replaced meanwhile, or is being deleted, has no members any more."""
    document = session.scalar(select(Document).where(Document.id == claim.document_id).with_for_update())
    if document is None or document.state == DocumentState.DELETING or document.version != claim.version:
        raise _Superseded


def _find(session: Session, parent_id: UUID, key: str) -> Document | None:
    return session.scalar(
        select(Document)
        .where(Document.parent_id == parent_id, Document.key == key, Document.state != DocumentState.DELETING)
        .with_for_update()
    )


def _has(session: Session, child: Document, sha256: str) -> bool:
    return session.get_one(Version, (child.id, child.version)).sha256 == sha256


def _new(parent: Document, key: str, path: str) -> Document:
    return Document(
        id=uuid4(),
        corpus_id=parent.corpus_id,
        parent_id=parent.id,
        key=key,
        name=path.rsplit("/", 1)[-1],
        doc_metadata=dict(parent.doc_metadata),
        version=1,
        state=DocumentState.QUEUED,
        uploaded_by=parent.uploaded_by,
    )


def _conclude(claim: Claim, keys: list[str], warnings: list[str], parts: Parts) -> None:
    with parts.database.transaction() as session:
        fenced(session, claim)
        _must_be_newest(session, claim)
        for child in children(session, claim.document_id):
            if child.key not in keys:
                start_forgetting(session, child, reason="member")
        version = session.get_one(Version, (claim.document_id, claim.version))
        version.unpacked_at, version.warnings = utc_now(), warnings
