"""The API's composition root."""

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from anyio import to_thread
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from answering.answer import Parts as AnsweringParts
from answering.rerank import PaidReranking, Reranking
from moat import jobs
from moat.blobs import ABANDONED_AFTER
from moat.database import Database
from moat.embedder import Embedders as LocalEmbedders
from moat.errors import MoatError
from moat.llm.blocking import BlockingGateway
from moat.llm.embedders import Embedders
from moat.llm.gateway import Gateway
from moat.object_blobs import open_blobs
from moat.oidc import Issuer
from moat.settings import Settings
from moat.settings_changes import note_settings
from moat.vectors import Vectors
from services import health, metrics, openapi, problems
from services.admin import (
    audit,
    budgets,
    corpora,
    cost_checks,
    costs,
    erasures,
    keys,
    reindex,
    report,
    sources,
    users,
    widgets,
)
from services.headers import SecurityHeaders
from services.limits import RequestLimit, WidgetCors
from services.network import Peers
from services.parts import Parts
from services.query import judgements
from services.query import routes as query
from services.rates import RateLimit, Rates
from services.turns import Turns
from services.upload import documents
from services.upload import routes as upload
from services.warm import warm
from services.web.routes import router as web_router

log = logging.getLogger(__name__)


def build_parts(settings: Settings) -> Parts:
    """Build everything the routes need from the settings."""
    database = Database.from_settings(settings)
    vectors = Vectors.from_settings(settings)
    blobs = open_blobs(settings)
    gateway = Gateway(settings, database)
    calls = BlockingGateway(settings, database)
    embedders = Embedders(settings, LocalEmbedders(settings.embedder), calls)
    return Parts(
        settings=settings,
        database=database,
        vectors=vectors,
        blobs=blobs,
        publisher=jobs.Publisher(database, jobs.celery_app(settings), settings.broker.window),
        answering=AnsweringParts(
            settings, database, vectors, embedders, blobs, gateway, reranking=reranking_of(settings, calls), calls=calls
        ),
        issuer=Issuer.from_settings(settings, database),
    )


def reranking_of(settings: Settings, calls: BlockingGateway) -> Reranking:
    """Give the reranker of the settings, which may be a provider's."""
    if settings.answering.reranker in settings.models:
        return PaidReranking(settings.answering, calls)
    return Reranking(settings.answering)


def create_app(
    settings: Settings, parts: Parts | None = None, *, warm_up: Callable[[Parts], None] = warm
) -> FastAPI:  # fmt: skip
    """Make the application; `parts` replaces what the settings would build, `warm_up` runs beside it once it serves."""
    used = parts or build_parts(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        used.blobs.clear_staging(ABANDONED_AFTER)
        await to_thread.run_sync(_note_settings, used)
        threading.Thread(target=warm_up, args=(used,), name="warm", daemon=True).start()
        yield
        await used.answering.gateway.close()
        used.vectors.close()
        used.database.close()

    # Swagger UI comes from here too, for our page at /docs: no page of ours asks another host for anything.
    app = FastAPIOffline(docs_url=None, redoc_url=None, title="Moat", version=version("moat"), lifespan=lifespan)
    app.state.parts = used
    app.state.metrics = metrics.Metrics(used.database, used.publisher)
    app.state.rates = Rates(settings.rates, settings.broker.url)
    app.state.turns = Turns.from_settings(settings.answering)
    problems.install(app)
    routed = (
        *(upload, documents, query, corpora, report, keys, widgets, reindex, sources, costs, budgets, health),
        *(audit, erasures, users, judgements, cost_checks, metrics),
    )
    for module in routed:
        app.include_router(module.router)
    app.include_router(web_router(settings.api.frame_ancestors))
    openapi.install(app)
    # The last one added stands outermost.
    app.add_middleware(RequestLimit, settings=settings.api)
    app.add_middleware(WidgetCors, database=used.database)
    app.add_middleware(RateLimit, rates=app.state.rates)
    app.add_middleware(Peers, trusted_proxies=settings.api.trusted_proxies)
    app.add_middleware(metrics.Timed, metrics=app.state.metrics)
    app.add_middleware(SecurityHeaders, hsts_s=settings.api.hsts_s)
    return app


def _note_settings(parts: Parts) -> None:
    try:
        with parts.database.transaction() as session:
            parts.database.lock(session, "settings/api")
            note_settings(session, parts.settings, "api")
    except MoatError as error:  # the API starts without its catalog too, and says that it is not ready
        log.warning("the settings could not be compared with the last start's: %s", error.detail)
