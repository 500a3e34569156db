"""The shapes of followed sources over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import Field

from services.schemas import Body, Shape


class SyncBody(Body):
    dry_run: bool = False


class SourceShape(Shape):
    """A source that the worker follows."""

    name: str
    configured: bool = Field(description="False for one that was taken out of moat.toml; its documents stay.")
    kind: str | None = Field(description="folder, web or reader.")
    corpus: str | None
    access: list[str]
    access_from: str | None = Field(description="The metadata in which the reader states a document's groups.")
    schedule: str | None
    documents: int
    state: str = Field(description="new, running, planning, done, partial, held or failed: of the last run.")
    requested: str | None = Field(description="sync or plan, until the worker begins with it.")
    last_started_at: datetime | None
    last_finished_at: datetime | None
    next_at: datetime | None
    counts: dict[str, int] = Field(description="What the last run did.")
    held: int = Field(description="Deletions that wait for an admin.")
    problems: list[str]
    error: str | None
    hint: str | None
    plan: dict[str, Any] | None = Field(description="What the last dry run found.")


class SourcePage(Shape):
    items: list[SourceShape]
    next_cursor: str | None = None
