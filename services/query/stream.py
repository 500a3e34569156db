"""An answer as server-sent events, closed in order whatever the client does."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict
from typing import Any

from anyio import CancelScope
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from answering.answer import Cited, Done, Event, Sources, Token
from answering.body import body_of
from answering.fuse import FUSED
from moat.errors import MoatError
from moat.records import Passage
from moat.vector_search import SPARSE
from services.problems import of_error, problem

log = logging.getLogger(__name__)


class AnswerStream(EventSourceResponse):
    """Streams events, and closes their source even when the client vanished while something was being sent.

    A generator that is merely dropped runs its ending whenever it is collected; the bill of the call under way
    would be written then, or never. Closing it here, shielded, books it before the request is over.
    """

    def __init__(self, first: Event, events: AsyncGenerator[Event], **options: Any) -> None:
        super().__init__(_frames(first, events), ping=15, **options)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await self._events.aclose()


async def _frames(first: Event, events: AsyncIterator[Event]) -> AsyncIterator[ServerSentEvent]:
    yield frame(first)
    try:
        async for event in events:
            yield frame(event)
    except MoatError as error:
        yield ServerSentEvent(json.dumps(of_error(error)), event="error")
    except Exception:  # the process's edge: the status is sent already, so the client must hear of it here
        log.exception("an answer broke off")
        body = problem(500, "internal", "Something went wrong inside Moat", "The answer broke off.", "Ask again.")
        yield ServerSentEvent(json.dumps(body), event="error")


def frame(event: Event) -> ServerSentEvent:
    """Write one event as a server-sent one."""
    match event:
        case Sources(passages):
            return ServerSentEvent(json.dumps({"passages": [passage_body(p) for p in passages]}), event="sources")
        case Token(text):
            return ServerSentEvent(json.dumps({"text": text}), event="token")
        case Cited(citation):
            return ServerSentEvent(json.dumps(asdict(citation), default=str), event="citation")
        case Done(answer):
            return ServerSentEvent(json.dumps(body_of(answer)), event="done")


def passage_body(passage: Passage, *, explain: bool = False, weigh: bool = False) -> dict[str, Any]:
    """Write a passage as plain JSON values; `weigh` shows scores that count unreadable words."""
    body: dict[str, Any] = {
        "passage_id": str(passage.passage_id),
        "document_id": str(passage.document_id),
        "key": passage.key,
        "title": passage.title,
        "corpus": passage.corpus,
        "page": passage.page,
        "pages": list(passage.pages),
        "span": list(passage.span),
        "text": passage.text,
        "score": passage.score,
        "heading_path": list(passage.heading_path),
        "flags": list(passage.flags),
    }
    if explain:
        body["arms"] = {
            name: {"rank": arm.rank, "score": arm.score if weigh or name not in (SPARSE, FUSED) else None}
            for name, arm in passage.arms.items()
        }
    return body
