"""Every way a claim can end, written to the catalog."""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moat.documents import LIVE_GENERATIONS, mark_untidy
from moat.errors import BudgetExceeded, LostClaim, MoatError, ParserCrashed
from moat.jobs import ADVANCE_REINDEX, UPKEEP, enqueue
from moat.records import DocumentState
from moat.tables import Document, Generation, Indexing, Job
from workers.claims import Claim, fenced, finish, requeue
from workers.parts import Parts

log = logging.getLogger(__name__)

LONGEST_RETRY_S = 60.0


@contextmanager
def concluded(claim: Claim, parts: Parts) -> Iterator[None]:
    """Write every way a claim can end to the catalog."""
    try:
        yield
    except LostClaim:
        log.info("a claim was lost", extra={"indexing": claim.indexing_id})
        _leave_no_trace(claim, parts)
    except ParserCrashed as error:
        _count_failure(claim, error, parts)
    except MoatError as error:
        if error.retryable or (isinstance(error, BudgetExceeded) and error.passing):
            _retry_later(claim, error, parts)
        else:
            _fail(claim, error, parts)
    except Exception as error:  # the process's edge: one document's fault must not stop the worker
        log.exception("an unforeseen error", extra={"indexing": claim.indexing_id})
        _count_failure(claim, MoatError(f"{type(error).__name__}: {error}", "See the worker's log."), parts)


def _fail(claim: Claim, error: MoatError, parts: Parts) -> None:
    _end(claim, DocumentState.FAILED, error, parts)


def _count_failure(claim: Claim, error: MoatError, parts: Parts) -> None:
    if claim.failures + 1 >= parts.settings.worker.max_failures:
        _end(claim, DocumentState.QUARANTINED, error, parts)
    else:
        _retry_later(claim, error, parts, failures=claim.failures + 1)


def _end(claim: Claim, state: DocumentState, error: MoatError, parts: Parts) -> None:
    log.warning("a document ended %s: %s", state.value, error.detail, extra={"indexing": claim.indexing_id})
    with _unless_lost(claim, parts), parts.database.transaction() as session:
        row = fenced(session, claim)
        finish(session, row, state, error.public, error.hint)
        mark_untidy(session, claim.document_id)  # this attempt or one before it may have written points
        wake_reindex(session, claim.generation_id)


def _retry_later(claim: Claim, error: MoatError, parts: Parts, failures: int | None = None) -> None:
    before = claim.transients if failures is None else claim.failures
    base = parts.settings.worker.retry_base_s
    wait_s = min(LONGEST_RETRY_S, base * 2 ** min(before, 10)) * random.uniform(0.5, 1)  # noqa: S311
    log.warning("a document is tried again: %s", error.detail, extra={"indexing": claim.indexing_id, "wait_s": wait_s})
    with _unless_lost(claim, parts), parts.database.transaction() as session:
        row = fenced(session, claim)
        if failures is None:  # something was away: that is no mark against the document
            row.transients += 1
            row.attempts = 0
        else:
            row.failures = failures
        row.error, row.hint = error.public, error.hint
        requeue(session, row, timedelta(seconds=wait_s))


@contextmanager
def _unless_lost(claim: Claim, parts: Parts) -> Iterator[None]:
    try:
        yield
    except LostClaim:
        _leave_no_trace(claim, parts)


def _leave_no_trace(claim: Claim, parts: Parts) -> None:
    """Remove what a stale writer wrote, where nobody else is to write the same points again.

    Point ids are deterministic: while the version is still wanted in this generation, whoever holds
    the claim now writes the very same points, and removing them here would remove theirs.
    """
    with parts.database.reading() as session:
        generation = session.get(Generation, claim.generation_id)
        document = session.get(Document, claim.document_id)
        wanted = document is not None and document.state != DocumentState.DELETING
    if generation is None or generation.state not in LIVE_GENERATIONS:
        return  # its collection is gone, or goes as a whole
    if not wanted and generation.collection in parts.vectors.collections():
        parts.vectors.delete_document(generation.collection, claim.document_id)


def wake_reindex(session: Session, generation_id: UUID) -> None:
    """Tell a running reindex when its last document is done."""
    job = session.scalar(select(Job.id).where(Job.generation_id == generation_id, Job.state == "running"))
    if job is None:
        return
    session.flush()
    waiting = select(Indexing.id).where(
        Indexing.generation_id == generation_id,
        Indexing.state.in_((DocumentState.QUEUED, DocumentState.PARSING, DocumentState.EMBEDDING)),
    )
    if session.scalar(waiting.limit(1)) is None:
        enqueue(session, ADVANCE_REINDEX, job, queue=UPKEEP)
