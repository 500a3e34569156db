"""Corpora, their documents, and what was understood and indexed of them."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moat.records import DocumentState
from moat.tables.base import Table, utc_now


class Corpus(Table):
    """A named set of documents with its own pipeline and access."""

    __tablename__ = "corpora"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(unique=True)
    pipeline: Mapped[dict[str, Any]]
    serving_generation: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    reach: Mapped[list[str] | None]  # providers and regions that its text may reach; None: those of the settings
    abstain_below: Mapped[float | None]  # None: as the deployment is set
    cache_answers: Mapped[bool] = mapped_column(default=True)  # where the deployment keeps answers to be given again
    retention_days: Mapped[int | None]  # documents older than this are erased; None keeps them
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
    principal: Mapped[str] = mapped_column(primary_key=True, index=True)


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
    uploader: Mapped[dict[str, Any] | None]  # whom its indexing is charged to; None: by the document's uploaded_by
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
