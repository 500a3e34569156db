"""A question as it is meant in its conversation: those asked before it say what its "it" is, and count less.

Every arm's score is linear in the question's vector, weights or rows. So the question alone and the question behind
the earlier ones are mixed into one, and a follow-up asks the index no more than any question does.
"""

from collections.abc import Sequence

import numpy as np

from answering.query import Query
from moat.embedder import Embedder
from moat.records import SparseVector, Vector
from moat.vector_search import Asked

# What the question behind the earlier ones counts, beside the question alone; see docs/benchmarks.md.
SHARE = 0.3


def in_context(query: Query) -> str:
    """Give the question behind those asked before it, or nothing where none was."""
    return " ".join([*query.earlier, query.question.strip()]) if query.earlier else ""


def meant(query: Query) -> str:
    """Give the question in its context, or alone where it has none."""
    return in_context(query) or query.question.strip()


def as_reranked(query: Query) -> str:
    """Give the question behind the one before it: a reader of whole texts cannot weigh what it reads."""
    return " ".join([*query.earlier[-1:], query.question.strip()])


def embedded(embedder: Embedder, question: str, context: str) -> Vector:
    """Embed a question, in its context if there is one."""
    alone = embedder.embed_question(question)
    return _mixed(alone, embedder.embed_question(context)) if context else alone


def embedded_with_tokens(embedder: Embedder, question: str, context: str, sparse: SparseVector) -> Asked:
    """As `embedded`, with what late interaction asks with."""
    dense, tokens = embedder.embed_question_and_tokens(question)
    if not context:
        return Asked(dense, sparse, tokens)
    dense_within, tokens_within = embedder.embed_question_and_tokens(context)
    rows = np.concatenate([(1 - SHARE) * tokens, SHARE * tokens_within])
    return Asked(_mixed(dense, dense_within), sparse, rows)


def weighed_words(alone: SparseVector, context: SparseVector) -> SparseVector:
    """Weigh a question's words by one, and those of the earlier ones less."""
    weights = dict.fromkeys(context.indices, SHARE) | dict.fromkeys(alone.indices, 1.0)
    return SparseVector(tuple(weights), tuple(weights.values()))


def words_of(question: Sequence[str], context: Sequence[str]) -> dict[str, float]:
    """As `weighed_words`, of plain words."""
    return dict.fromkeys(context, SHARE) | dict.fromkeys(question, 1.0)


def _mixed(alone: Vector, context: Vector) -> Vector:
    both: Vector = (1 - SHARE) * alone + SHARE * context
    return both / np.linalg.norm(both)
