"""A worker in one process for tests: a real catalog, Qdrant's local mode, a broker in memory, and faults on demand."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import fsspec
from kombu.exceptions import OperationalError
from qdrant_client import QdrantClient
from sqlalchemy import select

from ingest.pipeline import fingerprint
from moat import jobs
from moat.bootstrap import bootstrap
from moat.database import Database
from moat.documents import start_forgetting
from moat.errors import MoatError
from moat.generations import chunk_ids, start_reindex
from moat.object_blobs import open_blobs
from moat.pipeline_settings import PipelineSettings
from moat.records import Element, ParsedDocument, Reader, Vector
from moat.settings import Settings
from moat.tables import Corpus, Document, Forgetting, Generation, Indexing, Job, Outbox, Table
from moat.vectors import Vectors
from services.upload.accept import Terms, accept
from services.upload.receive import Arrived
from tests.fakes.embedder import WordsEmbedder
from workers.claims import Claims
from workers.ingest_document import ingest_once
from workers.parts import Parts
from workers.sweep import sweep
from workers.tasks import register

ADMIN = Reader(None, "admin", scopes=frozenset({"admin"}))
_TIMED = (Indexing, Outbox, Forgetting, Document, Generation)


class Killed(BaseException):
    """The worker is gone, without a word to the catalog."""


def paragraphs(words: str, count: int = 6) -> str:
    """Write text that is cut into several chunks."""
    return "\n\n".join(f"{words} stands in paragraph {n}, " + f"{words} and filler, " * 6 for n in range(count))


class FakeSandbox:
    """Parses text by its empty lines; `before` runs first and may raise what a parser could."""

    def __init__(self) -> None:
        self.parsed: list[str] = []
        self.before: Callable[[str], None] = lambda name: None

    def parse(self, path: Path, media_type: str, name: str) -> ParsedDocument:
        self.parsed.append(name)
        text = path.read_text()
        self.before(name)
        return ParsedDocument(tuple(Element("text", part) for part in text.split("\n\n")))


class FaultyEmbedders:
    """Words embedders; `before` runs in front of every batch with its texts and may raise."""

    def __init__(self) -> None:
        self.before: Callable[[Sequence[str]], None] = lambda texts: None

    def get(self, name: str) -> WordsEmbedder:
        source = self

        class Faulty(WordsEmbedder):
            def embed_texts(self, texts: Sequence[str]) -> Vector:
                source.before(texts)
                return super().embed_texts(texts)

        return Faulty(name, dimension=32 if name == "small" else 64)


class Workshop:
    """One corpus with its worker; time passes and messages are delivered only when a test says so."""

    def __init__(self, folder: Path, url: str = "", blobs: str = "", **worker: Any) -> None:
        self.settings = Settings(
            home=folder,
            blobs=blobs,
            worker={"lease_s": 60, "max_attempts": 3, "max_failures": 2, **worker},
            embedder={"default": "words"},
            reindex={"grace_s": 1000},
            broker={"url": f"memory://{uuid4().hex}"},
        )
        self.database = Database(url or f"sqlite:///{folder / 'catalog.db'}")
        bootstrap(self.database, self.settings, fingerprint)
        self.blobs = open_blobs(self.settings)
        self.sandbox = FakeSandbox()
        self.embedders = FaultyEmbedders()
        self.app = jobs.celery_app(self.settings)
        self.vectors = Vectors(QdrantClient(":memory:"))
        self.parts = self.worker("first")
        register(self.app, lambda: self.parts)
        self.drain_broker()
        with self.database.transaction() as session:
            corpus = session.scalars(select(Corpus)).one()
            small_chunks = PipelineSettings(embedder="words", chunk_tokens=32).model_dump(mode="json")
            session.get_one(Generation, corpus.serving_generation).pipeline = corpus.pipeline = small_chunks
        self.corpus = corpus

    def worker(self, name: str) -> Parts:
        """Build the parts of another worker on the same stores."""
        return Parts(
            settings=self.settings,
            database=self.database,
            vectors=self.vectors,
            embedders=self.embedders,
            blobs=self.blobs,
            sandbox=self.sandbox,  # type: ignore[arg-type]
            publisher=jobs.Publisher(self.database, self.app),
            claims=Claims(self.database, self.settings.worker, name),
        )

    def upload(self, text: str, key: str = "a.txt", access: tuple[str, ...] | None = None) -> UUID:
        """Take a file in as the API does."""
        with self.blobs.stage() as staged:
            staged.write(text.encode())
            staged.finish()
            arrived = Arrived(key, staged, head=text.encode()[:8000])
            return accept(arrived, Terms(key, access, None), self.corpus, ADMIN, self.database, self.blobs).id

    def delete(self, document_id: UUID) -> None:
        with self.database.transaction() as session:
            start_forgetting(session, session.get_one(Document, document_id))

    def reindex(self, embedder: str = "small", **more: Any) -> UUID:
        """Begin a reindex and queue its first step."""
        with self.database.transaction() as session:
            corpus = session.get_one(Corpus, self.corpus.id)
            pipeline = PipelineSettings(embedder=embedder, chunk_tokens=32, **more)
            job = start_reindex(session, corpus, pipeline, fingerprint(pipeline), "admin")
            jobs.enqueue(session, jobs.ADVANCE_REINDEX, job.id, queue=jobs.UPKEEP)
            return job.id

    def indexing(self, document_id: UUID, version: int = 1, generation: UUID | None = None) -> Indexing:
        wanted = generation or self.serving().id
        with self.database.reading() as session:
            return session.scalars(
                select(Indexing).where(
                    Indexing.document_id == document_id,
                    Indexing.version == version,
                    Indexing.generation_id == wanted,
                )
            ).one()

    def ingest(self, document_id: UUID, version: int = 1, parts: Parts | None = None) -> Indexing:
        """Do one indexing, as a delivered task would."""
        ingest_once(self.indexing(document_id, version).id, parts or self.parts)
        return self.indexing(document_id, version)

    def deliver(self) -> int:
        """Publish what is due and do every task the broker holds, until nothing is left."""
        done = 0
        while True:
            self.parts.publisher.publish_due()
            took = sum(self._do_waiting(queue) for queue in jobs.QUEUES)
            if not took:
                return done
            done += took

    def sweep(self) -> None:
        sweep(self.parts)

    def settle(self) -> None:
        """Let sweeps, tasks and time do their work until nothing is left to do."""
        for _ in range(8):
            self.sweep()
            self.deliver()
            self.pass_time(100)

    def drain_broker(self) -> int:
        """Lose every message, as a broker does that restarts empty."""
        with self.app.connection_for_write() as connection:
            return sum(connection.default_channel.queue_purge(q) or 0 for q in jobs.QUEUES if self._declared(q))

    def pass_time(self, seconds: float) -> None:
        """Move every moment in the catalog into the past, which is the same as waiting."""
        with self.database.transaction() as session:
            for table in _TIMED:
                for row in session.scalars(select(table)):
                    _age(row, timedelta(seconds=seconds))

    def serving(self) -> Generation:
        with self.database.reading() as session:
            return session.get_one(Generation, session.get_one(Corpus, self.corpus.id).serving_generation)

    def document(self, document_id: UUID) -> Document:
        with self.database.reading() as session:
            return session.get_one(Document, document_id)

    def job(self, job_id: UUID) -> Job:
        with self.database.reading() as session:
            return session.get_one(Job, job_id)

    def points(self, generation: Generation | None = None) -> set[UUID]:
        collection = (generation or self.serving()).collection
        return set(self.vectors.ids(collection)) if collection in self.vectors.collections() else set()

    def rows(self, generation: Generation | None = None) -> set[UUID]:
        with self.database.reading() as session:
            return chunk_ids(session, (generation or self.serving()).id)

    def stored(self) -> set[str]:
        """Name every blob there is."""
        return {f"{path.split('/')[0]}/{path.rpartition('/')[2]}" for path in self.stored_bytes()}

    def stored_bytes(self) -> dict[str, bytes]:
        """Give every blob by its place, and whatever is left in staging."""
        home, place = self.settings.home, self.settings.blobs
        if not place:
            return _below(fsspec.filesystem("file"), str(home / "blobs"))
        staged = {f"staging/{left.name}": left.read_bytes() for left in (home / "staging").iterdir()}
        return _below(fsspec.filesystem("memory"), place.removeprefix("memory:/")) | staged

    def close(self) -> None:
        self.parts.claims.stop()
        self.database.close()

    def _declared(self, queue: str) -> bool:
        self.parts.publisher.waiting(queue)
        return True

    def _do_waiting(self, queue: str) -> int:
        done = 0
        with self.app.connection_for_read() as connection:
            channel = connection.default_channel
            while message := channel.basic_get(queue, no_ack=True):
                arguments, _, _ = message.decode()
                self.app.tasks[message.headers["task"]](*arguments)
                done += 1
        return done


def _below(files: Any, root: str) -> dict[str, bytes]:
    return {path.removeprefix(f"{root}/"): files.cat_file(path) for path in files.find(root)}


def _age(row: Table, by: timedelta) -> None:
    names = ("available_at", "published_at", "lease_until", "taken_until", "not_before", "untidy_since", "retired_at")
    for name in names:
        if (moment := getattr(row, name, None)) is not None:
            setattr(row, name, moment - by)


def away(*_: object) -> None:
    raise OperationalError("the broker is away")


def raising(error: BaseException) -> Callable[[object], None]:
    """Make a fault that strikes every time."""

    def strike(_: object) -> None:
        raise error

    return strike


def transient() -> MoatError:
    from moat.errors import Unavailable

    return Unavailable("The vector store failed.")
