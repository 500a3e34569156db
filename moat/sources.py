"""The rows of followed sources: what API and workers both do with them."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from moat.database import Database
from moat.errors import Conflict
from moat.tables import SourceRow

RUNNING = ("running", "planning")


def find_row(session: Session, name: str, database: Database) -> SourceRow:
    """Load a source's row for change, or add the first one."""
    database.lock(session, f"source/{name}")  # nobody else may add it meanwhile
    row = session.scalar(select(SourceRow).where(SourceRow.name == name).with_for_update())
    if row is None:
        row = SourceRow(name=name, state="new", schedule="", fence=0, attempts=0, counts={}, problems=[])
        row.held = row.approved = []
        session.add(row)
    return row


def ask(row: SourceRow, *, dry_run: bool) -> None:
    """Have the worker run a source as soon as it can."""
    wanted = "plan" if dry_run else "sync"
    if row.requested not in (None, wanted):
        raise Conflict(f"The source {row.name!r} waits for a {row.requested} already.", "Ask again when it is done.")
    row.requested = wanted


def approve(row: SourceRow) -> int:
    """Let the deletions that are held go ahead, those and no others; gives how many."""
    if not row.held:
        raise Conflict(f"Nothing of the source {row.name!r} waits for an admin.", "'moat sync --list' shows what does.")
    ask(row, dry_run=False)
    row.approved, row.held = row.held, []
    return len(row.approved)
