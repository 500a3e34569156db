"""The API's composition root."""

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from anyio import to_thread
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from answering.answer import Parts as AnsweringParts
from moat import jobs
from moat.blobs import ABANDONED_AFTER
from moat.database import Database
from moat.embedder import Embedders
from moat.errors import MoatError
from moat.llm.gateway import Gateway
from moat.object_blobs import open_blobs
from moat.oidc import Issuer
from moat.settings import Settings
from moat.settings_changes import note_settings
from moat.vectors import Vectors
from services import health, problems
from services.admin import audit, corpora, costs, erasures, keys, reindex, report, sources, users, widgets
from services.limits import BodyLimit, WidgetCors
from services.parts import Parts
from services.query import routes as query
from services.upload import documents
from services.upload import routes as upload
from services.web.routes import router as web_router

log = logging.getLogger(__name__)


def build_parts(settings: Settings) -> Parts:
    """Build everything the routes need from the settings."""
    database = Database.from_settings(settings)
    vectors = Vectors.from_settings(settings)
    blobs = open_blobs(settings)
    gateway = Gateway(settings, database)
    embedders = Embedders(settings.embedder)
    return Parts(
        settings=settings,
        database=database,
        vectors=vectors,
        blobs=blobs,
        publisher=jobs.Publisher(database, jobs.celery_app(settings), settings.broker.window),
        answering=AnsweringParts(settings, database, vectors, embedders, blobs, gateway),
        issuer=Issuer.from_settings(settings, database),
    )


def create_app(settings: Settings, parts: Parts | None = None) -> FastAPI:
    """Make the application; `parts` replaces what the settings would build."""
    used = parts or build_parts(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        used.blobs.clear_staging(ABANDONED_AFTER)
        await to_thread.run_sync(_note_settings, used)
        # The first question should not wait for the model to load, nor the start for the first question.
        threading.Thread(target=_warm, args=(used,), name="warm", daemon=True).start()
        yield
        await used.answering.gateway.close()
        used.vectors.close()
        used.database.close()

    # The reference at /docs comes from here too: a page of ours asks no other host for anything.
    app = FastAPIOffline(redoc_url=None, title="Moat", version=version("moat"), lifespan=lifespan)
    app.state.parts = used
    problems.install(app)
    routed = (
        *(upload, documents, query, corpora, report, keys, widgets, reindex, sources, costs, health),
        *(audit, erasures, users),
    )
    for module in routed:
        app.include_router(module.router)
    app.include_router(web_router())
    app.add_middleware(WidgetCors, database=used.database)
    app.add_middleware(BodyLimit, limit_bytes=settings.api.max_body_bytes)
    return app


def _note_settings(parts: Parts) -> None:
    try:
        with parts.database.transaction() as session:
            parts.database.lock(session, "settings/api")
            note_settings(session, parts.settings, "api")
    except MoatError as error:  # the API starts without its catalog too, and says that it is not ready
        log.warning("the settings could not be compared with the last start's: %s", error.detail)


def _warm(parts: Parts) -> None:
    try:
        parts.answering.embedders.get(parts.settings.embedder.default).embed_question("warm up")
    except MoatError as error:
        log.warning("the default embedder could not be loaded: %s", error.detail)
