"""The right to run one source: of all workers and clocks, one has it at a time."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from moat.database import Database
from moat.errors import InvalidRequest, LostClaim, MoatError
from moat.source_settings import SourceSettings
from moat.sources import RUNNING, find_row
from moat.tables import SourceRow, utc_now
from workers.sources.schedule import first_run, next_run

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Lease:
    """One run of a source, until somebody takes the next fencing number."""

    name: str
    fence: int
    is_dry: bool
    before: str  # the state that the last run left
    lost: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise LostClaim once the lease is known to be gone."""
        if self.lost.is_set():
            raise LostClaim(f"Another worker runs the source {self.name!r} now.")


@contextmanager
def taken(name: str, source: SourceSettings, database: Database, lease_s: float) -> Iterator[Lease | None]:
    """Hold a source for the block, its lease renewed; None when it is not due or somebody else runs it."""
    lease = _take(name, source, database, lease_s)
    if lease is None:
        yield None
        return
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(lease_s / 3):
            _renew(lease, database, lease_s)

    keeper = threading.Thread(target=keep, name=f"lease of {name}", daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        ended.set()
        keeper.join()


def fenced(session: Session, lease: Lease) -> SourceRow:
    """Load the source's row for writing, or raise LostClaim if somebody else's number stands there."""
    row = session.scalar(select(SourceRow).where(SourceRow.name == lease.name).with_for_update())
    if row is None or row.fence != lease.fence:
        lease.lost.set()
        raise LostClaim(f"Another worker runs the source {lease.name!r} now.")
    return row


def conclude(row: SourceRow, lease: Lease, source: SourceSettings, state: str, error: str = "", hint: str = "") -> None:
    """Write how a run ended, and when the next one is due; a dry one that went well leaves that as it was."""
    row.lease_until, row.attempts = None, 0
    if lease.is_dry and state != "failed":
        row.state = lease.before
        return
    row.state, row.error, row.hint = state, error or None, hint or None
    if not lease.is_dry:
        row.finished_at = utc_now()
        _reckon(row, source, row.finished_at)


def _take(name: str, source: SourceSettings, database: Database, lease_s: float) -> Lease | None:
    now = utc_now()
    with database.reading() as session:  # every few seconds: it must not take the turn of those who write
        seen = session.get(SourceRow, name)
        if seen is not None and not _may_be_due(seen, source, now):
            return None
    with database.transaction() as session:
        row = find_row(session, name, database)
        if not (_may_be_due(row, source, now) and _is_due(row, source, now)):
            return None
        cut_off, before = row.state in RUNNING, row.state
        # A dry run that was cut off goes on as one: it must not become a real one.
        is_dry = row.state == "planning" if cut_off else row.requested == "plan"
        lease = Lease(name, row.fence + 1, is_dry, "done" if cut_off else before)
        if row.attempts >= MOST_ATTEMPTS:
            why = f"The worker ended {row.attempts} times while it read this source."
            conclude(row, lease, source, "failed", why, "See the worker's log; name less of the source.")
            return None
        row.fence = lease.fence
        row.attempts += 1
        if not cut_off:
            row.requested = None
        row.state, row.started_at = "planning" if is_dry else "running", now
        row.lease_until = now + timedelta(seconds=lease_s)
        return lease


def _may_be_due(row: SourceRow, source: SourceSettings, now: datetime) -> bool:
    if row.lease_until is not None and row.lease_until > now:
        return False
    is_time = row.next_at is not None and row.next_at <= now
    return is_time or bool(row.requested) or row.state in RUNNING or row.schedule != source.schedule


def _is_due(row: SourceRow, source: SourceSettings, now: datetime) -> bool:
    if row.schedule != source.schedule:
        row.schedule = source.schedule
        _reckon(row, source, now)
    if row.requested or row.state in RUNNING:  # without a lease: it was cut off
        return True
    return row.next_at is not None and row.next_at <= now


def _reckon(row: SourceRow, source: SourceSettings, now: datetime) -> None:
    """Write when a source is due next; a schedule that is not cron's is said, and the source runs only when asked."""
    try:
        row.next_at = first_run(source, now) if row.finished_at is None else next_run(source, row.finished_at)
    except InvalidRequest as error:
        row.state, row.error, row.hint, row.next_at = "failed", error.detail, error.hint, None


def _renew(lease: Lease, database: Database, lease_s: float) -> None:
    try:
        with database.transaction() as session:
            kept = session.execute(
                update(SourceRow)
                .where(SourceRow.name == lease.name, SourceRow.fence == lease.fence, SourceRow.lease_until.is_not(None))
                .values(lease_until=utc_now() + timedelta(seconds=lease_s))
            )
    except MoatError:
        log.warning("the lease of a source could not be renewed", extra={"source": lease.name}, exc_info=True)
        return
    if kept.rowcount == 0:  # type: ignore[attr-defined]
        lease.lost.set()
