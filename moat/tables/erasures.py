"""What was erased and how that was checked, and which documents a stored answer is made of."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from moat.tables.base import Table, utc_now


class Erasure(Table):
    """The report of one erasure: of a document, or of a user's history. It holds ids and counts alone."""

    __tablename__ = "erasures"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str]  # document, history
    document_id: Mapped[UUID | None] = mapped_column(index=True)
    corpus_id: Mapped[UUID | None]
    parent_id: Mapped[UUID | None] = mapped_column(index=True)  # the erasure of the archive or mail it came in
    reason: Mapped[str]  # request, corpus, retention, source, member
    asked_by: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)  # removing, compacting, done
    removed: Mapped[dict[str, Any]]
    collections: Mapped[list[str]]  # still to be compacted
    checked: Mapped[dict[str, Any]] = mapped_column(default=dict)
    asked_at: Mapped[datetime] = mapped_column(default=utc_now)
    removed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class AnswerDocument(Table):
    """A document whose text or title went into a stored answer."""

    __tablename__ = "answer_documents"
    answer_id: Mapped[UUID] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True)
    # No foreign key: what remains of a document that is gone must still be found.
    document_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
