"""The values that cross layers: frozen, typed, and free of any library's own types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
EVERYONE = "everyone"
FINANCE = "finance"  # the scope that sees all costs and budgets, and no document


class DocumentState(StrEnum):
    """What the newest version of a document is going through."""

    QUEUED = "queued"
    PARSING = "parsing"
    EMBEDDING = "embedding"
    READY = "ready"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"
    DELETING = "deleting"


TERMINAL_STATES = frozenset(
    {DocumentState.READY, DocumentState.FAILED, DocumentState.QUARANTINED, DocumentState.CANCELLED}
)
WORKING_STATES = frozenset({DocumentState.PARSING, DocumentState.EMBEDDING})


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks. `groups` never holds `everyone` or the user's own principal: access.py adds those."""

    key_id: UUID | None
    user: str
    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    corpora: frozenset[UUID] | None = None  # None: every corpus its groups may read
    session: str = ""  # of a widget, which may have a limit of its own

    @property
    def is_admin(self) -> bool:
        return "admin" in self.scopes

    @property
    def sees_all_costs(self) -> bool:
        return self.is_admin or FINANCE in self.scopes

    @property
    def subject(self) -> str:
        """Name who is limited and recorded: the user, and the key that speaks for it if one does."""
        return self.user if self.key_id is None else f"{self.key_id}/{self.user}"


ElementKind = Literal["title", "heading", "text", "list_item", "table", "code"]


@dataclass(frozen=True, slots=True)
class Element:
    """One thing the parser found, in reading order. `page` is the page, slide or sheet, counted from 1."""

    kind: ElementKind
    text: str
    page: int | None = None
    level: int = 0  # of a heading, 1 is the highest
    rows: tuple[tuple[str, ...], ...] = ()  # of a table; the first row is its header
    mark: str = ""  # what a cleaning rule may drop: hidden, boilerplate, quoted, signature, running


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a parser made of a file. `title` is empty when the file states none."""

    elements: tuple[Element, ...]
    title: str = ""
    pages: int | None = None
    warnings: tuple[str, ...] = ()
    members: int = 0  # files inside it that become documents of their own
    masked: tuple[tuple[str, int], ...] = ()  # how many of each type redaction has masked


@dataclass(frozen=True, slots=True)
class PageSpan:
    """Canonical text [start, end) stands on this page."""

    page: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CanonicalText:
    """A version's text after cleaning, with its page map; every span is code-point offsets in `text`."""

    text: str
    title: str = ""
    page_map: tuple[PageSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is embedded and retrieved: `canonical.text[start:end] == text`."""

    ordinal: int
    text: str
    start: int
    end: int
    page: int | None
    heading_path: tuple[str, ...]
    tokens: int
    page_starts: tuple[tuple[int, int], ...] = ()  # (page, offset) of each page that begins inside it


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term weights by hashed term."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class WordPieces:
    """A text as its embedder read it: each word piece's id, marks of begin and end included, and its unit vector."""

    ids: NDArray[np.int64]
    vectors: Vector  # (len(ids), dimension)


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedChunk:
    """A chunk with the vectors that find it."""

    chunk: Chunk
    dense: Vector
    sparse: SparseVector
    tokens: Vector | None = None  # (rows, dimension): what late interaction compares with a question's words


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk returned for a question, already checked against the catalog; `page` is where it begins."""

    passage_id: UUID
    document_id: UUID
    key: str
    version: int
    ordinal: int
    title: str
    corpus: str
    page: int | None
    span: tuple[int, int]
    text: str
    score: float
    heading_path: tuple[str, ...] = ()
    arms: Mapping[str, "ArmScore"] = field(default_factory=dict)
    page_starts: tuple[tuple[int, int], ...] = ()
    flags: tuple[str, ...] = ()  # in what ways it looks like instructions to a model

    @property
    def pages(self) -> tuple[int, ...]:
        """Name every page that its text stands on, in order."""
        first = () if self.page is None else (self.page,)
        return tuple(dict.fromkeys((*first, *(page for page, _ in self.page_starts))))

    def page_at(self, offset: int) -> int | None:
        """Tell the page on which this offset of the canonical text stands."""
        return next((page for page, start in reversed(self.page_starts) if start <= offset), self.page)


@dataclass(frozen=True, slots=True)
class ArmScore:
    """Where one retrieval arm ranked a passage (from 1), and its score there."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Citation:
    """A quote that stands verbatim in the canonical text at `span`."""

    marker: int
    document_id: UUID
    title: str
    corpus: str
    page: int | None
    span: tuple[int, int]
    quote: str
    score: float
    url: str
    flags: tuple[str, ...] = ()  # of the passage that the quote stands in


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call used, in one scheme for all providers.

    Input is everything that was read: cached reads, cache writes and results of the provider's own tools are part of
    it; output is everything that was written, reasoning too. `raw` is what the provider said, in its own fields.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    reported: bool = True
    raw: Mapping[str, Any] = field(default_factory=dict)
    cache_write_tokens: int = 0  # kept for five minutes, or for as long as the provider likes
    cache_write_1h_tokens: int = 0
    tool_tokens: int = 0
    search_units: int = 0  # of a reranker
    context: Mapping[str, str] = field(default_factory=dict)  # what the price depends on besides: service_tier, region
    other: Mapping[str, int] = field(
        default_factory=dict
    )  # units that are billed apart, by their name in the price list
    reported_usd: Decimal | None = None  # what a provider that names its charge has charged


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt at a paid service, as its ledger row says it."""

    kind: str
    provider: str
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal
    usage: Literal["reported", "estimated"]
    price_version: str
    attempt: int
    status: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What an answer cost: the sum of its calls, each shown."""

    total_usd: Decimal = Decimal(0)
    saved_usd: Decimal = Decimal(0)
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question got."""

    id: UUID
    question: str
    answer: str
    abstained: bool
    citations: tuple[Citation, ...]
    cost: Cost
    model: str
    timings: Mapping[str, float]
    created_at: datetime
    note: str = ""
    withheld: int = 0  # citations that are no longer shown
    flags: tuple[str, ...] = ()  # what was found in the sources, and withheld from or changed in the text
    links: tuple[str, ...] = ()  # the addresses in the text that may be shown as links
    conversation_id: UUID | None = None
