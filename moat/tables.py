"""The catalog's SQL models. The catalog is the truth: broker and vectors are rebuilt from it and from the blobs."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    String,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from moat.records import DocumentState


class Utc(TypeDecorator[datetime]):
    """Aware UTC times on every database; SQLite forgets the zone otherwise."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """Exact dollars: NUMERIC on PostgreSQL, whole pico-dollars on SQLite, which would store a float."""

    impl = Numeric(24, 12)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(24, 12))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return int(value.scaleb(12).to_integral_value())

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        return Decimal(value).scaleb(-12) if dialect.name == "sqlite" else Decimal(value)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Table(DeclarativeBase):
    type_annotation_map: ClassVar = {
        datetime: Utc,
        Decimal: Money,
        dict[str, Any]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
        str: String,
    }


class Corpus(Table):
    """A named set of documents with its own pipeline and access."""

    __tablename__ = "corpora"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(unique=True)
    pipeline: Mapped[dict[str, Any]]
    serving_generation: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    deleted_at: Mapped[datetime | None]  # gone for every reader; the sweeper removes what is left


class CorpusAccess(Table):
    """A principal that may read a corpus."""

    __tablename__ = "corpus_access"
    corpus_id: Mapped[UUID] = mapped_column(ForeignKey("corpora.id", ondelete="CASCADE"), primary_key=True)
    principal: Mapped[str] = mapped_column(primary_key=True)


class Generation(Table):
    """One build of a corpus's index, in a collection of its own that is never shared."""

    __tablename__ = "generations"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    corpus_id: Mapped[UUID] = mapped_column(ForeignKey("corpora.id", ondelete="CASCADE"), index=True)
    collection: Mapped[str] = mapped_column(unique=True)
    pipeline: Mapped[dict[str, Any]]
    fingerprint: Mapped[str]
    dimension: Mapped[int | None]
    state: Mapped[str]  # building, serving, retired, abandoned, dropped
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    retired_at: Mapped[datetime | None]


class Document(Table):
    """One uploaded file, under a key that is stable over its versions."""

    __tablename__ = "documents"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    corpus_id: Mapped[UUID] = mapped_column(ForeignKey("corpora.id", ondelete="CASCADE"))
    parent_id: Mapped[UUID | None] = mapped_column(index=True)  # the archive or mail that it came in
    key: Mapped[str]
    name: Mapped[str]
    doc_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    version: Mapped[int]
    serving_version: Mapped[int | None]
    state: Mapped[DocumentState] = mapped_column(String)
    uploaded_by: Mapped[str]
    source: Mapped[str | None] = mapped_column(index=True)  # the source that brought it, and may delete it
    untidy_since: Mapped[datetime | None] = mapped_column(index=True)  # its points may not say what the catalog says
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    __table_args__ = (
        # Not unique: a key taken by a document that the uploader may not see must look free to them.
        # With the time, or SQLite reads a whole corpus by age in search of one key's oldest document.
        Index("documents_by_key", "corpus_id", "key", "created_at"),
        Index("documents_by_corpus", "corpus_id", "created_at", "id"),
        Index("documents_by_state", "corpus_id", "state"),
    )


class DocumentAccess(Table):
    """A principal that may read a document."""

    __tablename__ = "document_access"
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    principal: Mapped[str] = mapped_column(primary_key=True)


class Version(Table):
    """One content of a document: the original blob and what was understood of it."""

    __tablename__ = "versions"
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(index=True)
    size: Mapped[int]
    filename: Mapped[str]
    media_type: Mapped[str]
    title: Mapped[str] = mapped_column(default="")
    pages: Mapped[int | None]
    elements: Mapped[str | None]  # blob of the masked elements, which stand in for an original that is not kept
    access: Mapped[list[str] | None]  # who may read once this version serves; None leaves it as it was
    unpacked_at: Mapped[datetime | None]  # when its members had become documents
    warnings: Mapped[list[str] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Indexing(Table):
    """One document's version in one generation, with its state, its claim and its fence."""

    __tablename__ = "indexings"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    generation_id: Mapped[UUID] = mapped_column(ForeignKey("generations.id", ondelete="CASCADE"))
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), index=True)
    version: Mapped[int]
    queue: Mapped[str]
    state: Mapped[DocumentState] = mapped_column(String)
    fence: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    transients: Mapped[int] = mapped_column(default=0, server_default="0")  # tries in a row that something was away
    claimed_by: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    available_at: Mapped[datetime] = mapped_column(default=utc_now)
    published_at: Mapped[datetime | None]
    progress: Mapped[float] = mapped_column(default=0.0)
    chunks: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    hint: Mapped[str | None]
    timings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    text: Mapped[str | None] = mapped_column(index=True)  # hash of the canonical text, which copies share
    report: Mapped[dict[str, Any] | None]  # what cleaning and redaction did, and what the parser warns of
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("generation_id", "document_id", "version"),
        Index("indexings_by_state", "state", "queue", "generation_id"),  # all that counting what waits needs
        Index("indexings_by_end", "finished_at"),
    )


class ChunkRow(Table):
    """What a generation's collection must hold; the id is the point's."""

    __tablename__ = "chunks"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    generation_id: Mapped[UUID] = mapped_column(ForeignKey("generations.id", ondelete="CASCADE"))
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    version: Mapped[int]
    ordinal: Mapped[int]
    span_start: Mapped[int]
    span_end: Mapped[int]
    page: Mapped[int | None]
    heading_path: Mapped[list[str]]
    tokens: Mapped[int]
    __table_args__ = (
        Index("chunks_by_document", "document_id", "generation_id", "ordinal"),
        Index("chunks_by_generation", "generation_id"),
    )


class LikenessRow(Table):
    """What a document's newest text is like, and the older document of its corpus that it nearly repeats."""

    __tablename__ = "likenesses"
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int]
    language: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    near_duplicate_of: Mapped[UUID | None] = mapped_column(index=True)  # that one may be deleted, or differ, by now
    resemblance: Mapped[float | None]


class LikenessBand(Table):
    """One band of a document's signature: documents that share one may be near-duplicates."""

    __tablename__ = "likeness_bands"
    corpus_id: Mapped[UUID] = mapped_column(ForeignKey("corpora.id", ondelete="CASCADE"), primary_key=True)
    band: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    document_id: Mapped[UUID] = mapped_column(
        ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Forgetting(Table):
    """A deleted document whose points and blobs still have to go; it outlives the document's row."""

    __tablename__ = "forgettings"
    document_id: Mapped[UUID] = mapped_column(primary_key=True)
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


class ApiKey(Table):
    """A key's hash with whom it speaks for; the key itself is shown once and never stored."""

    __tablename__ = "api_keys"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    prefix: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user: Mapped[str]
    groups: Mapped[list[str]]
    scopes: Mapped[list[str]]
    corpora: Mapped[list[str] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class Widget(Table):
    """What a publishable widget id stands for."""

    __tablename__ = "widgets"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    origins: Mapped[list[str]]
    corpora: Mapped[list[str] | None]
    groups: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class WidgetSession(Table):
    """A short-lived token that a widget got for its id."""

    __tablename__ = "widget_sessions"
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    widget_id: Mapped[str] = mapped_column(ForeignKey("widgets.id", ondelete="CASCADE"))
    user: Mapped[str]
    origin: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class AnswerRow(Table):
    """An answer as its reader got it."""

    __tablename__ = "answers"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user: Mapped[str] = mapped_column(index=True)
    key_id: Mapped[UUID | None]
    question: Mapped[str]
    status: Mapped[str]  # open, answered, abstained, failed
    body: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


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
    user: Mapped[str]
    key_id: Mapped[UUID | None]
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
    opened_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    closed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]


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
