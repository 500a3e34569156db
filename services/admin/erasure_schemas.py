"""The shapes of erasures, of a corpus's retention, and of a user's export."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from services.schemas import Body, Shape


class ErasureShape(Shape):
    """What was erased and what was looked for afterwards; ids and counts alone."""

    id: UUID
    kind: Literal["document", "history"]
    document_id: UUID | None
    corpus_id: UUID | None
    reason: str
    asked_by: str
    state: Literal["removing", "compacting", "incomplete", "done"]
    members: int = Field(description="Files inside it that went with it; it is done when they are.")
    removed: dict[str, int] = Field(description="What there was of it, by kind; to others than admins its own alone.")
    checked: dict[str, int | bool] = Field(description="What was looked for at the end; for admins.")
    asked_at: datetime
    finished_at: datetime | None


class ErasurePage(Shape):
    items: list[ErasureShape]
    next_cursor: str | None


class RetentionBody(Body):
    days: int | None = Field(ge=1, le=36_500, description="Age of the newest version; null keeps documents for ever.")
    dry_run: bool = Field(True, description="Say what would go; false puts it in force.")


class RetentionShape(Shape):
    """How long a corpus keeps documents, and what is older than that now."""

    days: int | None
    in_force: bool
    documents: int = Field(description="Documents that are older; members and what sources brought are not counted.")
    oldest: list[UUID] = Field(description="Some of them, oldest first.")


class ExportShape(Shape):
    """All that is held about a user."""

    user: str
    exported_at: datetime
    keys: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    feedback: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    documents: list[dict[str, Any]]
    erasures: list[dict[str, Any]]
    audit: list[dict[str, Any]]
