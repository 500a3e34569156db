"""What was made of one document's version becomes the catalog's truth: what was understood, then what serves."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from ingest import pipeline
from ingest.likeness import likeness
from moat.blobs import parsed_name
from moat.documents import mark_untidy, pass_on_access
from moat.errors import LostClaim
from moat.ledger import CallContext
from moat.pipeline_settings import PipelineSettings
from moat.records import Chunk, DocumentState, ParsedDocument
from moat.tables import ChunkRow, Corpus, Document, DocumentAccess, Indexing, Version, utc_now
from moat.vectors import point_id
from workers.claims import Claim, enter, fenced, over
from workers.endings import wake_reindex
from workers.kept_vectors import KeptVectors
from workers.likeness import note_likeness
from workers.originals import drop_unmasked
from workers.parts import Parts
from workers.texts import keep_text


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
    charged: CallContext  # what of it has to be paid
    elements: str | None  # masked elements that stand in for an original that is gone

    @property
    def masks(self) -> bool:
        return self.pipeline.redaction.mode == "mask"

    @property
    def elements_name(self) -> str:
        return parsed_name(self.sha256, self.media_type, pipeline.stored_as(self.pipeline))


@dataclass(frozen=True, slots=True)
class Understood:
    """What parsing and cutting made of a document, and what has to be stored of the first."""

    parsed: ParsedDocument
    unsaved: bytes | None
    prepared: pipeline.Prepared


def note_understood(claim: Claim, work: Work, found: Understood, parts: Parts) -> None:
    """Keep what was understood before the vectors are made: a crash loses less of a long document."""
    with parts.database.transaction() as session:
        row = fenced(session, claim)
        version = session.get_one(Version, (claim.document_id, claim.version))
        _keep_understood(session, row, version, work, found, parts)
        enter(session, row, DocumentState.EMBEDDING)


def conclude(
    claim: Claim,
    work: Work,
    found: Understood,
    *,
    noted: bool,
    kept: KeptVectors,
    embedded: int,
    timings: dict[str, float],
    parts: Parts,
) -> None:
    """Make the version serve in its generation, in one commit; `noted`: what was understood is kept already."""
    alike = likeness(found.prepared.canonical.text, found.prepared.language)
    # What changes is written once, at the flush: each row's changes are many here.
    with parts.database.transaction() as session, session.no_autoflush:
        row = fenced(session, claim)
        kept.save()  # under the claim, as all that is made of a document: a deleted one must leave no words on the disk
        document, version, serving = _subject(session, claim)
        if not noted:
            _keep_understood(session, row, version, work, found, parts)
        overtaken = _write_chunks(session, claim, document, found.prepared.chunks)
        row.chunks, row.progress, row.timings = len(found.prepared.chunks), 1.0, timings
        row.failures, row.report = 0, found.prepared.report | {"embedded": embedded}
        note_likeness(session, document, version, alike)
        if serving == row.generation_id:
            _serve(session, document, version)
        over(row, DocumentState.READY)
        session.flush()
        # A newer version that was quicker has tidied already: what this one wrote since would stay for ever.
        again = claim.version > 1 or claim.fence > 1
        if overtaken or again or work.access != _access(session, claim.document_id):
            mark_untidy(session, claim.document_id)
        wake_reindex(session, claim.generation_id)
        if work.masks:
            drop_unmasked(session, version, parts)


def _keep_understood(
    session: Session, row: Indexing, version: Version, work: Work, found: Understood, parts: Parts
) -> None:
    """Store elements and text; under the claim: a document deleted meanwhile must leave no words on the disk."""
    if found.unsaved is not None:
        # Masked ones may have to stand in for the original; others are made again if a crash loses them.
        parts.blobs.put(work.elements_name, found.unsaved, durable=work.masks)
    keep_text(session, row, found.prepared.canonical, parts)
    version.title, version.pages = found.prepared.canonical.title, found.parsed.pages
    version.elements = work.elements_name if work.masks else work.elements


def _subject(session: Session, claim: Claim) -> tuple[Document, Version, UUID | None]:
    """Load and hold what is concluded, with the generation that its corpus serves."""
    found = session.execute(
        select(Document, Version, Corpus.serving_generation)
        .join(Version, (Version.document_id == Document.id) & (Version.number == claim.version))
        .join(Corpus, Corpus.id == Document.corpus_id)
        .where(Document.id == claim.document_id)
        .with_for_update(of=Document)
    ).one_or_none()
    if found is None or found.Document.state == DocumentState.DELETING:
        raise LostClaim(f"Document {claim.document_id} was deleted meanwhile.")
    return found.Document, found.Version, found.serving_generation


def _write_chunks(session: Session, claim: Claim, document: Document, chunks: tuple[Chunk, ...]) -> bool:
    """Replace the chunks of this version and older ones; True when a newer version's stand there and stay."""
    if claim.fence > 1 or document.version > 1:  # else nobody can have written any
        its = (ChunkRow.document_id == claim.document_id, ChunkRow.generation_id == claim.generation_id)
        session.execute(delete(ChunkRow).where(*its, ChunkRow.version <= claim.version))
        if session.scalar(select(ChunkRow.version).where(*its).limit(1)) is not None:
            return True
    session.execute(insert(ChunkRow), [_chunk_row(claim, chunk) for chunk in chunks])
    return False


def _chunk_row(claim: Claim, chunk: Chunk) -> dict[str, Any]:
    return {
        "id": point_id(claim.generation_id, claim.document_id, claim.version, chunk.ordinal),
        "generation_id": claim.generation_id,
        "document_id": claim.document_id,
        "version": claim.version,
        "ordinal": chunk.ordinal,
        "span_start": chunk.start,
        "span_end": chunk.end,
        "page": chunk.page,
        "heading_path": list(chunk.heading_path),
        "tokens": chunk.tokens,
    }


def _serve(session: Session, document: Document, version: Version) -> None:
    """Let readers see this version, unless a newer one serves already."""
    if document.version == version.number:
        document.state, document.updated_at = DocumentState.READY, utc_now()
    if (document.serving_version or 0) > version.number:
        return
    document.serving_version = version.number
    document.updated_at = utc_now()
    if version.access is not None and version.number == document.version:
        session.execute(delete(DocumentAccess).where(DocumentAccess.document_id == document.id))
        session.add_all(DocumentAccess(document_id=document.id, principal=p) for p in version.access)
        session.flush()
        pass_on_access(session, document.id)


def _access(session: Session, document_id: UUID) -> tuple[str, ...]:
    return tuple(
        sorted(session.scalars(select(DocumentAccess.principal).where(DocumentAccess.document_id == document_id)))
    )
