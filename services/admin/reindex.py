"""Routes of reindexing: what it would take, its job, its progress."""

from functools import partial
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from sse_starlette import EventSourceResponse

from answering.body import dollars
from ingest.pipeline import fingerprint
from moat import audit
from moat.access import check_still_valid, find_corpus, rule
from moat.embedding_price import embedding_price
from moat.errors import Conflict, NotFound
from moat.generations import progress as generation_progress
from moat.generations import start_reindex
from moat.jobs import ADVANCE_REINDEX, UPKEEP, enqueue
from moat.pipeline_settings import PipelineSettings
from moat.records import DocumentState, Reader
from moat.settings import Settings
from moat.tables import ChunkRow, Corpus, Document, Generation, Indexing, Job, utc_now
from services.admin.corpora import chosen_pipeline
from services.admin.schemas import JobShape, PlanShape, ReindexBody
from services.dependencies import Admin, PartsOf, publish_soon
from services.parts import Parts
from services.progress import progress

router = APIRouter(prefix="/v1", tags=["reindex"])
_POLL_S = 1.0


@router.post(
    "/corpora/{corpus}/reindex", status_code=202, response_model=JobShape, responses={200: {"model": PlanShape}}
)
def reindex(corpus: str, body: ReindexBody, reader: Admin, parts: PartsOf) -> Response:
    """Build the corpus's index anew beside the old one; `dry_run` says first what it takes."""
    with parts.database.transaction() as session:
        row = find_corpus(session, reader, corpus, "for_change")
        pipeline = chosen_pipeline(body, PipelineSettings.model_validate(row.pipeline), parts.settings)
        if body.dry_run:
            return JSONResponse(_plan(session, row, pipeline, parts.settings).model_dump(mode="json"))
        job = start_reindex(session, row, pipeline, fingerprint(pipeline), reader.user)
        enqueue(session, ADVANCE_REINDEX, job.id, queue=UPKEEP)
        audit.note(session, reader, "reindex.started", job.id, corpus_id=row.id)
        session.flush()
        shape = _shape(session, job)
    publish_soon(parts)
    return JSONResponse(shape.model_dump(mode="json"), 202)


def _plan(session: Session, corpus: Corpus, pipeline: PipelineSettings, settings: Settings) -> PlanShape:
    documents = session.scalar(
        select(func.count())
        .select_from(Document)
        .where(Document.corpus_id == corpus.id, Document.state != DocumentState.DELETING)
    )
    tokens = session.scalar(
        select(func.coalesce(func.sum(ChunkRow.tokens), 0)).where(ChunkRow.generation_id == corpus.serving_generation)
    )
    timings = session.scalars(select(Indexing.timings).where(Indexing.generation_id == corpus.serving_generation)).all()
    seconds = sum(t.get("chunk_s", 0.0) + t.get("embed_s", 0.0) for t in timings if t)
    price = embedding_price(pipeline.embedder, int(tokens or 0), settings)
    return PlanShape(
        documents=documents or 0,
        tokens=int(tokens or 0),
        cost_usd=dollars(price.expected_usd),
        ceiling_usd=dollars(price.ceiling_usd),
        why=price.why,
        minutes=round(seconds / 60, 1) if seconds else None,
        pipeline=pipeline.model_dump(),
    )


@router.get("/jobs/{job_id}")
def get_job(job_id: UUID, reader: Admin, parts: PartsOf) -> JobShape:
    """Show a job and how far it is."""
    with parts.database.reading() as session:
        return _shape(session, _find(session, reader, job_id))


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job_id: UUID, reader: Admin, parts: PartsOf) -> JobShape:
    """Stop a job; what served before goes on serving."""
    with parts.database.transaction() as session:
        job = _find(session, reader, job_id, for_change=True)
        if job.state != "running":
            raise Conflict(f"The job is {job.state} already.", "Only a running job can be cancelled.")
        job.state, job.finished_at = "cancelled", utc_now()
        audit.note(session, reader, "reindex.cancelled", job.id, corpus_id=job.corpus_id)
        session.execute(update(Generation).where(Generation.id == job.generation_id).values(state="abandoned"))
        session.flush()
        return _shape(session, job)


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def job_events(job_id: UUID, reader: Admin, parts: PartsOf) -> EventSourceResponse:
    """Stream a job's progress until it ends."""
    first = await to_thread.run_sync(get_job, job_id, reader, parts)
    look = partial(_look_again, job_id, reader, parts)
    return EventSourceResponse(progress(first, look, lambda job: job.state != "running", _POLL_S))


def _look_again(job_id: UUID, reader: Reader, parts: Parts) -> JobShape:
    with parts.database.reading() as session:
        check_still_valid(session, reader)
        return _shape(session, _find(session, reader, job_id))


def _find(session: Session, reader: Reader, job_id: UUID, *, for_change: bool = False) -> Job:
    found = select(Job).join(Corpus, Corpus.id == Job.corpus_id).where(Job.id == job_id, rule(reader).corpora())
    job = session.scalar(found.with_for_update(of=Job) if for_change else found)
    if job is None:
        raise NotFound(f"There is no job {job_id}.", "The id comes with the answer that started it.")
    return job


def _shape(session: Session, job: Job) -> JobShape:
    generation = session.get(Generation, job.generation_id)
    corpus = session.get_one(Corpus, job.corpus_id)
    total = done = ready = 0
    if generation is not None and generation.state != "dropped":
        state = generation_progress(session, generation)
        total, done, ready = state.documents, state.done, state.ready
    finished = job.state == "done"
    return JobShape(
        id=job.id,
        kind=job.kind,
        corpus=corpus.name,
        state=job.state,
        documents=total,
        done=done,
        ready=ready,
        progress=1.0 if finished else round(done / total, 4) if total else 0.0,
        detail=job.detail,
        hint=job.hint,
        requested_by=job.requested_by,
        created_at=job.created_at,
        finished_at=job.finished_at,
    )
