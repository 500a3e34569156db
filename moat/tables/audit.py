"""The audit log: entries chained by their hashes, the chain's head, and the settings it was told of last."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from moat.tables.base import Table, utc_now


class AuditRow(Table):
    """One deed; never changed, and removed only from the oldest end, with an entry that says so."""

    __tablename__ = "audit"
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    user: Mapped[str]
    key_id: Mapped[UUID | None]
    action: Mapped[str]
    object: Mapped[str]
    corpus_id: Mapped[UUID | None]
    details: Mapped[dict[str, Any]]
    previous: Mapped[str]
    hash: Mapped[str]
    __table_args__ = (
        Index("audit_by_user", "user", "seq"),
        Index("audit_by_object", "object", "seq"),
        Index("audit_by_action", "action", "seq"),
    )


class AuditHead(Table):
    """The newest entry, in one row that every writer locks: two must not follow the same entry."""

    __tablename__ = "audit_head"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]


class SettingsSeen(Table):
    """What a kind of process was set to at its last start, as salted hashes by name."""

    __tablename__ = "settings_seen"
    process: Mapped[str] = mapped_column(primary_key=True)
    salt: Mapped[str]
    digests: Mapped[dict[str, Any]]
    seen_at: Mapped[datetime] = mapped_column(default=utc_now)
