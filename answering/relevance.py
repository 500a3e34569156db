"""Whether what was found is evidence for an answer at all."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from answering.words import content_terms
from moat.records import Passage


@dataclass(frozen=True, slots=True)
class Relevance:
    """The verdict with the two numbers it rests on, each from 0 to 1 (cosine from -1)."""

    relevant: bool
    best_similarity: float | None
    coverage: float


def judge(question: str, passages: Sequence[Passage], min_similarity: float) -> Relevance:
    """Say whether any passage is near the question in meaning and shares its telling words."""
    cosines = [p.arms["dense"].score for p in passages if "dense" in p.arms]
    best = max(cosines, default=None)
    coverage = best_coverage(question, passages)
    near = coverage > 0 if best is None else best >= min_similarity
    return Relevance(bool(passages) and near, best, coverage)


def best_coverage(question: str, passages: Sequence[Passage]) -> float:
    """Give the largest share of the question's words, weighed by rarity among the passages, in one passage."""
    wanted = set(content_terms(question))
    if not wanted or not passages:
        return 0.0
    held = [wanted & set(content_terms(p.text)) for p in passages]
    counts = Counter(term for terms in held for term in terms)
    weights = {term: math.log(1 + len(passages) / (1 + counts[term])) for term in wanted}
    total = sum(weights.values())
    return max(sum(weights[t] for t in terms) for terms in held) / total if total else 0.0
