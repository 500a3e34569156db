"""An answer while it is being made: what it has come to so far, and how it ended."""

import time
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from answering import cache
from answering.events import Cited, Token
from answering.guard import Guard
from answering.query import Query
from moat.records import Citation, Reader

INTERRUPTED = "The answer was interrupted before its end."


@dataclass(slots=True)
class Draft:
    """An answer while it is being made."""

    query: Query
    reader: Reader
    model: str
    status: str = "failed"
    note: str = INTERRUPTED
    text: str = ""
    citations: list[Citation] = field(default_factory=list)
    corpora: tuple[str, ...] = ()  # that its text names
    asked: tuple[str, ...] | None = None  # the corpora that were searched
    used: set[UUID] = field(default_factory=set)  # documents whose text or title may be in it
    flags: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    place: cache.Place | None = None  # in the cache
    kept: cache.Kept | None = None  # what was found there
    timings: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    conversation_id: UUID = field(init=False)

    def __post_init__(self) -> None:
        self.conversation_id = self.query.conversation_id or uuid4()

    def take(self, event: Token | Cited) -> None:
        if isinstance(event, Cited):
            self.citations.append(event.citation)
            self.used.add(event.citation.document_id)  # quotes are also taken from passages that a model would not read
            return
        if not self.text:
            self.stamp("first_token_ms")
        self.text += event.text

    def learn(self, guard: Guard) -> None:
        """Take over what the guard found, as far as the answer has come."""
        self.flags |= guard.flags
        self.links = guard.links

    def take_over(self, kept: cache.Kept) -> None:
        """Be the answer that was kept."""
        self.kept = kept
        self.used |= kept.documents
        self.flags, self.links = set(kept.answer.flags), list(kept.answer.links)
        self.end("abstained" if kept.answer.abstained else "answered", kept.answer.note)

    def end(self, status: str, note: str = "") -> None:
        self.status, self.note = status, note

    def stamp(self, name: str) -> None:
        self.timings[name] = round((time.perf_counter() - self.started) * 1000, 2)
