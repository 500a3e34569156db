"""The shapes of documents over HTTP."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from moat.records import DocumentState
from services.schemas import Body, Shape


class Problem(Shape):
    type: str
    title: str
    status: int
    detail: str
    hint: str


class UploadItem(Shape):
    """What became of one file of an upload."""

    filename: str
    id: UUID | None = None
    state: DocumentState | None = None
    duplicate: bool = False
    problem: Problem | None = None


class UploadResult(Shape):
    items: list[UploadItem]


class PlannedItem(Shape):
    """What one file would take; `tokens` is an estimate, since files are not parsed for it."""

    filename: str
    media_type: str = ""
    bytes: int = 0
    tokens: int = 0
    why: str = ""
    problem: Problem | None = None


class UploadPlan(Shape):
    """What an upload would take, with `dry_run`; nothing was kept."""

    items: list[PlannedItem]
    tokens: int
    embedder: str
    expected_usd: str
    ceiling_usd: str
    why: str


class DocumentShape(Shape):
    """A document at its newest version; `serving_version` is the one that answers."""

    id: UUID
    corpus: str
    key: str
    name: str
    title: str
    version: int
    serving_version: int | None
    parent_id: UUID | None = None
    erasure_id: UUID | None = Field(None, description="Where a deletion is reported: GET /v1/erasures/{id}.")
    state: DocumentState
    progress: float
    error: str | None
    hint: str | None
    media_type: str
    size: int
    sha256: str = Field(description="Of the newest version's file.")
    pages: int | None
    chunks: int
    cost_usd: str | None = Field(
        None, description="What indexing it has cost so far, for admins: copies elsewhere save."
    )
    access: list[str]
    metadata: dict[str, Any]
    uploaded_by: str
    created_at: datetime
    updated_at: datetime
    timings: dict[str, float] = Field(description="Seconds of each stage, for admins: a copy elsewhere shortens them.")
    warnings: list[str] = Field(description="What of the file did not become documents, for archives and mail.")
    report: dict[str, Any] = Field(
        description="`cleaning`: how often each rule did something; `redactions`: what was masked; `warnings`; "
        "`instructions`: what reads like instructions to a model, with its kind, where it stands and its span; for "
        "admins `embedded`, the chunks whose vectors were not known."
    )


class DocumentPage(Shape):
    items: list[DocumentShape]
    next_cursor: str | None
    counts: dict[str, int] = Field(description="Readable documents by state, the whole corpus.")
    seconds_left: int | None = Field(description="Until what you may read of it is indexed, by what was done lately.")


class PageSpanShape(Shape):
    page: int
    start: int
    end: int


class TextShape(Shape):
    """The canonical text that spans and quotes count in."""

    document_id: UUID
    version: int
    title: str
    text: str
    page_map: list[PageSpanShape]


class ChunkShape(Shape):
    id: UUID
    ordinal: int
    page: int | None
    span: tuple[int, int]
    heading_path: list[str]
    tokens: int
    text: str


class ChunkPage(Shape):
    items: list[ChunkShape]
    next_cursor: str | None


class AccessBody(Body):
    access: list[str] = Field(min_length=0, max_length=200)


class AccessShape(Shape):
    access: list[str]
