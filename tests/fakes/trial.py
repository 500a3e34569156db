"""A running platform on trial: faults are armed, work is sent, and in the end all must be as if nothing had been."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import httpx
from sqlalchemy import select

from cli.process import ProcessSpec
from cli.supervisor import Backoff
from cli.up import Platform, load_settings, platform
from moat import jobs
from moat.errors import Unavailable
from moat.tables import Indexing
from tests.fakes.closing_check import Expected, Stored, closing_check, is_drained
from tests.fakes.faults import Faults
from tests.fakes.models import COST, PIECES, PRICES
from tests.fakes.openai_server import FakeOpenAI, Reply, openai_server
from tests.fakes.patient import PatientClient, Stores, eventually, stores_of

ROOT = Path(__file__).parents[2]
READY_S = 120.0
LEASE_S = 4
PROGRAMS = {
    "worker": (sys.executable, "-m", "tests.fakes.faulty_worker"),
    "api": (sys.executable, "-m", "tests.fakes.faulty_api"),
}
SETTINGS = {
    "PYTHONPATH": str(ROOT),
    "MOAT_WORKER__SWEEP_S": "1",
    "MOAT_WORKER__LEASE_S": str(LEASE_S),
    "MOAT_WORKER__MAX_ATTEMPTS": "100",
    "MOAT_WORKER__RETRY_BASE_S": "0.2",
    "MOAT_BROKER__WINDOW": "300",
    "MOAT_SANDBOX__CPU_S": "3",
    "MOAT_SANDBOX__MEMORY_BYTES": "800000000",
    "MOAT_ANSWERING__MIN_SIMILARITY": "-1",
    "MOAT_MODELS": json.dumps({"fake/large": PRICES}, default=str),
}


class Trial:
    """Sends work to the platform and remembers what it accepted."""

    def __init__(
        self,
        running: Platform,
        stores: Stores,
        faults: Faults,
        doors: "Doors",
        provider: FakeOpenAI,
        specs: Mapping[str, ProcessSpec],
    ) -> None:
        self.running = running
        self.stores = stores
        self.faults = faults
        self.doors = doors
        self._specs = specs
        self._workers = 1
        self._other_log = faults.folder.parent / "another.log"
        self.client = PatientClient(running)
        self.expected = Expected()
        self._provider = provider
        self._publisher = jobs.Publisher(stores.database, jobs.celery_app(running.settings))
        self._lock = threading.Lock()

    @property
    def stored(self) -> Stored:
        blobs = self.running.settings.blobs_folder
        return Stored(self.stores.database, self.stores.vectors, self._publisher.waiting, blobs)

    @property
    def at_once(self) -> int:
        """Say how many documents all workers together have in hand at most."""
        return self._workers * self.running.settings.worker.concurrency

    def waiting(self) -> int:
        """Count the documents that the broker holds."""
        return sum(self._publisher.waiting(queue) for queue in (jobs.INGEST, jobs.BULK))

    def upload(self, files: Iterable[tuple[str, bytes]]) -> list[UUID]:
        """Upload in one call; what is accepted must end well."""
        body = [("files", file) for file in files]
        items = self.client.call("POST", "/v1/corpora/default/documents", files=body)["items"]
        return self._note(UUID(item["id"]) for item in items)

    def try_upload(self, name: str, content: bytes) -> int:
        """Upload one file and give the status; a refusal is an answer too."""
        with self._http() as http:
            answer = http.post("/v1/corpora/default/documents", files=[("files", (name, content))])
        if answer.status_code < 300:
            self._note(UUID(item["id"]) for item in answer.json()["items"])
        return answer.status_code

    def delete(self, document: UUID) -> None:
        """Delete a document, if nobody else was quicker."""
        with self._http() as http:
            answer = http.delete(f"/v1/documents/{document}")
        assert answer.status_code in (202, 404), answer.text
        with self._lock:
            self.expected.deleted.add(document)

    def ask(self, question: str) -> int:
        """Ask the paid model; gives the status."""
        with self._http() as http:
            return http.post("/v1/answers", json={"question": question, "model": "fake/large"}).status_code

    def states(self, documents: Iterable[UUID]) -> set[str]:
        return {self.client.get(f"/v1/documents/{document}")["state"] for document in documents}

    def indexing(self, document: UUID) -> Indexing:
        """Give the row of a document that has one version in one generation."""
        with self.stores.database.reading() as session:
            return session.scalars(select(Indexing).where(Indexing.document_id == document)).one()

    def said(self, words: str, *more: str) -> bool:
        """Tell whether a worker has logged a line with all these words."""
        logs = (self._specs["worker"].log, self._other_log)
        lines = (line for log in logs if log.exists() for line in log.read_text().splitlines())
        return any(all(word in line for word in (words, *more)) for line in lines)

    def is_drained(self) -> bool:
        try:
            return is_drained(self.stored)
        except Unavailable:  # a store that is away may hold anything
            return False

    def close(self, seconds: float = 300) -> None:
        """Wait until nothing is left to do, and look at everything."""
        eventually(self.is_drained, seconds)
        if self.expected.accepted - self.expected.deleted:
            assert self.ask("Who keeps what?") == 200
        self.expected.calls = len(self._provider.requests)
        self.expected.cost_usd = COST * self.expected.calls
        closing_check(self.stored, self.expected)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a process of the platform and wait for its successor."""
        pid = eventually(lambda: self.running.supervisor.pid(name))
        os.kill(pid, number)
        eventually(lambda: self.running.supervisor.pid(name) not in (None, pid))

    def kill_without_successor(self, name: str) -> None:
        """End a process whose door is shut."""
        pid = eventually(lambda: self.running.supervisor.pid(name))
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.running.supervisor.pid(name) is None)

    @contextmanager
    def another_worker(self) -> Iterator[None]:
        """Run one more worker beside the platform's until the block ends."""
        spec = self._specs["worker"]
        self._workers += 1
        told = {**os.environ, **spec.environment, "MOAT_WORKER__NAME": f"worker-{uuid4().hex}"}
        with self._other_log.open("ab") as log:
            process = subprocess.Popen(spec.argv, env=told, stdout=log, stderr=log, start_new_session=True)
        try:
            yield
        finally:
            self._workers -= 1
            process.terminate()
            process.wait(60)

    def _http(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.running.admin_key}"}
        return httpx.Client(base_url=self.running.url, headers=headers, timeout=60)

    def _note(self, documents: Iterable[UUID]) -> list[UUID]:
        found = list(documents)
        with self._lock:
            self.expected.accepted.update(found)
        return found


class Doors:
    """Keeps processes from being started, so that what is killed stays away as long as a test wants."""

    def __init__(self) -> None:
        self._shut: set[str] = set()

    def shut(self, name: str) -> None:
        self._shut.add(name)

    def open(self, name: str) -> None:
        self._shut.discard(name)

    def open_all(self) -> None:
        self._shut.clear()

    def guarding(self, spec: ProcessSpec) -> Callable[[], None]:
        """Make a preparation of the process that fails while its door is shut."""

        def prepare() -> None:
            if spec.name in self._shut:
                raise ConnectionRefusedError(f"{spec.name} is kept away")
            spec.prepare()

        return prepare


@contextmanager
def on_trial(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Trial]:
    """Run the whole platform with a worker, a parser and a clock that can be made to fail, and a paid model."""
    faults, doors = Faults(folder / "faults"), Doors()
    with openai_server(Reply(pieces=PIECES)) as provider:
        told = {
            **SETTINGS,
            "FAULTS": str(faults.folder),
            "MOAT_PROVIDERS__FAKE__BASE_URL": provider.url,
            "MOAT_PROVIDERS__FAKE__API_KEY": "sk-provider-secret",
            **(environment or {}),
        }

        edited: dict[str, ProcessSpec] = {}

        def edit(specs: list[ProcessSpec]) -> list[ProcessSpec]:
            for spec in specs:
                edited[spec.name] = replace(
                    spec,
                    argv=PROGRAMS.get(spec.name, spec.argv),
                    environment={**spec.environment, **told},
                    prepare=doors.guarding(spec),
                )
            return list(edited.values())

        backoff = Backoff(first_s=0.1, most_s=0.5)
        with (
            platform(load_settings(folder / "home", 0), edit=edit, backoff=backoff) as running,
            stores_of(running) as stores,
        ):
            running.supervisor.wait_ready(READY_S)
            yield Trial(running, stores, faults, doors, provider, edited)


def notes(chance: random.Random, count: int, words: int = 60) -> list[tuple[str, bytes]]:
    """Write small text files that nobody has written before."""
    return [_note(chance, words) for _ in range(count)]


def archive(chance: random.Random, members: int = 2) -> tuple[str, bytes]:
    """Write an archive of such files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in notes(chance, members):
            file.writestr(name, content)
    return f"archive-{chance.getrandbits(48):x}.zip", buffer.getvalue()


def _note(chance: random.Random, words: int) -> tuple[str, bytes]:
    name = f"{chance.getrandbits(48):x}"
    text = " ".join(chance.choice(("lamp", "shelf", "keeper", "number", "yard", "harbour")) for _ in range(words))
    return f"note-{name}.txt", f"Note {name}.\n\nThe keeper of {name} says: {text}.".encode()
