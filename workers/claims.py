"""Claims on indexings: a lease that is kept alive, and a fencing number that a stale writer has lost."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from moat.database import Database, catalog_now
from moat.documents import mark_untidy
from moat.errors import LostClaim, MoatError
from moat.jobs import enqueue_indexing
from moat.records import TERMINAL_STATES, WORKING_STATES, DocumentState
from moat.settings import WorkerSettings
from moat.tables import Corpus, Document, Indexing, utc_now

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write one indexing, until somebody takes the next fencing number."""

    indexing_id: UUID
    generation_id: UUID
    document_id: UUID
    version: int
    fence: int
    attempts: int
    failures: int
    transients: int
    lost: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise LostClaim once the lease is known to be gone."""
        if self.lost.is_set():
            raise LostClaim(f"Another worker holds indexing {self.indexing_id} now.")


class Claims:
    """Takes, keeps and gives back claims for one worker process."""

    def __init__(self, database: Database, settings: WorkerSettings, worker: str) -> None:
        self._database = database
        self._settings = settings
        self._worker = worker
        self._held: dict[UUID, Claim] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._keeper: threading.Thread | None = None

    def recover_own(self) -> int:
        """Requeue what an earlier process of this name held when it died."""
        with self._database.transaction() as session:
            rows = session.scalars(
                select(Indexing).where(Indexing.claimed_by == self._worker, Indexing.state.in_(WORKING_STATES))
            ).all()
            for row in rows:
                requeue(session, row)
        return len(rows)

    @contextmanager
    def taken(self, indexing_id: UUID) -> Iterator[Claim | None]:
        """Hold the claim for the block; None when there is nothing to do or another worker does it."""
        claim = self._take(indexing_id)
        if claim is None:
            yield None
            return
        with self._lock:
            self._held[indexing_id] = claim
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="leases", daemon=True)
                self._keeper.start()
        try:
            yield claim
        finally:
            with self._lock:
                self._held.pop(indexing_id, None)

    def stop(self) -> None:
        self._stopped.set()

    def _take(self, indexing_id: UUID) -> Claim | None:
        with self._database.transaction() as session:
            now = catalog_now(session)
            row = _locked(session, indexing_id)
            if row is None or row.state in TERMINAL_STATES or row.available_at > now:
                return None
            if row.lease_until is not None and row.lease_until > now:
                return None
            if row.attempts >= self._settings.max_attempts:
                finish(
                    session,
                    row,
                    DocumentState.QUARANTINED,
                    f"Work on this document ended {row.attempts} times without a word from the worker.",
                    "See the worker's log, then retry the document or remove it.",
                )
                mark_untidy(session, row.document_id)  # the attempts that died may have written points
                return None
            row.fence += 1
            row.attempts += 1
            row.claimed_by = self._worker
            row.lease_until = now + timedelta(seconds=self._settings.lease_s)
            enter(session, row, DocumentState.PARSING)
            return Claim(
                indexing_id=row.id,
                generation_id=row.generation_id,
                document_id=row.document_id,
                version=row.version,
                fence=row.fence,
                attempts=row.attempts,
                failures=row.failures,
                transients=row.transients,
            )

    def _keep(self) -> None:
        while not self._stopped.wait(self._settings.lease_s / 3):
            with self._lock:
                held = list(self._held.values())
            for claim in held:
                self._renew(claim)

    def _renew(self, claim: Claim) -> None:
        try:
            with self._database.transaction() as session:
                until = catalog_now(session) + timedelta(seconds=self._settings.lease_s)
                kept = session.execute(
                    update(Indexing)
                    .where(Indexing.id == claim.indexing_id, Indexing.fence == claim.fence)
                    .where(Indexing.state.in_(WORKING_STATES))
                    .values(lease_until=until)
                )
        except MoatError:
            log.warning("a lease could not be renewed", extra={"indexing": claim.indexing_id}, exc_info=True)
            return
        if kept.rowcount == 0:  # type: ignore[attr-defined]
            claim.lost.set()


def fenced(session: Session, claim: Claim) -> Indexing:
    """Load the claimed row for writing, or raise LostClaim if somebody else's number stands there."""
    row = _locked(session, claim.indexing_id)
    if row is None or row.fence != claim.fence or row.state not in WORKING_STATES:
        claim.lost.set()
        raise LostClaim(f"Another worker holds indexing {claim.indexing_id} now.")
    return row


def _locked(session: Session, indexing_id: UUID) -> Indexing | None:
    """Lock a document, then its indexing, as uploads and deletions do: in another order they would deadlock."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite's only writer holds every row
        document = select(Indexing.document_id).where(Indexing.id == indexing_id).scalar_subquery()
        session.execute(select(Document.id).where(Document.id == document).with_for_update())
    return session.scalar(select(Indexing).where(Indexing.id == indexing_id).with_for_update())


def requeue(session: Session, row: Indexing, delay: timedelta = timedelta(0)) -> None:
    """Put an indexing back in its queue; whoever held it has lost it."""
    row.fence += 1
    row.claimed_by = None
    row.lease_until = None
    row.available_at = catalog_now(session) + delay
    row.published_at = None
    enter(session, row, DocumentState.QUEUED)
    enqueue_indexing(session, row, delay)


def enter(session: Session, row: Indexing, state: DocumentState) -> None:
    """Move an indexing to a state, and the document with it where this is its newest version's serving index."""
    row.state = state
    serving = select(Corpus.serving_generation).where(Corpus.id == Document.corpus_id).scalar_subquery()
    session.execute(
        update(Document)
        .where(Document.id == row.document_id, Document.version == row.version)
        .where(Document.state != DocumentState.DELETING)
        .where(serving == row.generation_id)
        .values(state=state, updated_at=utc_now())
        .execution_options(synchronize_session=False)
    )


def finish(session: Session, row: Indexing, state: DocumentState, error: str = "", hint: str = "") -> None:
    """Move an indexing to a terminal state, and its document with it."""
    over(row, state, error, hint)
    enter(session, row, state)


def over(row: Indexing, state: DocumentState, error: str = "", hint: str = "") -> None:
    """Write to an indexing how it ended."""
    row.state = state
    row.error = error or None
    row.hint = hint or None
    row.claimed_by = None
    row.lease_until = None
    row.attempts = row.transients = 0
    row.finished_at = utc_now()
