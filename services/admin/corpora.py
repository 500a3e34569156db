"""Routes of corpora."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from ingest.pipeline import fingerprint
from moat import audit
from moat.access import check_principals, find_corpus, readable_corpora, rule
from moat.corpora import create_corpus
from moat.documents import start_forgetting
from moat.errors import Conflict
from moat.llm.embedders import check_embedder
from moat.pipeline_settings import PipelineSettings
from moat.records import DocumentState, Reader
from moat.settings import Settings
from moat.tables import Corpus, CorpusAccess, Document, Generation, Indexing, Job, utc_now
from services.admin.schemas import CorpusBody, CorpusPage, CorpusPatch, CorpusShape, PipelineBody
from services.dependencies import Admin, PartsOf, Reading, publish_soon
from services.upload.views import state_counts

router = APIRouter(prefix="/v1/corpora", tags=["corpora"])


@router.post("", status_code=201)
def add_corpus(body: CorpusBody, reader: Admin, parts: PartsOf) -> CorpusShape:
    """Make an empty corpus."""
    start = PipelineSettings(embedder=parts.settings.embedder.default)
    pipeline = chosen_pipeline(body.pipeline, start, parts.settings)
    with parts.database.transaction() as session:
        parts.database.lock(session, f"corpus/{body.name}")
        corpus = create_corpus(session, body.name, body.access, pipeline, fingerprint(pipeline))
        corpus.reach = list(body.reach) or None
        audit.note(session, reader, "corpus.created", corpus.id, corpus_id=corpus.id, access=sorted(body.access))
        return corpus_shape(session, reader, corpus)


@router.get("")
def list_corpora(reader: Reading, parts: PartsOf) -> CorpusPage:
    """List the corpora you may read."""
    with parts.database.reading() as session:
        return CorpusPage(items=[corpus_shape(session, reader, c) for c in readable_corpora(session, reader)])


@router.get("/{corpus}")
def get_corpus(corpus: str, reader: Reading, parts: PartsOf) -> CorpusShape:
    """Show a corpus by id or name."""
    with parts.database.reading() as session:
        return corpus_shape(session, reader, find_corpus(session, reader, corpus))


@router.patch("/{corpus}")
def change_corpus(corpus: str, body: CorpusPatch, reader: Admin, parts: PartsOf) -> CorpusShape:
    """Rename a corpus, say who may read it, where its text may go, or whether answers are given again, at once."""
    with parts.database.transaction() as session:
        row = find_corpus(session, reader, corpus, "for_change")
        if body.name is not None and body.name != row.name:
            parts.database.lock(session, f"corpus/{body.name}")
            if session.scalar(select(Corpus.id).where(Corpus.name == body.name)) is not None:
                raise Conflict(f"There is a corpus {body.name!r} already.", "Choose another name.")
            row.name = body.name
        if body.access is not None:
            session.execute(delete(CorpusAccess).where(CorpusAccess.corpus_id == row.id))
            session.add_all(CorpusAccess(corpus_id=row.id, principal=p) for p in check_principals(body.access))
        if body.abstain_below is not None:
            row.abstain_below = body.abstain_below
        if body.cache_answers is not None:
            row.cache_answers = body.cache_answers
        if body.reach is not None:
            row.reach = list(body.reach) or None
        session.flush()
        changed: dict[str, Any] = {"changed": sorted(body.model_dump(exclude_none=True))}
        if body.access is not None:
            changed["access"] = sorted(body.access)
        if body.reach is not None:
            changed["reach"] = sorted(body.reach)
        audit.note(session, reader, "corpus.changed", row.id, corpus_id=row.id, **changed)
        return corpus_shape(session, reader, row)


@router.delete("/{corpus}", status_code=202)
def delete_corpus(corpus: str, reader: Admin, parts: PartsOf) -> CorpusShape:
    """Remove a corpus with all its documents; it is gone for readers at once."""
    with parts.database.transaction() as session:
        row = find_corpus(session, reader, corpus, "for_change")
        shape = corpus_shape(session, reader, row)
        live = select(Document).where(Document.corpus_id == row.id, Document.state != DocumentState.DELETING)
        for document in session.scalars(live).all():
            start_forgetting(session, document, reader, "corpus")
        session.execute(
            update(Job)
            .where(Job.corpus_id == row.id, Job.state == "running")
            .values(state="cancelled", finished_at=utc_now())
        )
        session.execute(
            update(Generation)
            .where(Generation.corpus_id == row.id, Generation.state != "dropped")
            .values(state="abandoned")
        )
        audit.note(session, reader, "corpus.deleted", row.id, corpus_id=row.id)
        row.deleted_at = utc_now()
        row.name = f"{row.name} (deleted {row.id.hex})"  # the name is free again
    publish_soon(parts)
    return shape


def chosen_pipeline(body: PipelineBody, start: PipelineSettings, settings: Settings) -> PipelineSettings:
    """Apply what a body asks to a pipeline, refusing an embedder that is not here."""
    asked = body.model_dump(include=set(PipelineSettings.model_fields), exclude_none=True, exclude_unset=True)
    chosen = start.model_dump()
    for name, value in asked.items():
        chosen[name] = chosen[name] | value if isinstance(value, dict) else value  # a section changes by its fields
    pipeline = PipelineSettings.model_validate(chosen)
    check_embedder(pipeline.embedder, settings)
    return pipeline


def corpus_shape(session: Session, reader: Reader, corpus: Corpus) -> CorpusShape:
    """Show a corpus, counting only what the reader may read of it."""
    access = session.scalars(select(CorpusAccess.principal).where(CorpusAccess.corpus_id == corpus.id)).all()
    counts = state_counts(session, reader, corpus.id)
    return CorpusShape(
        id=corpus.id,
        name=corpus.name,
        access=sorted(access),
        pipeline=corpus.pipeline,
        reach=corpus.reach,
        documents=sum(counts.values()),
        chunks=_chunks(session, reader, corpus.id, corpus.serving_generation),
        counts=counts,
        created_at=corpus.created_at,
        abstain_below=corpus.abstain_below,
        cache_answers=corpus.cache_answers,
    )


def _chunks(session: Session, reader: Reader, corpus_id: UUID, generation_id: UUID | None) -> int:
    total = session.scalar(
        select(func.coalesce(func.sum(Indexing.chunks), 0))
        .join(Document, Document.id == Indexing.document_id)
        .where(Document.corpus_id == corpus_id, Indexing.generation_id == generation_id)
        .where(Indexing.version == Document.serving_version, rule(reader).documents())
    )
    return int(total or 0)
