"""Who did what, appended to a chain of hashes in the transaction of the deed."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from moat.audit_chain import PRUNED, Anchor, Entry
from moat.records import Reader
from moat.tables import AuditHead, AuditRow, utc_now

if TYPE_CHECKING:
    from moat.database import Database

SYSTEM = "moat"
_NOTED = "moat_audit"
_PRUNED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class _Note:
    user: str
    key_id: UUID | None
    action: str
    object: str
    corpus_id: UUID | None
    details: dict[str, Any]


def note(
    session: Session,
    reader: Reader | None,
    action: str,
    object_: object = "",
    *,
    corpus_id: UUID | None = None,
    **details: Any,
) -> None:
    """Say in this transaction what is being done; ids only, never a document's text. Without a reader, Moat does it."""
    user, key_id = (SYSTEM, None) if reader is None else (reader.user, reader.key_id)
    session.info.setdefault(_NOTED, []).append(_Note(user, key_id, action, str(object_), corpus_id, details))


def record(database: "Database", reader: Reader | None, action: str, object_: object = "", **more: Any) -> None:
    """Say what was done where nothing else is written."""
    with database.transaction() as session:
        note(session, reader, action, object_, **more)


def append_noted(session: Session) -> None:
    """Chain what was noted, as the last step before the commit: the head is locked for no longer than that."""
    noted: list[_Note] = session.info.pop(_NOTED, [])
    if not noted:
        return
    session.flush()  # every other lock of this transaction is taken before the one that all writers share
    head = session.scalars(select(AuditHead).with_for_update().execution_options(populate_existing=True)).one()
    now = utc_now()
    for deed in noted:
        entry = Entry(
            head.seq + 1,
            now,
            deed.user,
            deed.key_id,
            deed.action,
            deed.object,
            deed.corpus_id,
            deed.details,
            previous=head.hash,
        )
        head.seq, head.hash = entry.seq, entry.hash()
        session.add(_row(entry, head.hash))


def head_of(session: Session) -> Anchor:
    """Give the newest entry's number and hash."""
    head = session.scalars(select(AuditHead)).one()
    return Anchor(head.seq, head.hash)


def prune(session: Session, before: datetime) -> int:
    """Remove the oldest entries, with an entry of its own that says up to where; returns how many."""
    first_kept = session.scalar(select(AuditRow.seq).where(AuditRow.at >= before).order_by(AuditRow.seq).limit(1))
    oldest = session.scalar(select(AuditRow.seq).order_by(AuditRow.seq).limit(1))
    if oldest is None:
        return 0
    through = (first_kept or head_of(session).seq + 1) - 1
    through = min(through, oldest + _PRUNED_AT_ONCE - 1)
    last = session.get(AuditRow, through)
    if last is None or through < oldest:
        return 0
    removed = through - oldest + 1
    session.execute(delete(AuditRow).where(AuditRow.seq <= through))
    note(session, None, PRUNED, through_seq=through, through_hash=last.hash, removed=removed)
    return removed


def entry_of_row(row: AuditRow) -> Entry:
    """Give a stored entry as it is hashed."""
    return Entry(
        row.seq, row.at, row.user, row.key_id, row.action, row.object, row.corpus_id, row.details, row.previous
    )


def _row(entry: Entry, hash_: str) -> AuditRow:
    return AuditRow(
        seq=entry.seq,
        at=entry.at,
        user=entry.user,
        key_id=entry.key_id,
        action=entry.action,
        object=entry.object,
        corpus_id=entry.corpus_id,
        details=dict(entry.details),
        previous=entry.previous,
        hash=hash_,
    )
