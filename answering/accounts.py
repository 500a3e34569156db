"""What else than the answer itself has to be paid for it: its question's embedding, and reading the best passages."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from uuid import UUID

from answering.pack import Source
from answering.query import Parts, Query
from moat.access import find_corpus, readable_corpora
from moat.ledger import CallContext
from moat.llm.embedders import charged
from moat.records import Reader


def on_account(query: Query, reader: Reader, parts: Parts, answer_id: UUID | None) -> Parts:
    """Give the parts with what a provider's embedder and reranker take charged to this answer, or to this search.

    Without it they are asked nothing, as in a dry run.
    """

    @cache  # not before something is to be paid: most questions are embedded here, for nothing
    def purpose() -> CallContext:
        return CallContext(answer_id, reader, asked_corpora(query, reader, parts), most_usd=query.max_cost_usd)

    reranking = parts.reranking and parts.reranking.charged(purpose)
    return replace(parts, embedders=charged(parts.embedders, purpose), reranking=reranking)


def for_answer(query: Query, reader: Reader, sources: Sequence[Source]) -> CallContext:
    """Say on whose behalf a model reads these sources; the corpora of earlier questions must allow it too."""
    corpora = tuple(sorted({p.corpus for source in sources for p in source.passages}))
    return CallContext(query.answer_id, reader, corpora, most_usd=query.max_cost_usd, beside=query.earlier_corpora)


def asked_corpora(query: Query, reader: Reader, parts: Parts) -> tuple[str, ...]:
    """Name all that are asked: what reads the question must be allowed by each of them."""
    with parts.database.reading() as session:
        if query.corpora is None:
            found = readable_corpora(session, reader)
        else:
            found = [find_corpus(session, reader, name) for name in query.corpora]
        return tuple(sorted({corpus.name for corpus in found}))
