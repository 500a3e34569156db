"""Routes of one document."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sse_starlette import EventSourceResponse

from ingest.wire import load_canonical
from moat import audit
from moat.access import check_principals, check_still_valid, find_document
from moat.blobs import original_name
from moat.documents import cancel, mark_untidy, pass_on_access, retry, start_forgetting, text_of
from moat.errors import NotFound
from moat.pipeline_settings import PipelineSettings
from moat.records import CanonicalText, Reader
from moat.tables import ChunkRow, Corpus, Document, DocumentAccess, Indexing, Version
from services.dependencies import Admin, PartsOf, Reading, Uploading, publish_soon
from services.parts import Parts
from services.progress import progress
from services.upload.content import BlobResponse
from services.upload.schemas import (
    AccessBody,
    AccessShape,
    ChunkPage,
    ChunkShape,
    DocumentShape,
    PageSpanShape,
    TextShape,
)
from services.upload.views import document_shape, is_settled

router = APIRouter(prefix="/v1", tags=["documents"])
_POLL_S = 0.5
MOST_CHUNKS = 2**31 - 1


@router.get("/documents/{document_id}")
def get_document(document_id: UUID, reader: Reading, parts: PartsOf) -> DocumentShape:
    """Show a document: state, progress, and why it failed if it did."""
    with parts.database.reading() as session:
        document = find_document(session, reader, document_id)
        shape = document_shape(session, reader, document_id)
    _note_read(document, reader, "details", parts)
    return shape


@router.delete("/documents/{document_id}", status_code=202)
def delete_document(document_id: UUID, reader: Uploading, parts: PartsOf) -> DocumentShape:
    """Hide a document at once; what is held of it follows within seconds, as its erasure reports."""
    with parts.database.transaction() as session:
        document = find_document(session, reader, document_id, for_change=True)
        erasure_id = start_forgetting(session, document, reader)
        session.flush()
        shape = document_shape(session, reader, document_id).model_copy(update={"erasure_id": erasure_id})
    publish_soon(parts)
    return shape


@router.post("/documents/{document_id}/retry", status_code=202)
def retry_document(document_id: UUID, reader: Uploading, parts: PartsOf) -> DocumentShape:
    """Try a document again that failed, was quarantined or cancelled."""
    with parts.database.transaction() as session:
        document = find_document(session, reader, document_id, for_change=True)
        retry(session, document)
        audit.note(session, reader, "document.retried", document.id, corpus_id=document.corpus_id)
        session.flush()
        shape = document_shape(session, reader, document_id)
    publish_soon(parts)
    return shape


@router.post("/documents/{document_id}/cancel", status_code=202)
def cancel_document(document_id: UUID, reader: Uploading, parts: PartsOf) -> DocumentShape:
    """Stop the indexing of a document that is queued or in work; what served before goes on serving."""
    with parts.database.transaction() as session:
        document = find_document(session, reader, document_id, for_change=True)
        cancel(session, document, timedelta(seconds=parts.settings.worker.lease_s))
        audit.note(session, reader, "document.cancelled", document.id, corpus_id=document.corpus_id)
        session.flush()
        shape = document_shape(session, reader, document_id)
    publish_soon(parts)
    return shape


@router.put("/documents/{document_id}/access")
def put_access(document_id: UUID, body: AccessBody, reader: Admin, parts: PartsOf) -> AccessShape:
    """Say who may read a document; it holds from the next question on."""
    access = check_principals(body.access)
    with parts.database.transaction() as session:
        document = find_document(session, reader, document_id, for_change=True)
        session.execute(delete(DocumentAccess).where(DocumentAccess.document_id == document.id))
        session.add_all(DocumentAccess(document_id=document.id, principal=p) for p in access)
        version = session.get_one(Version, (document.id, document.version))
        version.access = list(access)
        mark_untidy(session, document.id)
        pass_on_access(session, document.id)
        _note_access(session, reader, document, access)
    publish_soon(parts)
    return AccessShape(access=sorted(access))


@router.get(
    "/documents/{document_id}/content",
    response_class=FileResponse,
    responses={200: {"content": {"*/*": {}}, "description": "The file, in its own media type."}},
)
def get_content(document_id: UUID, reader: Reading, parts: PartsOf) -> FileResponse:
    """Give the original file of the newest version."""
    with parts.database.reading() as session:
        document = find_document(session, reader, document_id)
        version = session.get_one(Version, (document.id, document.version))
        pipeline = session.get_one(Corpus, document.corpus_id).pipeline
    redaction = PipelineSettings.model_validate(pipeline).redaction
    if redaction.mode == "mask" and not redaction.keep_original:
        # It may be there: not indexed yet, or kept for another corpus that has the same bytes and masks nothing.
        raise _not_kept(document)
    _note_read(document, reader, "content", parts)
    try:
        return BlobResponse(
            parts.blobs.local_file(original_name(version.sha256)),
            media_type=version.media_type,
            filename=document.name,
            # An uploaded page must never run as if it were ours.
            headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"},
        )
    except NotFound as error:
        if version.elements is None:
            raise
        raise _not_kept(document) from error


def _not_kept(document: Document) -> NotFound:
    return NotFound(
        f"The original of {document.name!r} is not kept: its corpus masks personal data.",
        f"Read its masked text at /v1/documents/{document.id}/text.",
    )


@router.get("/documents/{document_id}/text")
def get_text(document_id: UUID, reader: Reading, parts: PartsOf) -> TextShape:
    """Give the canonical text of the serving version with its page map."""
    version, canonical, _ = _canonical(document_id, reader, "text", parts)
    return TextShape(
        document_id=document_id,
        version=version,
        title=canonical.title,
        text=canonical.text,
        page_map=[PageSpanShape(page=p.page, start=p.start, end=p.end) for p in canonical.page_map],
    )


@router.get("/documents/{document_id}/chunks")
def get_chunks(
    document_id: UUID,
    reader: Reading,
    parts: PartsOf,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[int, Query(ge=0, le=MOST_CHUNKS)] = 0,
) -> ChunkPage:
    """List what was indexed of the serving version, in order."""
    version, canonical, generation = _canonical(document_id, reader, "chunks", parts)
    with parts.database.reading() as session:
        rows = session.scalars(
            select(ChunkRow)
            .where(ChunkRow.document_id == document_id, ChunkRow.generation_id == generation)
            .where(ChunkRow.version == version, ChunkRow.ordinal >= cursor)
            .order_by(ChunkRow.ordinal)
            .limit(limit + 1)
        ).all()
    items = [
        ChunkShape(
            id=row.id,
            ordinal=row.ordinal,
            page=row.page,
            span=(row.span_start, row.span_end),
            heading_path=row.heading_path,
            tokens=row.tokens,
            text=canonical.text[row.span_start : row.span_end],
        )
        for row in rows[:limit]
    ]
    return ChunkPage(items=items, next_cursor=str(rows[limit].ordinal) if len(rows) > limit else None)


def _note_access(session: Session, reader: Reader, document: Document, access: Sequence[str]) -> None:
    audit.note(
        session, reader, "document.access_changed", document.id, corpus_id=document.corpus_id, access=sorted(access)
    )


def _note_read(document: Document, reader: Reader, what: str, parts: Parts) -> None:
    # Who waits for a document asks for its state twice a second: one entry a minute says as much.
    if what != "details" or parts.lately.is_new((reader.user, reader.key_id, document.id)):
        audit.record(parts.database, reader, "document.read", document.id, corpus_id=document.corpus_id, what=what)


def _canonical(document_id: UUID, reader: Reader, what: str, parts: Parts) -> tuple[int, CanonicalText, UUID]:
    with parts.database.reading() as session:
        document = find_document(session, reader, document_id)
        corpus = session.get_one(Corpus, document.corpus_id)
        indexing = session.scalar(
            select(Indexing).where(
                Indexing.document_id == document.id,
                Indexing.generation_id == corpus.serving_generation,
                Indexing.version == document.serving_version,
            )
        )
    if indexing is None:
        raise NotFound("No version of this document serves yet.", "Wait until its state is 'ready'.")
    _note_read(document, reader, what, parts)
    return indexing.version, load_canonical(parts.blobs.get(text_of(indexing))), indexing.generation_id


@router.get("/documents/{document_id}/events", response_class=EventSourceResponse)
async def document_events(document_id: UUID, reader: Reading, parts: PartsOf) -> EventSourceResponse:
    """Stream a document's progress until it is settled."""
    first = await to_thread.run_sync(get_document, document_id, reader, parts)
    return EventSourceResponse(progress(first, partial(_look_again, document_id, reader, parts), is_settled, _POLL_S))


def _look_again(document_id: UUID, reader: Reader, parts: Parts) -> DocumentShape:
    with parts.database.reading() as session:
        check_still_valid(session, reader)
        find_document(session, reader, document_id)
        return document_shape(session, reader, document_id)
