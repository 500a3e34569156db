"""The shapes of the audit log and of what is said of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.schemas import Shape


class EntryShape(Shape):
    """One entry; its hash is SHA-256 over the other fields as JSON with sorted names and no blanks."""

    seq: int
    at: datetime
    user: str
    key_id: UUID | None
    action: str
    object: str
    corpus_id: UUID | None
    details: dict[str, Any]
    previous: str
    hash: str


class EntryPage(Shape):
    items: list[EntryShape]
    next_cursor: str | None


class HeadShape(Shape):
    """The newest entry's number and hash: an anchor, once it is written down elsewhere."""

    seq: int
    hash: str
