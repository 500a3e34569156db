"""One document's version into one generation: parse, chunk, embed, write, conclude."""

import logging
import time
import zlib
from uuid import UUID

from sqlalchemy import select, update

from ingest import pipeline
from ingest.embed import embed
from ingest.pack import key
from moat.blobs import original_name
from moat.embedder import Embedder
from moat.errors import NotFound
from moat.ledger import CallContext
from moat.llm.embedders import charged, is_paid
from moat.pipeline_settings import PipelineSettings
from moat.records import ParsedDocument
from moat.tables import Corpus, Document, DocumentAccess, Generation, Version
from moat.uploaders import charged_reader
from workers.claims import Claim, fenced
from workers.conclude import Understood, Work, conclude, note_understood
from workers.endings import concluded
from workers.kept_vectors import KeptVectors
from workers.members import accept_members
from workers.parts import Parts

log = logging.getLogger(__name__)

PROGRESS_EVERY_S = 1.0
# A worker that dies in a long document loses no more new vectors than these.
SAVED_EVERY = 512
# What was paid for is kept at once, as long as a document is short; of a long one no more than this part is lost.
PAID_SHARE = 16
# Chunks that are embedded in about a second.
SHORT = 16


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
    embedder = charged(parts.embedders, lambda: work.charged).get(work.pipeline.embedder)
    found = Understood(parsed, unsaved, pipeline.prepare(parsed, work.filename, work.pipeline, embedder))
    _ensure_collection(claim, work, embedder, parts)
    # A short document is embedded at once: what was understood of it is kept in the commit that concludes it, unless
    # that one may remove the original.
    noted = len(found.prepared.chunks) > SHORT or bool(parsed.members) or work.masks
    if noted:
        note_understood(claim, work, found, parts)
        accept_members(claim, parsed.members, parts)
    chunked_at = time.monotonic()
    kept, embedded = _write_vectors(claim, work, found.prepared, embedder, parts)
    timings = {
        "parse_s": round(parsed_at - started, 3),
        "chunk_s": round(chunked_at - parsed_at, 3),
        "embed_s": round(time.monotonic() - chunked_at, 3),
    }
    conclude(claim, work, found, noted=noted, kept=kept, embedded=embedded, timings=timings, parts=parts)


def _load(claim: Claim, parts: Parts) -> Work:
    with parts.database.reading() as session:
        row = session.execute(
            select(
                *(Version.sha256, Version.filename, Version.media_type, Version.elements, Version.uploader),
                *(Generation.collection, Generation.pipeline, Generation.fingerprint, Generation.dimension),
                *(Document.uploaded_by, Corpus.name.label("corpus")),
            )
            .select_from(Version)
            .join(Generation, Generation.id == claim.generation_id)
            .join(Document, Document.id == Version.document_id)
            .join(Corpus, Corpus.id == Document.corpus_id)
            .where(Version.document_id == claim.document_id, Version.number == claim.version)
        ).one()
        access = session.scalars(
            select(DocumentAccess.principal).where(DocumentAccess.document_id == claim.document_id)
        ).all()
    return Work(
        sha256=row.sha256,
        filename=row.filename,
        media_type=row.media_type,
        access=tuple(sorted(access)),
        collection=row.collection,
        pipeline=PipelineSettings.stored(row.pipeline),
        fingerprint=row.fingerprint,
        dimension=row.dimension,
        charged=CallContext(
            None, charged_reader(row.uploader, row.uploaded_by), (row.corpus,), document_id=claim.document_id
        ),
        elements=row.elements,
    )


def _parsed(work: Work, parts: Parts) -> tuple[ParsedDocument, bytes | None]:
    """Reuse what was parsed of the same bytes before, else parse and mask what the corpus wants masked.

    The second is what has to be stored of it.
    """
    known = _known(work, parts)
    if known is not None:
        return known, None
    parsed = pipeline.redact(_read(work, parts), work.pipeline.redaction)
    # What was masked once must not pass for what others, who mask nothing, would find in these bytes.
    keeps = work.elements is None or work.masks
    return parsed, pipeline.dump_parsed(parsed) if keeps else None


def _known(work: Work, parts: Parts) -> ParsedDocument | None:
    name = work.elements_name
    try:
        return pipeline.load_parsed(parts.blobs.get(name))
    except NotFound:
        return None
    except (ValueError, EOFError, OSError, zlib.error) as error:
        if work.elements == name:
            raise  # there may be no original to parse again
        log.warning("the elements in %s cannot be read; the document is parsed again: %s", name, error)
        return None


def _read(work: Work, parts: Parts) -> ParsedDocument:
    """Parse the original, or take the masked elements that were kept in its place."""
    try:
        with parts.blobs.local_file(original_name(work.sha256)) as path:
            return parts.sandbox.parse(path, work.media_type, work.filename)
    except NotFound:
        if work.elements is None:
            raise
        return pipeline.load_parsed(parts.blobs.get(work.elements))


def _ensure_collection(claim: Claim, work: Work, embedder: Embedder, parts: Parts) -> None:
    tokens = work.pipeline.late_interaction and embedder.gives_tokens
    parts.vectors.create(work.collection, embedder.dimension, tokens=tokens)
    if work.dimension is not None:
        return
    with parts.database.transaction() as session:
        session.execute(
            update(Generation)
            .where(Generation.id == claim.generation_id, Generation.dimension.is_(None))
            .values(dimension=embedder.dimension)
        )


def _write_vectors(
    claim: Claim, work: Work, prepared: pipeline.Prepared, embedder: Embedder, parts: Parts
) -> tuple[KeptVectors, int]:
    """Write the points; give the vectors to keep, and how many of them had to be made."""
    chunks = prepared.chunks
    kept = KeptVectors(work.sha256, work.fingerprint, parts.blobs)
    tokens = work.pipeline.late_interaction and embedder.gives_tokens
    wanted = (key(embedder, c.text, tokens=tokens) for c in chunks)
    kept.look_around(wanted, work.sha256, claim.document_id, parts.database)
    known = len(kept.vectors)
    paid = is_paid(embedder.name, parts.settings)
    done, told_at = 0, time.monotonic()
    known_vectors, language = kept.vectors, prepared.language
    for batch in embed(chunks, prepared.about, embedder, known=known_vectors, language=language, tokens=tokens):
        claim.check()
        parts.vectors.upsert(work.collection, claim.generation_id, claim.document_id, claim.version, work.access, batch)
        done += len(batch)
        if time.monotonic() - told_at >= PROGRESS_EVERY_S:
            told_at = time.monotonic()
            with parts.database.transaction() as session:
                fenced(session, claim).progress = done / max(1, len(chunks))
                if kept.unsaved >= SAVED_EVERY:
                    kept.save()
        if paid and kept.unsaved * PAID_SHARE >= len(kept.vectors):
            with parts.database.transaction() as session:
                fenced(session, claim)
                kept.save()
    return kept, len(kept.vectors) - known
