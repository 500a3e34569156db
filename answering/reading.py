"""What is read for an answer: the passages' sentences weighed, whether they answer at all, and what fits."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from answering import prompt
from answering.abstain import Decision, decide
from answering.conflicts import Conflict, conflicts
from answering.context import in_context, meant
from answering.evidence import Evidence, weigh
from answering.flags import flagged
from answering.pack import Source, pack, tokens
from answering.patience import within
from answering.query import Found, Parts, Query
from answering.relevance import is_evidence
from answering.retrieve import EMBEDDER
from moat.embedder import Embedder
from moat.errors import MoatError
from moat.llm.embedders import for_sentences
from moat.records import Passage
from moat.tables import Corpus

log = logging.getLogger(__name__)
# Of a model, and of the library that runs it; being late (TimeoutError) is an OSError.
_FAILURES = (MoatError, RuntimeError, OSError, ImportError)
WORDS_ONLY = "The embedder could not be used: what was read was chosen by words alone, and may be worse than usual."

SKIPPED = "The stage {} was left out ({}): the order of the sources may be worse than usual."


@dataclass(frozen=True, slots=True)
class Reading:
    """The evidence, what is read of it, the decision on it (None: whoever chose the passages took it), and notes."""

    evidence: Evidence
    decision: Decision | None
    sources: tuple[Source, ...]
    embedder: Embedder | None
    conflicts: tuple[Conflict, ...] = ()
    note: str = ""
    flags: frozenset[str] = frozenset()


def read(query: Query, found: Found, model: str, parts: Parts) -> Reading:
    """Weigh what was found for this question, and take what this model reads of it; no source: it must abstain."""
    limits = parts.settings.answering
    passages = flagged(found.passages[: query.limit or limits.passages], parts.database)
    evidence, embedder = _weighed(query, passages, _embedder(found, parts), limits.embed_deadline_s)
    decision, relevant = None, True
    if any(passage.arms for passage in passages):
        decision = decide(query.question, found.passages, evidence, _threshold(passages[0].corpus, parts))
        relevant = is_evidence(query.question, found.best, limits.min_similarity) and decision.answers
    sources = pack(evidence, _budget(query, model, parts)) if relevant else ()
    by_words = bool(found.embedder) and embedder is None
    flags: set[str] = set()
    if any(excerpt.flags for source in sources for excerpt in source.excerpts):
        flags.add("instructions_in_sources")
    pairs = conflicts(evidence, parts.database) if sources else ()
    if pairs:
        flags.add("sources_disagree")
    notes = [WORDS_ONLY if by_words else "", *_left_out(found)]
    flags |= {"degraded"} if any(notes) else set()
    return Reading(evidence, decision, sources, embedder, pairs, " ".join(filter(None, notes)), frozenset(flags))


def _left_out(found: Found) -> list[str]:
    return [SKIPPED.format(stage, why) for stage, why in found.skipped.items() if stage != EMBEDDER]


def _threshold(corpus: str, parts: Parts) -> float:
    """Give the threshold of the corpus that the best passage is from, or else the deployment's."""
    with parts.database.reading() as session:
        own = session.scalar(select(Corpus.abstain_below).where(Corpus.name == corpus))
    return parts.settings.answering.abstain_below if own is None else own


def _embedder(found: Found, parts: Parts) -> Embedder | None:
    if not found.embedder or EMBEDDER in found.skipped:
        return None
    try:
        return parts.embedders.get(for_sentences(found.embedder, parts.settings))
    except _FAILURES as error:
        log.warning("The embedder cannot be used: %s", error, extra={"embedder": found.embedder})
        return None


def _weighed(
    query: Query, passages: Sequence[Passage], embedder: Embedder | None, seconds: float
) -> tuple[Evidence, Embedder | None]:
    """Weigh with the embedder, or by words where it fails or is late."""
    context = in_context(query)
    try:
        return within(seconds, lambda: weigh(query.question, passages, embedder, context)), embedder
    except _FAILURES as error:
        log.warning("The embedder failed: %s", error)
        return weigh(query.question, passages, None, context), None


def _budget(query: Query, model: str, parts: Parts) -> int:
    """Give the tokens that sources may have: a small window leaves less room for them."""
    budget = parts.settings.answering.context_tokens
    known = parts.settings.models.get(model)
    if known is None:
        return budget
    room = known.context_window - known.max_output_tokens - prompt.OVERHEAD_TOKENS
    return max(0, min(budget, room - tokens(meant(query))))
