"""The real API over SQLite, Qdrant's local mode and a folder, with the workers' steps called by hand."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
from fastapi.testclient import TestClient
from qdrant_client import QdrantClient
from sqlalchemy import func, select

from answering.answer import Parts as AnsweringParts
from ingest.parse import parse
from ingest.pipeline import fingerprint
from moat import jobs
from moat.access import SCOPES, create_key
from moat.bootstrap import DEFAULT_CORPUS
from moat.corpora import create_corpus
from moat.database import Database
from moat.llm.blocking import BlockingGateway
from moat.llm.embedders import Embedders
from moat.llm.gateway import Gateway
from moat.object_blobs import open_blobs
from moat.oidc import Issuer
from moat.pipeline_settings import PipelineSettings
from moat.records import EVERYONE, DocumentState, ParsedDocument
from moat.settings import Settings
from moat.tables import Corpus, Document, Forgetting, Indexing, Table
from moat.vectors import Vectors
from services.app import create_app, reranking_of
from services.parts import Parts
from tests.fakes.embedder import FakeEmbedders
from tests.fakes.unpacking import unpack_here
from workers.claims import Claims
from workers.forget import forget_document
from workers.ingest_document import ingest_once
from workers.parts import Parts as WorkerParts
from workers.tidy import tidy_document

PROBLEM = {"type", "title", "status", "detail", "hint"}
MORE = {"items", "left_usd", "renews_at"}  # of some problems


class Api:
    """One installation; `admin` speaks with every scope, `person()` makes others."""

    def __init__(self, folder: Path, store: QdrantClient | None = None, **overrides: Any) -> None:
        # Tests call faster than people; those of the limits set their own.
        unlimited = {"per_key": 0, "per_user": 0, "per_address": 0}
        self.settings = Settings(home=folder, **({"broker": {"url": "memory://"}, "rates": unlimited} | overrides))
        self.database = Database.from_settings(self.settings)
        if self.settings.database.url:
            self.database.migrate()
        else:
            shutil.copy(_empty_catalog(), folder / "catalog.db")
        self.vectors = Vectors(store or QdrantClient(":memory:"))
        self.blobs = open_blobs(self.settings)
        self.embedders = FakeEmbedders()
        self.gateway = Gateway(self.settings, self.database)
        publisher = jobs.Publisher(self.database, jobs.celery_app(self.settings))
        self.calls = BlockingGateway(self.settings, self.database)
        embedders = Embedders(self.settings, self.embedders, self.calls)
        answering = AnsweringParts(
            self.settings, self.database, self.vectors, embedders, self.blobs, self.gateway, calls=self.calls
        )
        issuer = Issuer.from_settings(self.settings, self.database)
        self.parts = Parts(self.settings, self.database, self.vectors, self.blobs, publisher, answering, issuer)
        self.app = create_app(self.settings, self.parts)
        self.worker = WorkerParts(
            self.settings,
            self.database,
            self.vectors,
            embedders,
            self.blobs,
            SimpleNamespace(parse=self._parse, unpack=unpack_here),  # type: ignore[arg-type]  # no child: these files are our own
            publisher,
            Claims(self.database, self.settings.worker, "by-hand"),
        )
        self.admin_key = self.key("admin", scopes=SCOPES)
        self.admin = self.client(self.admin_key)
        self.corpus(DEFAULT_CORPUS)

    def _parse(self, path: Path, media_type: str, name: str) -> ParsedDocument:
        return parse(path, media_type, name)

    def rerank(self) -> None:
        """Have answers read by the reranker of the settings from now on."""
        reranking = reranking_of(self.settings, self.calls)
        self.parts = replace(self.parts, answering=replace(self.parts.answering, reranking=reranking))
        self.app.state.parts = self.parts

    def key(
        self,
        user: str,
        *groups: str,
        scopes: Sequence[str] = ("read", "ask", "upload"),
        corpora: Sequence[UUID] | None = None,
        expires_at: datetime | None = None,
    ) -> str:
        """Make a key and return it."""
        with self.database.transaction() as session:
            _, secret = create_key(
                session, name=user, user=user, groups=groups, scopes=scopes, corpora=corpora, expires_at=expires_at
            )
        return secret

    def client(self, key: str | None = None, **headers: str) -> TestClient:
        """Speak with a key, or with none."""
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return TestClient(self.app, headers=headers, raise_server_exceptions=False, follow_redirects=False)

    def person(self, user: str, *groups: str, **options: Any) -> TestClient:
        return self.client(self.key(user, *groups, **options))

    def corpus(self, name: str, access: Sequence[str] = (EVERYONE,)) -> UUID:
        pipeline = PipelineSettings(embedder=self.settings.embedder.default)
        with self.database.transaction() as session:
            return create_corpus(session, name, access, pipeline, fingerprint(pipeline)).id

    def upload(
        self,
        name: str,
        content: bytes | str,
        *,
        client: TestClient | None = None,
        corpus: str = DEFAULT_CORPUS,
        **fields: Any,
    ) -> Any:
        """Upload one file and return the response."""
        data = content.encode() if isinstance(content, str) else content
        return (client or self.admin).post(
            f"/v1/corpora/{corpus}/documents", files=[("files", (name, data))], data=fields
        )

    def add(self, name: str, content: bytes | str, **options: Any) -> str:
        """Upload one file that must be accepted, have the workers index it, and return its id."""
        response = self.upload(name, content, **options)
        assert response.status_code == 202, response.text
        self.work()
        return str(response.json()["items"][0]["id"])

    def work(self) -> None:
        """Do all that the workers would do now."""
        self.index()
        for document in self._all(select(Document.id).where(Document.untidy_since.is_not(None))):
            tidy_document(document, self.worker)
        for document in self._all(select(Forgetting.document_id)):
            forget_document(document, self.worker)

    def index(self) -> None:
        """Do the workers' indexing, and leave all tidying and forgetting for later."""
        for indexing in self._all(select(Indexing.id).where(Indexing.state == DocumentState.QUEUED)):
            ingest_once(indexing, self.worker)

    def _all(self, statement: Any) -> list[Any]:
        with self.database.reading() as session:
            return list(session.scalars(statement).all())

    def count(self, table: type[Table]) -> int:
        with self.database.reading() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def corpus_id(self, name: str) -> UUID:
        with self.database.reading() as session:
            return session.scalars(select(Corpus.id).where(Corpus.name == name)).one()

    def files(self, kind: str) -> list[Path]:
        """List the files of a kind of blob: staging, originals, parsed, texts."""
        return [path for path in (self.settings.blobs_folder / kind).rglob("*") if path.is_file()]

    def close(self) -> None:
        self.vectors.close()
        self.database.close()


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Check that a response is a whole problem of this status, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json", response.text
    body: dict[str, Any] = response.json()
    assert set(body) - MORE == PROBLEM
    assert body["status"] == status
    assert body["type"].startswith("urn:moat:")
    assert body["title"]
    assert body["detail"]
    return body


def events(text: str) -> list[tuple[str, Any]]:
    """Read server-sent events as (event, data)."""
    blocks = re.split(r"(?:\r\n){2}|\n{2}", text.strip())
    return [_event(block) for block in blocks if block and not block.startswith(":")]


def _event(block: str) -> tuple[str, Any]:
    fields = dict(line.split(": ", 1) for line in block.splitlines())
    return fields["event"], json.loads(fields["data"])


def stream(client: httpx.Client, question: str, **body: Any) -> list[tuple[str, Any]]:
    """Ask with `stream` and read every event."""
    response = client.post("/v1/answers", json={"question": question, "stream": True, **body})
    assert response.status_code == 200, response.text
    return events(response.text)


def multipart(*parts: tuple[str, bytes], boundary: str = "line", end: bool = True) -> tuple[bytes, dict[str, str]]:
    """Write a multipart body of (content disposition, content) by hand, with its header."""
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"
        for disposition, content in parts
    )
    return body + (f"--{boundary}--\r\n".encode() if end else b""), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }


@cache
def _empty_catalog() -> Path:
    """Migrate once; every test copies the result."""
    path = Path(mkdtemp()) / "catalog.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()  # the last connection writes the log into the file
    return path
