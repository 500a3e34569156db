"""A small Moat for browser tests: the real static files over an API in memory, which answers from what it was sent."""

import asyncio
import json
import re
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, File, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from sse_starlette.sse import EventSourceResponse

from services.web.routes import router

Event = tuple[str, dict[str, Any]]
STOP_WORDS = frozenset(
    {"the", "a", "of", "to", "is", "are", "be", "in", "at", "for", "and", "when", "which", "what", "how"}
)


@dataclass
class Hold:
    """Stands between scripted events: the stream waits here until the test opens the gate."""

    gate: threading.Event = field(default_factory=threading.Event)


@dataclass
class FakeMoat:
    """The state behind the fake API; tests script answers through `script` and look at what arrived."""

    key: str = "key_browser"
    corpora: dict[str, dict[str, Any]] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    widgets: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    signatures: list[str | None] = field(default_factory=list)
    script: deque[Sequence[Event | Hold]] = field(default_factory=deque)
    asked: list[dict[str, Any]] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    conversations: set[str] = field(default_factory=set)  # those that are known; none: every one is
    abandoned: int = 0

    def add_corpus(self, name: str) -> dict[str, Any]:
        corpus = {"id": str(uuid4()), "name": name}
        self.corpora[corpus["id"]] = corpus
        return corpus

    def add_document(self, corpus: str, name: str, text: str, state: str = "queued", **more: Any) -> dict[str, Any]:
        """Take a document in; it moves one state on each time the list is read."""
        document = {
            "id": str(uuid4()),
            "corpus": corpus,
            "key": name,
            "name": name,
            "state": state,
            "progress": 0.0,
            "error": None,
            "hint": None,
            "pages": max(1, text.count("\f") + 1),
            "chunks": len(text) // 800 + 1,
            "created_at": datetime.now(UTC).isoformat(),
            "text": text,
        } | more
        self.documents[document["id"]] = document
        return document

    def work(self, document: dict[str, Any]) -> None:
        following = {"queued": ("parsing", 0.2), "parsing": ("embedding", 0.7), "embedding": ("ready", 1.0)}
        if document["state"] == "deleting":
            del self.documents[document["id"]]
        elif document["state"] == "parsing" and document["text"].startswith("%PDF"):
            document |= {"state": "failed", "error": "The PDF ends early.", "hint": "Save it again from its source."}
        elif document["state"] in following:
            document["state"], document["progress"] = following[document["state"]]


def create_fake(moat: FakeMoat) -> FastAPI:
    """Build the app; its origin checks and answers to other origins are those the contract asks for."""
    app = FastAPI()
    app.include_router(router())

    @app.middleware("http")
    async def cross_origin(request: Request, call_next: Any) -> Response:
        origin = request.headers.get("origin", "")
        allowed = any(origin in widget["origins"] for widget in moat.widgets.values())
        response = Response() if request.method == "OPTIONS" else await call_next(request)
        if allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Headers"] = "authorization, content-type, accept"
            response.headers["Vary"] = "Origin"
        return response

    def refused(request: Request) -> JSONResponse | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token == moat.key or token in moat.sessions:
            return None
        return problem(401, "A valid key is needed", "No valid key or token came with the call.", "Paste another key.")

    @app.get("/v1/corpora")
    def list_corpora(request: Request) -> Any:
        def counted(corpus: dict[str, Any]) -> dict[str, Any]:
            held = [d for d in moat.documents.values() if d["corpus"] == corpus["id"]]
            return corpus | {"documents": len(held), "chunks": sum(d["chunks"] for d in held)}

        return refused(request) or {"items": [counted(c) for c in moat.corpora.values()], "next_cursor": None}

    @app.post("/v1/corpora", status_code=201)
    async def create_corpus(request: Request) -> Any:
        return refused(request) or moat.add_corpus((await request.json())["name"])

    @app.post("/v1/corpora/{corpus}/documents", status_code=202)
    async def upload(request: Request, corpus: str, files: list[UploadFile] = File()) -> Any:
        if refusal := refused(request):
            return refusal
        items = []
        for file in files:
            name = file.filename or ""
            if name.endswith(".exe"):
                told = {"title": "Unsupported", "detail": "Moat has no reader for .exe files.", "hint": "Send a PDF."}
                items.append({"filename": name, "state": "failed", "problem": told})
                continue
            document = moat.add_document(corpus, name, (await file.read()).decode("utf-8", "replace"))
            items.append({"filename": name, "id": document["id"], "state": "queued"})
        if all("problem" in item for item in items):
            return JSONResponse({**items[0]["problem"], "items": items}, 415)
        return {"items": items}

    @app.get("/v1/corpora/{corpus}/documents")
    def list_documents(request: Request, corpus: str, limit: int = 50) -> Any:
        if refusal := refused(request):
            return refusal
        mine = [d for d in moat.documents.values() if d["corpus"] == corpus]
        shown = [{k: v for k, v in d.items() if k not in ("text", "corpus")} for d in reversed(mine[-limit:])]
        counts = dict(Counter(d["state"] for d in mine))
        for document in mine:
            moat.work(document)
        return {"items": shown, "next_cursor": None, "counts": counts}

    @app.delete("/v1/documents/{document}", status_code=202)
    def delete(request: Request, document: str) -> Any:
        if not (refusal := refused(request)):
            moat.documents[document]["state"] = "deleting"
        return refusal or {"id": document, "state": "deleting"}

    @app.post("/v1/documents/{document}/retry", status_code=202)
    def retry(request: Request, document: str) -> Any:
        if not (refusal := refused(request)):
            moat.documents[document] |= {"state": "queued", "error": None, "hint": None, "progress": 0.0}
        return refusal or {"id": document, "state": "queued"}

    @app.get("/v1/documents/{document}/text")
    def text(request: Request, document: str) -> Any:
        held = moat.documents[document]["text"]
        return refused(request) or {"text": held, "page_map": page_map(held)}

    @app.post("/v1/widgets", status_code=201)
    async def create_widget(request: Request) -> Any:
        widget = {"id": f"wid_{uuid4().hex}", **await request.json()}
        if refusal := refused(request):
            return refusal
        moat.widgets[widget["id"]] = widget
        return widget

    @app.post("/v1/widget-sessions")
    async def start_session(request: Request) -> Any:
        wanted = await request.json()
        widget = moat.widgets.get(wanted["widget_id"])
        moat.signatures.append(wanted.get("signature"))
        if widget is None or request.headers.get("origin") not in widget["origins"]:
            return problem(403, "Not allowed", "This widget may not be shown on this site.", "Add the site to it.")
        token = f"session_{uuid4().hex}"
        moat.sessions[token] = widget["id"]
        return {"token": token, "expires_at": (datetime.now(UTC) + timedelta(minutes=15)).isoformat()}

    @app.post("/v1/answers")
    async def answers(request: Request) -> Any:
        if refusal := refused(request):
            return refusal
        body = await request.json()
        moat.asked.append(body)
        if moat.conversations and body.get("conversation_id") not in {None, *moat.conversations}:
            return problem(404, "Not found", "There is no such conversation.", "Begin one.", "no_conversation")
        events = moat.script.popleft() if moat.script else extract(moat, body)
        return EventSourceResponse(play(moat, request, events))

    @app.post("/v1/answers/{answer}/feedback", status_code=204)
    async def feedback(request: Request, answer: str) -> Response:
        if refusal := refused(request):
            return refusal
        moat.feedback.append({"answer": answer, **await request.json()})
        return Response(status_code=204)

    return app


async def play(moat: FakeMoat, request: Request, events: Sequence[Event | Hold]) -> AsyncIterator[dict[str, str]]:
    try:
        for event in events:
            if isinstance(event, Hold):
                while not event.gate.is_set():
                    await asyncio.sleep(0.02)
            else:
                yield {"event": event[0], "data": json.dumps(event[1])}
    except asyncio.CancelledError:
        moat.abandoned += 1
        raise


def extract(moat: FakeMoat, body: dict[str, Any]) -> list[Event]:
    """Answer with the uploaded sentence that shares most words with the question, or abstain when none shares two."""
    wanted = words(body["question"])
    best: tuple[int, dict[str, Any], re.Match[str]] | None = None
    for document in moat.documents.values():
        if document["state"] != "ready" or (body.get("corpora") and document["corpus"] not in body["corpora"]):
            continue
        for sentence in re.finditer(r"[^.\n\f]+\.", document["text"]):
            shared = len(wanted & words(sentence.group()))
            if shared >= 2 and (best is None or shared > best[0]):
                best = (shared, document, sentence)
    if best is None:
        return [("sources", {"passages": []}), ("done", whole("The documents do not say.", [], abstained=True))]
    _, document, sentence = best
    text = sentence.group().strip()
    start = document["text"].index(text)
    cited = citation(1, document["name"], text, document_id=document["id"], span=[start, start + len(text)])
    cited["page"] = document["text"][:start].count("\f") + 1
    tokens: list[Event] = [("token", {"text": part}) for part in re.findall(r"\S+\s*", f"{text} [1]")]
    passage = {"passage_id": str(uuid4()), "document_id": document["id"], "text": text}
    return [("sources", {"passages": [passage]}), *tokens, ("citation", cited), ("done", whole(f"{text} [1]", [cited]))]


def citation(marker: int, title: str, quote: str, **more: Any) -> dict[str, Any]:
    """A citation as the contract shapes it."""
    place = {"document_id": str(uuid4()), "corpus": "handbook", "page": 1, "span": [0, len(quote)]}
    return {"marker": marker, "title": title, "quote": quote, "score": 0.83, "url": "", **place, **more}


def whole(answer: str, citations: list[dict[str, Any]], *, abstained: bool = False, **more: Any) -> dict[str, Any]:
    """An answer as `done` carries it: free and extractive unless told otherwise."""
    cost = {"total_usd": "0", "saved_usd": "0", "calls": []}
    made = {"id": str(uuid4()), "answer": answer, "abstained": abstained, "citations": citations, "cost": cost}
    return {**made, "model": "extractive", "timings": {"total_ms": 40.2}, **more}


def problem(status: int, title: str, detail: str, hint: str, code: str = "") -> JSONResponse:
    kind = f"urn:moat:{code}" if code else "about:blank"
    body = {"type": kind, "title": title, "status": status, "detail": detail, "hint": hint}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def page_map(text: str) -> list[dict[str, int]]:
    pages, start = [], 0
    for number, page in enumerate(text.split("\f"), 1):
        pages.append({"page": number, "start": start, "end": start + len(page)})
        start += len(page) + 1
    return pages


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower())) - STOP_WORDS
