"""One document's version into one generation: parse, chunk, embed, write, conclude."""

import time
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ingest import pipeline
from ingest.embed import embed
from ingest.likeness import likeness
from ingest.pack import key
from moat.blobs import original_name, parsed_name
from moat.documents import mark_untidy, pass_on_access
from moat.embedder import Embedder
from moat.errors import LostClaim, NotFound
from moat.records import CanonicalText, Chunk, DocumentState, ParsedDocument
from moat.settings import PipelineSettings
from moat.tables import (
    ChunkRow,
    Corpus,
    Document,
    DocumentAccess,
    Generation,
    Indexing,
    Version,
    utc_now,
)
from moat.vectors import point_id
from workers.claims import Claim, enter, fenced, finish
from workers.endings import concluded, wake_reindex
from workers.kept_vectors import KeptVectors
from workers.likeness import note_likeness
from workers.members import accept_members
from workers.originals import drop_unmasked
from workers.parts import Parts
from workers.texts import keep_text

PROGRESS_EVERY_S = 1.0
# A worker that dies in a long document loses no more new vectors than these.
SAVED_EVERY = 512


@dataclass(frozen=True, slots=True)
class Work:
    """What the catalog says about a claimed indexing."""

    sha256: str
    filename: str
    media_type: str
    access: tuple[str, ...]
    collection: str
    pipeline: PipelineSettings
    fingerprint: str
    dimension: int | None  # of the generation's collection, once there is one
    elements: str | None  # masked elements that stand in for an original that is gone


def ingest_once(indexing_id: UUID, parts: Parts) -> None:
    """Do an indexing if it is there to be done; every ending is written to the catalog."""
    with parts.claims.taken(indexing_id) as claim:
        if claim is None:
            return
        with concluded(claim, parts):
            _ingest(claim, parts)


def _ingest(claim: Claim, parts: Parts) -> None:
    started = time.monotonic()
    work = _load(claim, parts)
    parsed, unsaved = _parsed(work, parts)
    parsed_at = time.monotonic()
    embedder = parts.embedders.get(work.pipeline.embedder)
    prepared = pipeline.prepare(parsed, work.filename, work.pipeline, embedder)
    _ensure_collection(claim, work, embedder, parts)
    _note_parsed(claim, work, parsed, unsaved, prepared.canonical, parts)
    accept_members(claim, parsed.members, parts)
    chunked_at = time.monotonic()
    kept, embedded = _write_vectors(claim, work, prepared.chunks, prepared.canonical.title, embedder, parts)
    timings = {
        "parse_s": round(parsed_at - started, 3),
        "chunk_s": round(chunked_at - parsed_at, 3),
        "embed_s": round(time.monotonic() - chunked_at, 3),
    }
    _conclude(claim, work, prepared, kept, embedded, timings, parts)


def _load(claim: Claim, parts: Parts) -> Work:
    with parts.database.reading() as session:
        version = session.get_one(Version, (claim.document_id, claim.version))
        generation = session.get_one(Generation, claim.generation_id)
        access = session.scalars(
            select(DocumentAccess.principal).where(DocumentAccess.document_id == claim.document_id)
        ).all()
        return Work(
            version.sha256,
            version.filename,
            version.media_type,
            tuple(sorted(access)),
            generation.collection,
            PipelineSettings.model_validate(generation.pipeline),
            generation.fingerprint,
            generation.dimension,
            version.elements,
        )


def _parsed(work: Work, parts: Parts) -> tuple[ParsedDocument, bytes | None]:
    """Reuse what was parsed of the same bytes before, else parse and mask what the corpus wants masked.

    The second is what has to be stored of it.
    """
    try:
        return pipeline.load_parsed(parts.blobs.get(_elements_name(work))), None
    except NotFound:
        parsed = pipeline.redact(_read(work, parts), work.pipeline.redaction)
        # What was masked once must not pass for what others, who mask nothing, would find in these bytes.
        keeps = work.elements is None or work.pipeline.redaction.mode == "mask"
        return parsed, pipeline.dump_parsed(parsed) if keeps else None


def _read(work: Work, parts: Parts) -> ParsedDocument:
    """Parse the original, or take the masked elements that were kept in its place."""
    try:
        with parts.blobs.local_file(original_name(work.sha256)) as path:
            return parts.sandbox.parse(path, work.media_type, work.filename)
    except NotFound:
        if work.elements is None:
            raise
        return pipeline.load_parsed(parts.blobs.get(work.elements))


def _elements_name(work: Work) -> str:
    return parsed_name(work.sha256, work.media_type, pipeline.stored_as(work.pipeline))


def _ensure_collection(claim: Claim, work: Work, embedder: Embedder, parts: Parts) -> None:
    parts.vectors.create(work.collection, embedder.dimension)
    if work.dimension is not None:
        return
    with parts.database.transaction() as session:
        session.execute(
            update(Generation)
            .where(Generation.id == claim.generation_id, Generation.dimension.is_(None))
            .values(dimension=embedder.dimension)
        )


def _note_parsed(
    claim: Claim, work: Work, parsed: ParsedDocument, unsaved: bytes | None, canonical: CanonicalText, parts: Parts
) -> None:
    masked = work.pipeline.redaction.mode == "mask"
    with parts.database.transaction() as session:
        # Under the claim: a document that was deleted meanwhile must not leave its words on the disk.
        row = fenced(session, claim)
        if unsaved is not None:
            parts.blobs.put(_elements_name(work), unsaved)
        keep_text(session, row, canonical, parts)
        session.execute(
            update(Version)
            .where(Version.document_id == claim.document_id, Version.number == claim.version)
            .values(
                title=canonical.title,
                pages=parsed.pages,
                elements=_elements_name(work) if masked else work.elements,
            )
        )
        enter(session, row, DocumentState.EMBEDDING)


def _write_vectors(
    claim: Claim, work: Work, chunks: tuple[Chunk, ...], title: str, embedder: Embedder, parts: Parts
) -> tuple[KeptVectors, int]:
    """Write the points; give the vectors to keep, and how many of them had to be made."""
    kept = KeptVectors(work.sha256, work.fingerprint, parts.blobs)
    kept.look_around((key(embedder, c.text) for c in chunks), work.sha256, claim.document_id, parts.database)
    known = len(kept.vectors)
    done, told_at = 0, time.monotonic()
    for batch in embed(chunks, title, embedder, known=kept.vectors):
        claim.check()
        parts.vectors.upsert(work.collection, claim.generation_id, claim.document_id, claim.version, work.access, batch)
        done += len(batch)
        if time.monotonic() - told_at >= PROGRESS_EVERY_S:
            told_at = time.monotonic()
            with parts.database.transaction() as session:
                fenced(session, claim).progress = done / max(1, len(chunks))
                if kept.unsaved >= SAVED_EVERY:
                    kept.save()
    return kept, len(kept.vectors) - known


def _conclude(
    claim: Claim,
    work: Work,
    prepared: pipeline.Prepared,
    kept: KeptVectors,
    embedded: int,
    timings: dict[str, float],
    parts: Parts,
) -> None:
    """Make the version serve in its generation, in one commit."""
    chunks, alike = prepared.chunks, likeness(prepared.canonical.text)
    with parts.database.transaction() as session:
        row = fenced(session, claim)
        kept.save()  # under the claim, as all that is made of a document: see `_parsed`
        document = session.scalar(select(Document).where(Document.id == claim.document_id).with_for_update())
        if document is None or document.state == DocumentState.DELETING:
            raise LostClaim(f"Document {claim.document_id} was deleted meanwhile.")
        session.execute(
            delete(ChunkRow).where(
                ChunkRow.document_id == claim.document_id,
                ChunkRow.generation_id == claim.generation_id,
                ChunkRow.version <= claim.version,
            )
        )
        newer = session.scalar(
            select(ChunkRow.version).where(
                ChunkRow.document_id == claim.document_id, ChunkRow.generation_id == claim.generation_id
            )
        )
        if newer is None:
            session.add_all(_chunk_row(claim, chunk) for chunk in chunks)
        row.chunks, row.progress, row.timings = len(chunks), 1.0, timings
        row.failures, row.report = 0, prepared.report | {"embedded": embedded}
        note_likeness(session, document, claim.version, alike)
        _serve(session, row, document)
        finish(session, row, DocumentState.READY)
        # A newer version that was quicker has tidied already: what this one wrote since would stay for ever.
        overtaken = newer is not None
        if overtaken or claim.version > 1 or claim.fence > 1 or work.access != _access(session, claim.document_id):
            mark_untidy(session, claim.document_id)
        wake_reindex(session, claim.generation_id)
        if work.pipeline.redaction.mode == "mask":
            drop_unmasked(session, session.get_one(Version, (claim.document_id, claim.version)), parts)


def _chunk_row(claim: Claim, chunk: Chunk) -> ChunkRow:
    return ChunkRow(
        id=point_id(claim.generation_id, claim.document_id, claim.version, chunk.ordinal),
        generation_id=claim.generation_id,
        document_id=claim.document_id,
        version=claim.version,
        ordinal=chunk.ordinal,
        span_start=chunk.start,
        span_end=chunk.end,
        page=chunk.page,
        heading_path=list(chunk.heading_path),
        tokens=chunk.tokens,
    )


def _serve(session: Session, row: Indexing, document: Document) -> None:
    """Let readers see this version, unless it is another generation's or a newer one serves already."""
    corpus = session.get_one(Corpus, document.corpus_id)
    if corpus.serving_generation != row.generation_id or (document.serving_version or 0) > row.version:
        return
    document.serving_version = row.version
    document.updated_at = utc_now()
    version = session.get_one(Version, (document.id, row.version))
    if version.access is not None and row.version == document.version:
        session.execute(delete(DocumentAccess).where(DocumentAccess.document_id == document.id))
        session.add_all(DocumentAccess(document_id=document.id, principal=p) for p in version.access)
        pass_on_access(session, document.id)


def _access(session: Session, document_id: UUID) -> tuple[str, ...]:
    session.flush()
    return tuple(
        sorted(session.scalars(select(DocumentAccess.principal).where(DocumentAccess.document_id == document_id)))
    )
