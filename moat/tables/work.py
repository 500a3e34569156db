"""Work to be done: tasks to publish, jobs, sources, and what deletions leave to remove."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from moat.tables.base import Table, utc_now


class Forgetting(Table):
    """A deleted document whose points and blobs still have to go; it outlives the document's row."""

    __tablename__ = "forgettings"
    document_id: Mapped[UUID] = mapped_column(primary_key=True)
    erasure_id: Mapped[UUID | None]  # where it is reported; an older Moat's has none
    collections: Mapped[list[str]]
    texts: Mapped[list[str]]
    originals: Mapped[list[str]]  # sha256 of each; removed unless another document shares it
    not_before: Mapped[datetime]  # when the last claim on the document has surely ended
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Outbox(Table):
    """A task to publish, written in the commit that makes it necessary."""

    __tablename__ = "outbox"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    task: Mapped[str]
    queue: Mapped[str]
    corpus_id: Mapped[UUID | None]  # whose turn it is; upkeep has none
    arguments: Mapped[list[str]]
    available_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    taken_until: Mapped[datetime | None]
    __table_args__ = (Index("outbox_by_turn", "queue", "corpus_id", "available_at"),)


class SourceRow(Table):
    """A source that the worker follows: its last run, its next one, and what waits for an admin."""

    __tablename__ = "sources"
    name: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(default="new")  # new, running, done, partial, held, failed
    schedule: Mapped[str] = mapped_column(default="")  # as next_at was reckoned with
    next_at: Mapped[datetime | None]
    requested: Mapped[str | None]  # sync or plan
    fence: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)  # runs that began and did not end
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    plan: Mapped[dict[str, Any] | None]  # what the last dry run found
    problems: Mapped[list[str]] = mapped_column(default=list)
    error: Mapped[str | None]
    hint: Mapped[str | None]
    held: Mapped[list[str]] = mapped_column(default=list)  # documents whose deletion waits for an admin
    approved: Mapped[list[str]] = mapped_column(default=list)


class Job(Table):
    """Long work that an admin asked for, such as a reindex."""

    __tablename__ = "jobs"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str]
    corpus_id: Mapped[UUID] = mapped_column(ForeignKey("corpora.id", ondelete="CASCADE"))
    generation_id: Mapped[UUID | None]
    state: Mapped[str]  # running, done, failed, cancelled
    detail: Mapped[str] = mapped_column(default="")
    hint: Mapped[str] = mapped_column(default="")
    requested_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[datetime | None]
