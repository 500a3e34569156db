"""What answering is asked, and what it needs to work."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID, uuid4

from answering.fuse import Fusion
from answering.languages import CorpusLanguages
from answering.rerank import Reranking
from moat.blobs import Blobs
from moat.database import Database
from moat.llm.blocking import BlockingGateway
from moat.llm.embedders import EmbedderSource
from moat.llm.gateway import Gateway
from moat.records import Passage
from moat.settings import Settings
from moat.vector_search import ARMS, Arm
from moat.vectors import Vectors


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that answering needs, passed in."""

    settings: Settings
    database: Database
    vectors: Vectors
    embedders: EmbedderSource
    blobs: Blobs
    gateway: Gateway
    languages: CorpusLanguages = field(default_factory=CorpusLanguages)
    reranking: Reranking | None = None  # none: the order of the fused arms stays
    calls: BlockingGateway | None = None  # by which a judge is asked about sentences; none: there is none


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How to look for passages; the default is what was measured best."""

    arms: tuple[Arm, ...] = ARMS
    fusion: Fusion = "blend"
    rerank: bool = True


@dataclass(frozen=True, slots=True)
class Query:
    """A question, where to look (corpora by name or id, documents; None: all readable) and which model answers."""

    question: str
    corpora: tuple[str, ...] | None = None
    documents: tuple[UUID, ...] | None = None  # nothing else is looked at
    model: str | None = None
    answer_id: UUID = field(default_factory=uuid4)
    limit: int | None = None
    retrieval: Retrieval | None = None
    passage_ids: tuple[UUID, ...] | None = None  # read these instead of searching
    max_cost_usd: Decimal | None = None  # what the call may cost at most
    conversation_id: UUID | None = None  # None: it begins one
    earlier: tuple[str, ...] = ()  # the questions asked before it, oldest first
    earlier_corpora: tuple[str, ...] = ()  # what those were asked of


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first; `best`, those and a few more, tells whether any of it is evidence for an answer.

    `corpora` names what was searched, `embedders` theirs, as far as anything is indexed; `documents` tells how many of
    theirs were chosen, None that none was.
    """

    passages: tuple[Passage, ...]
    timings: Mapping[str, float]
    best: tuple[Passage, ...] = ()
    corpora: tuple[str, ...] = ()
    documents: int | None = None
    embedders: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)  # optional stages that were left out, and why

    @property
    def embedder(self) -> str:
        """Name the one of the first corpus, which weighs the sentences of all; empty when nothing is indexed."""
        return next(iter(self.embedders), "")
