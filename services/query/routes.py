"""Routes of questions."""

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Header, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from sqlalchemy import delete
from sse_starlette import EventSourceResponse, ServerSentEvent

from answering.accounts import on_account
from answering.answer import Done, Event, Query, Retrieval, answer, estimate, search
from answering.body import body_of, dollars
from answering.conversation import in_conversation
from answering.explain import explain
from answering.flags import flagged
from answering.history import find_answer, shown
from answering.reading import read
from moat import audit
from moat.errors import Forbidden, TooLarge
from moat.records import Reader
from moat.tables import AnswerRow, Feedback
from services.dependencies import Asking, PartsOf
from services.idempotency import Once
from services.metrics import Metrics
from services.parts import Parts
from services.query.schemas import (
    AnswerBody,
    AnswerShape,
    EstimateShape,
    FeedbackBody,
    QuestionBody,
    SearchBody,
    SearchShape,
)
from services.query.stream import AnswerStream, passage_body
from services.turns import turn_of

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["questions"])
MARGIN = timedelta(minutes=1)
_SSE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "The answer, or its events with `stream`."}
}


@router.post("/search", response_model=SearchShape)
async def search_passages(body: SearchBody, request: Request, reader: Asking, parts: PartsOf) -> JSONResponse:
    """Find passages without asking a model."""
    async with turn_of(reader, request):
        return await to_thread.run_sync(_search, body, reader, parts)


def _search(body: SearchBody, reader: Reader, parts: Parts) -> JSONResponse:
    _check(body, parts)
    if body.retrieval is not None and not reader.is_admin:
        raise Forbidden("Only an admin may choose how to retrieve.", "Leave 'retrieval' out.")
    chosen = body.retrieval
    retrieval = Retrieval(tuple(dict.fromkeys(chosen.arms)), chosen.fusion, chosen.rerank) if chosen else None
    asked_for = Query(
        body.question,
        _corpora(body),
        _documents(body),
        limit=body.limit,
        retrieval=retrieval,
        earlier=tuple(body.earlier),
    )
    query = in_conversation(asked_for, reader, parts.answering)
    found = search(query, reader, on_account(query, reader, parts.answering, None))
    if parts.settings.log_questions:
        log.info("search", extra={"user": reader.user, "question": body.question})
    shown_ids = sorted({str(p.document_id) for p in found.passages})
    asked: dict[str, Any] = {"question": body.question} if parts.settings.audit.questions else {}
    audit.record(parts.database, reader, "search.asked", documents=shown_ids, **asked)
    marked = flagged(found.passages, parts.database)
    passages = [passage_body(p, explain=body.explain, weigh=reader.is_admin) for p in marked]
    told = {"passages": passages, "timings": dict(found.timings), "skipped": dict(found.skipped)}
    if body.explain and reader.is_admin:  # what it rests on counts words in documents of others too
        model = parts.settings.default_model
        told["reading"] = asdict(explain(read(query, found, model, parts.answering)))
    return JSONResponse(jsonable_encoder(told))


@router.post("/answers", response_model=AnswerShape | EstimateShape, responses=_SSE)
async def ask(
    body: AnswerBody,
    request: Request,
    reader: Asking,
    parts: PartsOf,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Answer a question with citations and what it cost; `stream` sends it as it is made."""
    _check(body, parts)
    if body.passage_ids is not None and not reader.is_admin:
        raise Forbidden("Only an admin may choose the passages.", "Leave 'passage_ids' out.")
    passages = tuple(body.passage_ids) if body.passage_ids is not None else None
    query = Query(
        body.question,
        _corpora(body),
        _documents(body),
        body.model,
        answer_id=uuid4(),
        passage_ids=passages,
        max_cost_usd=body.max_cost_usd,
        conversation_id=body.conversation_id,
        earlier=tuple(body.earlier),
    )
    # Until the passages are found, which comes with the first event; to wait for a model needs no turn.
    async with turn_of(reader, request):
        if body.dry_run:
            return JSONResponse(await to_thread.run_sync(_estimate, query, reader, parts))
        limits = parts.settings.answering
        lasts_at_most = timedelta(seconds=limits.deadline_s + limits.drain_s) + MARGIN
        asked = body.model_dump_json()
        once = Once(parts.database, reader, "POST /v1/answers", idempotency_key, asked, lasts_at_most=lasts_at_most)
        stored = await to_thread.run_sync(once.begin)
        if stored is not None:
            again = await to_thread.run_sync(_recall, UUID(stored.body["id"]), reader, parts)
            return _replayed(again) if body.stream else JSONResponse(again, stored.status)
        events = answer(query, reader, parts.answering)
        settings = parts.settings
        counted: Metrics = request.app.state.metrics
        # Others are no label of a metric.
        model = body.model if body.model in settings.models else settings.default_model
        told = _told(events, body, reader) if settings.log_questions else events
        recorded = _recording(told, once, counted, model)
        # An error before the first event still has a status of its own; later a stream can only tell it as an event.
        first = await anext(recorded)
    if body.stream:
        return AnswerStream(first, recorded)
    async with aclosing(recorded):
        async for event in recorded:
            if isinstance(event, Done):
                return JSONResponse(body_of(event.answer))
    raise RuntimeError("an answer ended without its last event")


def _estimate(query: Query, reader: Reader, parts: Parts) -> dict[str, Any]:
    found = estimate(query, reader, parts.answering)
    audit.record(parts.database, reader, "answer.priced")
    amounts = {name: dollars(getattr(found, name)) for name in ("minimum_usd", "expected_usd", "ceiling_usd")}
    return EstimateShape(**(asdict(found) | amounts)).model_dump()


async def _recording(events: AsyncGenerator[Event], once: Once, counted: Metrics, model: str) -> AsyncGenerator[Event]:
    """Pass events on, keep the finished answer for a repetition, and close the source with itself."""
    finished = False
    try:
        async for event in events:
            if isinstance(event, Done):
                with CancelScope(shield=True):
                    # The id alone: a repetition is shown what its reader may read by then.
                    await to_thread.run_sync(once.keep, 200, {"id": str(event.answer.id)})
                counted.note_answer(event.answer)
                finished = True
            yield event
    finally:
        # Unshielded, the cancellation of a reader who left would end this here, and the key would stay taken.
        with CancelScope(shield=True):
            await events.aclose()
            if not finished:
                counted.note_failure(model)
                await to_thread.run_sync(once.forget)


async def _told(events: AsyncGenerator[Event], body: AnswerBody, reader: Reader) -> AsyncGenerator[Event]:
    """Pass events on, with question and answer into the log: an operator has asked for them."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                shown = {"user": reader.user, "question": body.question, "answer": event.answer.answer}
                log.info("answer", extra=shown)
            yield event


def _replayed(body: dict[str, Any]) -> EventSourceResponse:
    async def events() -> AsyncGenerator[ServerSentEvent]:
        yield ServerSentEvent(json.dumps(body), event="done")

    return EventSourceResponse(events())


def _check(body: QuestionBody, parts: Parts) -> None:
    limit = parts.settings.api.max_question_chars
    longest = max(map(len, (body.question, *body.earlier)))
    if longest > limit:
        raise TooLarge(
            f"The question has {longest:,} characters; the limit is {limit:,}.",
            "Ask a shorter question, or upload the long text as a document.",
        )


def _corpora(body: QuestionBody) -> tuple[str, ...] | None:
    return tuple(body.corpora) if body.corpora is not None else None


def _documents(body: QuestionBody) -> tuple[UUID, ...] | None:
    return tuple(body.document_ids) if body.document_ids is not None else None


@router.get("/answers/{answer_id}", response_model=AnswerShape)
def get_answer(answer_id: UUID, reader: Asking, parts: PartsOf) -> JSONResponse:
    """Show one of your own answers again; its text is withheld once you may not read all that it drew on."""
    return JSONResponse(_recall(answer_id, reader, parts))


@router.post("/answers/{answer_id}/feedback", status_code=204)
def give_feedback(answer_id: UUID, body: FeedbackBody, reader: Asking, parts: PartsOf) -> None:
    """Say whether an answer helped; the last word counts."""
    with parts.database.transaction() as session:
        find_answer(session, reader, answer_id)
        session.get(AnswerRow, answer_id, with_for_update=True)  # one at a time
        session.execute(delete(Feedback).where(Feedback.answer_id == answer_id))
        audit.note(session, reader, "answer.rated", answer_id)
        session.add(Feedback(answer_id=answer_id, rating=body.rating, comment=body.comment))


def _recall(answer_id: UUID, reader: Reader, parts: Parts) -> dict[str, Any]:
    with parts.database.transaction() as session:
        found = shown(session, reader, find_answer(session, reader, answer_id))
        audit.note(session, reader, "answer.read", answer_id)
        return found
