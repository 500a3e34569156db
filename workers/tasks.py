"""Celery's doorways: each takes ids, is safe to run twice, and hands over at once."""

import logging
from collections.abc import Callable
from uuid import UUID

from celery import Celery

from moat import jobs
from moat.errors import MoatError
from workers.forget import forget_document
from workers.ingest_document import ingest_once
from workers.parts import Parts
from workers.reindex import advance_reindex
from workers.sweep import sweep
from workers.tidy import tidy_document

log = logging.getLogger(__name__)


def register(app: Celery, parts: Callable[[], Parts]) -> None:
    """Give the application its tasks; `parts` is asked when the first one runs."""

    def ingest(indexing_id: str) -> None:
        ingest_once(UUID(indexing_id), parts())
        try:
            parts().publisher.refill()
        except MoatError as error:  # the sweeper publishes what waits
            log.warning("the next documents could not be published: %s", error.detail)

    def tidy(document_id: str) -> None:
        tidy_document(UUID(document_id), parts())

    def forget(document_id: str) -> None:
        forget_document(UUID(document_id), parts())

    def advance(job_id: str) -> None:
        advance_reindex(UUID(job_id), parts())

    def sweep_all() -> None:
        sweep(parts())

    # Not shared: every application made later in this process would run these with this one's parts.
    app.task(ingest, name=jobs.INGEST_DOCUMENT, shared=False)
    app.task(tidy, name=jobs.TIDY_DOCUMENT, shared=False)
    app.task(forget, name=jobs.FORGET_DOCUMENT, shared=False)
    app.task(advance, name=jobs.ADVANCE_REINDEX, shared=False)
    app.task(sweep_all, name=jobs.SWEEP, shared=False)
