"""What was asked and answered, and what it cost."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from moat.tables.base import Table, utc_now


class AnswerRow(Table):
    """An answer as its reader got it."""

    __tablename__ = "answers"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user: Mapped[str] = mapped_column(index=True)
    key_id: Mapped[UUID | None]
    question: Mapped[str]
    status: Mapped[str]  # open, answered, abstained, failed
    body: Mapped[dict[str, Any] | None]
    corpora: Mapped[list[str] | None]  # those its text names as searched; None: what it drew on was not noted
    asked: Mapped[list[str] | None]  # the corpora that were asked; None: it was interrupted before
    conversation_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    __table_args__ = (Index("answers_by_conversation", "conversation_id"),)


class CachedAnswer(Table):
    """An answer that may be given again; the key is a hash of all that it was made of. It goes with its answer."""

    __tablename__ = "cached_answers"
    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    answer_id: Mapped[UUID] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Feedback(Table):
    """What a reader thought of an answer."""

    __tablename__ = "feedback"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    answer_id: Mapped[UUID] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), unique=True)
    rating: Mapped[str]
    comment: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class CallRow(Table):
    """One attempt at a paid service: opened before the call, closed after it, never deleted."""

    __tablename__ = "calls"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    answer_id: Mapped[UUID | None] = mapped_column(index=True)
    document_id: Mapped[UUID | None]  # whose ingestion needed it
    user: Mapped[str]
    key_id: Mapped[UUID | None]
    groups: Mapped[list[str]] = mapped_column(default=list)
    corpora: Mapped[list[str]]
    kind: Mapped[str]
    provider: Mapped[str]
    model: Mapped[str]
    model_returned: Mapped[str] = mapped_column(default="")
    request_id: Mapped[str] = mapped_column(default="")
    attempt: Mapped[int]
    status: Mapped[str]  # open, ok, failed, cancelled, presumed
    ceiling_usd: Mapped[Decimal]
    cost_usd: Mapped[Decimal]
    input_tokens: Mapped[int] = mapped_column(default=0)
    cached_tokens: Mapped[int] = mapped_column(default=0)
    output_tokens: Mapped[int] = mapped_column(default=0)
    reasoning_tokens: Mapped[int] = mapped_column(default=0)
    usage: Mapped[str] = mapped_column(default="reported")
    raw_usage: Mapped[dict[str, Any]] = mapped_column(default=dict)
    price_version: Mapped[str] = mapped_column(default="")
    flags: Mapped[list[str]] = mapped_column(default=list)  # why its cost is an upper bound, where it is
    opened_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    closed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(default="")  # of its answer: answered, abstained, failed
    __table_args__ = (
        Index("calls_by_state", "status", "expires_at"),
        Index("calls_by_document", "document_id"),
    )


class PriceSheetRow(Table):
    """The prices that calls were billed by, kept for ever: a new list cannot change what an old call did cost."""

    __tablename__ = "price_sheets"
    version: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]]
    first_used_at: Mapped[datetime] = mapped_column(default=utc_now)


class Idempotency(Table):
    """What a POST with an Idempotency-Key answered, for 24 hours."""

    __tablename__ = "idempotency"
    key_id: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_sha256: Mapped[str]
    status: Mapped[int | None]  # None while the first request is under way
    response: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
