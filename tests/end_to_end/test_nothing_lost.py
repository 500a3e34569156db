"""Workers killed, the broker emptied, the API restarted: nothing is lost, nothing is done twice, questions go on."""

import itertools
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from cli.up import Platform
from ingest.wire import load_canonical
from moat.documents import text_of
from moat.object_blobs import open_blobs
from moat.records import DocumentState
from moat.settings import Settings
from moat.tables import ChunkRow, Document, Generation, Indexing, Job
from tests.fakes.asker import being_asked
from tests.fakes.counting_worker import fingerprint_of
from tests.fakes.files import small_file
from tests.fakes.patient import PatientClient, Stores, eventually, stores_of
from tests.fakes.platform import WORKERS, running_platform
from tests.fakes.tiny_model import make_tiny_model

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]
WORKER = (sys.executable, "-m", "tests.fakes.counting_worker")
DOCUMENTS = 40


@contextmanager
def counted_platform(
    folder: Path, backends: Mapping[str, str], pause_s: float, **environment: str
) -> Iterator[tuple[Platform, Path]]:
    """Run a platform whose worker writes down what it embeds, and takes its time for it."""
    log = folder / "embedded"
    log.touch()
    told = {
        "PYTHONPATH": str(ROOT),
        "COUNTING_LOG": str(log),
        "COUNTING_PAUSE_S": str(pause_s),
        "MOAT_WORKER__SWEEP_S": "1",
        "MOAT_WORKER__LEASE_S": "10",
    }
    told |= environment
    with running_platform(folder / "home", worker_argv=WORKER, environment=told, backends=backends) as running:
        yield running, log


def kill(running: Platform, name: str) -> None:
    """End a process as a crash would; the supervisor starts another."""
    pid = eventually(lambda: running.supervisor.pid(name))
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: running.supervisor.pid(name) not in (None, pid))


def kill_workers(running: Platform) -> None:
    """End every worker there is, on whatever queues."""
    for name in WORKERS.keys() & running.supervisor.pids().keys():
        kill(running, name)


def embedded(log: Path) -> list[tuple[str, str]]:
    return [(line.split()[0], line.split()[1]) for line in log.read_text().splitlines()]


def wait_for_work(log: Path, before: int) -> None:
    """Wait until the worker has begun a text beyond these; what follows finds it at work, or just through with all."""
    eventually(lambda: len(embedded(log)) > before)


def chunk_texts(stores: Stores, settings: Settings) -> dict[UUID, list[str]]:
    """Name the chunks of each indexing of the serving generation as the worker's log names them."""
    generation, blobs = stores.serving(), open_blobs(settings)
    with stores.database.reading() as session:
        indexings = session.scalars(select(Indexing).where(Indexing.generation_id == generation.id)).all()
        rows = session.scalars(select(ChunkRow).where(ChunkRow.generation_id == generation.id)).all()
    texts = {i.document_id: load_canonical(blobs.get(text_of(i))).text for i in indexings}
    found: dict[UUID, list[str]] = {i.document_id: [] for i in indexings}
    for row in rows:
        found[row.document_id].append(fingerprint_of(texts[row.document_id][row.span_start : row.span_end]))
    return found


def test_forty_documents_outlive_three_dead_workers_an_emptied_broker_and_a_restarted_api(
    tmp_path: Path, backends: Mapping[str, str]
) -> None:
    with counted_platform(tmp_path, backends, 0.2, COUNTING_WORDS="1") as (running, log), stores_of(running) as stores:
        client = PatientClient(running)
        files = (small_file(number) for number in range(DOCUMENTS))
        faults: tuple[Callable[[], None], ...] = (
            lambda: kill_workers(running),
            stores.flush_broker,
            lambda: kill_workers(running),
            lambda: kill(running, "api"),
            lambda: kill_workers(running),
        )
        ids = []
        for fault in faults:
            begun = len(embedded(log))
            ids += [client.upload(*file) for file in itertools.islice(files, DOCUMENTS // len(faults))]
            wait_for_work(log, begun)
            fault()
        eventually(lambda: client.all_ready(DOCUMENTS), 150)
        eventually(stores.is_quiet)

        assert len(set(ids)) == DOCUMENTS
        serving = stores.serving()
        assert stores.points(serving) == stores.rows(serving)
        with stores.database.reading() as session:
            assert set(session.scalars(select(Document.id))) == set(ids)
            indexings = session.scalars(select(Indexing)).all()
        assert {i.state for i in indexings} == {DocumentState.READY}
        assert len(indexings) == DOCUMENTS  # each exactly once
        assert min(i.chunks for i in indexings) > 1

        times = Counter(text for _, text in embedded(log))
        in_one_life = Counter(embedded(log))
        chunks = chunk_texts(stores, running.settings)
        for indexing in indexings:
            texts = chunks[indexing.document_id]
            assert len(texts) == indexing.chunks
            # Every claim and every requeue raised the fence: a text may be embedded once in each claim, no more.
            assert all(1 <= times[text] <= (indexing.fence + 1) // 2 for text in texts), indexing.fence
            assert all(in_one_life[life, text] <= 1 for text in texts for life in {pid for pid, _ in embedded(log)})
        again = sum(count - 1 for count in times.values())
        print(f"{sum(len(t) for t in chunks.values())} chunks; {again} embedded again after a kill")


def start_reindex(client: PatientClient, embedder: str) -> str:
    return str(client.post("/v1/corpora/default/reindex", {"embedder": embedder})["id"])


def wait_half_way(client: PatientClient, job: str) -> dict[str, Any]:
    return dict(eventually(lambda: (found := client.get(f"/v1/jobs/{job}"))["done"] >= 4 and found))


def test_a_reindex_goes_through_the_same_faults_while_questions_are_answered(
    tmp_path: Path, backends: Mapping[str, str]
) -> None:
    tiny = make_tiny_model(tmp_path / "tiny")
    with counted_platform(tmp_path, backends, 0.15) as (running, _), stores_of(running) as stores:
        client = PatientClient(running)
        ids = [client.upload(*small_file(number, paragraphs=3)) for number in range(24)]
        eventually(lambda: client.all_ready(24), 150)
        old = stores.serving()

        with being_asked(running, list(range(10))) as asker:
            _a_cancelled_one_changes_nothing(running, client, stores, tiny)
            assert stores.serving().id == old.id

            job = start_reindex(client, tiny)
            wait_half_way(client, job)
            kill_workers(running)
            added = [client.upload(*small_file(number, paragraphs=3)) for number in (30, 31)]
            client.call("DELETE", f"/v1/documents/{ids[20]}")
            stores.flush_broker()
            kill(running, "api")
            assert client.upload(*small_file(21, "second", paragraphs=3)) == ids[21]
            client.call("DELETE", f"/v1/documents/{ids[22]}")
            kill_workers(running)
            assert client.get(f"/v1/jobs/{job}")["state"] == "running"  # all this befell it on its way
            eventually(lambda: client.get(f"/v1/jobs/{job}")["state"] != "running", 150)
            assert client.get(f"/v1/jobs/{job}")["state"] == "done"
            eventually(lambda: client.all_ready(24))
            eventually(stores.is_quiet)
            asked = asker.asked
            eventually(lambda: asker.asked > asked + 6)  # answered by the new generation
        slowest = ", ".join(f"{s:.1f}" for s in sorted(asker.took_s)[-3:])
        print(f"{asker.asked} questions, none failed; the slowest took {slowest} s, restarts of the API included")

        new = stores.serving()
        assert (new.pipeline["embedder"], new.dimension) == (tiny, 48)
        expected = {*ids, *added} - {ids[20], ids[22]}
        for generation in (old, new):
            assert stores.points(generation) == stores.rows(generation)
            with stores.database.reading() as session:
                chunks = session.scalars(select(ChunkRow).where(ChunkRow.generation_id == generation.id)).all()
            assert {chunk.document_id for chunk in chunks} == expected
            assert {chunk.version for chunk in chunks if chunk.document_id == ids[21]} == {2}
        assert set(stores.vectors.collections()) == {old.collection, new.collection}


def test_the_whole_path_on_stores_elsewhere_with_a_worker_for_uploads_and_one_for_bulk_and_reindex(
    tmp_path: Path, distributed: Mapping[str, str]
) -> None:
    with (
        counted_platform(tmp_path, distributed, 0.1, COUNTING_WORDS="1") as (running, log),
        stores_of(running) as stores,
    ):
        client = PatientClient(running)
        ids = client.upload_all([small_file(number, paragraphs=3) for number in range(21)])  # in one call: bulk
        ids += [client.upload(*small_file(number, paragraphs=3)) for number in range(21, 24)]
        wait_for_work(log, 0)
        kill_workers(running)
        eventually(lambda: client.all_ready(24), 150)
        uploads, bulk = (str(running.supervisor.pid(name)) for name in WORKERS)
        old = stores.serving()

        with being_asked(running, list(range(10))):
            begun = len(embedded(log))
            assert client.upload(*small_file(21, "second", paragraphs=3)) == ids[21]
            eventually(lambda: client.get(f"/v1/documents/{ids[21]}")["serving_version"] == 2)
            assert {life for life, _ in embedded(log)[begun:]} == {uploads}

            begun = len(embedded(log))
            for gone in (ids[11], ids[22]):
                client.call("DELETE", f"/v1/documents/{gone}")
            job = client.post("/v1/corpora/default/reindex", {"chunk_tokens": 64})["id"]
            eventually(lambda: client.get(f"/v1/jobs/{job}")["state"] != "running", 150)
            assert client.get(f"/v1/jobs/{job}")["state"] == "done"
            assert {life for life, _ in embedded(log)[begun:]} == {bulk}
            eventually(lambda: client.all_ready(22))
            eventually(stores.is_quiet)

        new = stores.serving()
        assert new.id != old.id
        for generation in (old, new):
            assert stores.points(generation) == stores.rows(generation)
            with stores.database.reading() as session:
                chunks = session.scalars(select(ChunkRow).where(ChunkRow.generation_id == generation.id)).all()
            assert {chunk.document_id for chunk in chunks} == set(ids) - {ids[11], ids[22]}
            assert {chunk.version for chunk in chunks if chunk.document_id == ids[21]} == {2}
        assert client.download(ids[21]) == small_file(21, "second", paragraphs=3)[1]
        in_homes = {path.name for home in tmp_path.glob("home*") for path in home.iterdir()}
        assert not in_homes & {"catalog.db", "blobs", "qdrant"}  # what one machine has the others need, nowhere


def _a_cancelled_one_changes_nothing(running: Platform, client: PatientClient, stores: Stores, embedder: str) -> None:
    serving = stores.serving()
    job = start_reindex(client, embedder)
    wait_half_way(client, job)
    kill_workers(running)
    assert client.post(f"/v1/jobs/{job}/cancel")["state"] == "cancelled"
    eventually(lambda: _is_dropped(stores, job))
    # Whoever was about to write when it was dropped may make it again; the next sweep drops it again.
    eventually(lambda: stores.vectors.collections() == [serving.collection])
    assert stores.points(serving) == stores.rows(serving)


def _is_dropped(stores: Stores, job: str) -> bool:
    with stores.database.reading() as session:
        return session.get_one(Generation, session.get_one(Job, UUID(job)).generation_id).state == "dropped"
