"""A client of a running platform that lives through restarts of the API, and a look behind it at the stores."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import func, select

from cli.up import Platform
from moat import jobs
from moat.database import Database
from moat.generations import chunk_ids
from moat.tables import Corpus, Document, Forgetting, Generation, Outbox
from moat.vectors import Vectors

POLL_S = 0.05


def eventually(what: Callable[[], Any], seconds: float = 90.0) -> Any:
    """Wait until this is true, and give it."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(POLL_S)
    return found


class PatientClient:
    """Calls the API as the first admin; a call too many or one that found no API is made again, all else is final."""

    def __init__(self, running: Platform) -> None:
        headers = {"Authorization": f"Bearer {running.admin_key}"}
        self._http = httpx.Client(base_url=running.url, headers=headers, timeout=60)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Make a call and give its JSON; a status of 400 or more raises."""
        return self._call(method, path, **options).json()

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        deadline = time.monotonic() + 90
        while True:
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError:
                assert time.monotonic() < deadline, "the API did not come back"
                time.sleep(POLL_S)
                continue
            if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
                assert time.monotonic() < deadline, response.text
                time.sleep(float(response.headers["Retry-After"]))
                continue
            assert response.status_code < 400, f"{method} {path}: {response.status_code} {response.text}"
            return response

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.call("POST", path, json=body or {})

    def upload(self, name: str, content: bytes) -> UUID:
        answer = self.call("POST", "/v1/corpora/default/documents", files=[("files", (name, content))])
        return UUID(answer["items"][0]["id"])

    def upload_all(self, files: Sequence[tuple[str, bytes]]) -> list[UUID]:
        """Upload many files in one call."""
        answer = self.call("POST", "/v1/corpora/default/documents", files=[("files", file) for file in files])
        return [UUID(item["id"]) for item in answer["items"]]

    def download(self, document: UUID) -> bytes:
        """Fetch the original."""
        return self._call("GET", f"/v1/documents/{document}/content").content

    def counts(self) -> dict[str, int]:
        return dict(self.get("/v1/corpora/default/documents?limit=1")["counts"])

    def all_ready(self, number: int) -> bool:
        return self.counts() == {"ready": number}


class Stores:
    """Catalog, vectors and broker of a running platform, looked at directly."""

    def __init__(self, running: Platform) -> None:
        self.database = Database.from_settings(running.settings)
        self.vectors = Vectors.from_settings(running.settings)
        self._app = jobs.celery_app(running.settings)

    def flush_broker(self) -> None:
        """Lose everything that the broker holds."""
        with self._app.connection_for_write() as connection:
            connection.default_channel.client.flushall()

    def serving(self) -> Generation:
        with self.database.reading() as session:
            corpus = session.scalars(select(Corpus)).one()
            return session.get_one(Generation, corpus.serving_generation)

    def rows(self, generation: Generation) -> set[UUID]:
        with self.database.reading() as session:
            return chunk_ids(session, generation.id)

    def points(self, generation: Generation) -> set[UUID]:
        return set(self.vectors.ids(generation.collection))

    def is_quiet(self) -> bool:
        """Tell that nothing waits to be sent, forgotten or tidied."""
        with self.database.reading() as session:
            counts = (select(func.count()).select_from(table) for table in (Outbox, Forgetting))
            untidy = select(func.count()).select_from(Document).where(Document.untidy_since.is_not(None))
            return not any(session.scalar(count) for count in (*counts, untidy))


@contextmanager
def stores_of(running: Platform) -> Iterator[Stores]:
    """Look behind a platform until the block ends."""
    stores = Stores(running)
    try:
        yield stores
    finally:
        stores.vectors.close()
        stores.database.close()
