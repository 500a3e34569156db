"""The worker's composition root: its parts, its Celery application, its clock."""

import atexit
import logging
import socket
from collections.abc import Callable
from functools import cache
from threading import Event, Lock, Thread
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down

from ingest.sandbox import Sandbox
from moat import jobs
from moat.blobs import ABANDONED_AFTER
from moat.database import Database
from moat.embedder import Embedders as LocalEmbedders
from moat.errors import MoatError
from moat.llm.blocking import BlockingGateway
from moat.llm.embedders import Embedders, EmbedderSource
from moat.object_blobs import open_blobs
from moat.settings import Settings
from moat.telemetry import configure
from moat.vectors import Vectors
from workers.beat import beat
from workers.claims import Claims
from workers.parts import Parts
from workers.tasks import register

log = logging.getLogger(__name__)


def build_parts(settings: Settings, app: Celery, embedders: EmbedderSource | None = None) -> Parts:
    """Build everything a worker needs from the settings."""
    database = Database.from_settings(settings)
    blobs = open_blobs(settings)
    blobs.clear_staging(ABANDONED_AFTER)  # of a worker that died on this machine
    # A fixed name lets a restarted worker take back its own claims; without one, leases must run out.
    name = settings.worker.name or f"{socket.gethostname()}-{uuid4().hex[:8]}"
    return Parts(
        settings=settings,
        database=database,
        vectors=Vectors.from_settings(settings),
        embedders=Embedders(
            settings, embedders or LocalEmbedders(settings.embedder), BlockingGateway(settings, database)
        ),
        blobs=blobs,
        sandbox=Sandbox(settings.sandbox),
        publisher=jobs.Publisher(database, app, settings.broker.window),
        claims=Claims(database, settings.worker, name),
    )


def create_app(settings: Settings, embedders: EmbedderSource | None = None) -> tuple[Celery, Callable[[], Parts]]:
    """Make the Celery application with its tasks, and what gives them their parts."""
    app = jobs.celery_app(settings)
    lock = Lock()

    @cache
    def build() -> Parts:
        made = build_parts(settings, app, embedders)
        atexit.register(made.sandbox.close)  # else a warm child's folder stays behind
        return made

    def parts() -> Parts:
        with lock:  # two threads' first tasks must share one set of parts
            return build()

    register(app, parts)
    return app, parts


def warm_up(parts: Callable[[], Parts]) -> None:
    """Load what every document needs, so that the first one does not wait for it."""
    made = parts()
    made.sandbox.warm_up()
    try:
        made.embedders.get(made.settings.embedder.default)
    except MoatError as error:  # each document that needs it says so again
        log.warning("the default embedder could not be loaded: %s", error.detail)


def run(settings: Settings, embedders: EmbedderSource | None = None) -> int:
    """Run a worker with its beat until it is told to stop; returns its exit code."""
    configure("worker", settings.log_level, settings.secrets())
    app, parts = create_app(settings, embedders)
    ready_file = settings.home_folder / "run" / "worker.ready"
    database = Database.from_settings(settings)
    if settings.worker.name:
        recovered = Claims(database, settings.worker, settings.worker.name).recover_own()
        log.info("claims of an earlier process taken back", extra={"count": recovered})
    database.close()

    stopped = Event()

    def begin(**_: Any) -> None:
        if settings.worker.beat:
            Thread(target=beat, args=(app, settings.worker.sweep_s, stopped), name="beat", daemon=True).start()
        ready_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        ready_file.write_text("ready")
        if jobs.DOCUMENT_QUEUES & set(settings.worker.queues):
            Thread(target=warm_up, args=(parts,), name="warm-up", daemon=True).start()

    def not_ready(**_: Any) -> None:
        stopped.set()
        ready_file.unlink(missing_ok=True)

    worker_ready.connect(begin, weak=False)
    worker_shutting_down.connect(not_ready, weak=False)
    ready_file.unlink(missing_ok=True)
    worker = app.Worker(
        pool="threads",
        concurrency=settings.worker.concurrency,
        # In this order: upkeep is short and keeps promises, a few files come before a bulk load, that before a reindex.
        queues=[q for q in (jobs.UPKEEP, jobs.INGEST, jobs.BULK, jobs.REINDEX) if q in settings.worker.queues],
        hostname=f"{settings.worker.name or uuid4().hex[:8]}@moat",
        loglevel=settings.log_level,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)
