"""The shapes of a corpus's report."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from services.schemas import Shape


class Copies(Shape):
    """Documents of one content, the oldest first."""

    sha256: str
    keys: list[str]


class CopiesPart(Shape):
    count: int = Field(description="Documents that repeat an older one exactly.")
    items: list[Copies]


class Alike(Shape):
    document_id: UUID
    key: str
    near_duplicate_of: UUID
    of_key: str
    resemblance: float = Field(description="Share of five-word runs that both have, estimated.")


class NearPart(Shape):
    count: int
    items: list[Alike]


class Stale(Shape):
    document_id: UUID
    key: str
    dated: datetime = Field(description="By the metadata's modified, updated, date or created; else the upload.")


class StalePart(Shape):
    count: int
    older_than_days: int
    items: list[Stale]


class Unreadable(Shape):
    document_id: UUID
    key: str
    state: str
    reason: str
    hint: str


class UnreadablePart(Shape):
    count: int
    items: list[Unreadable]


class SizePart(Shape):
    chunks: int
    tokens: int
    bytes: int
    embedding_cost_usd: str


class ReportShape(Shape):
    corpus: str
    documents: int
    exact_duplicates: CopiesPart
    near_duplicates: NearPart
    superseded_versions: int
    stale: StalePart
    unreadable: UnreadablePart
    languages: dict[str, int] = Field(description="Documents by language, ISO 639-1.")
    size: SizePart
    warnings: list[str]
