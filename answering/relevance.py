"""Whether what was found is evidence for an answer at all."""

import math
from collections import Counter
from collections.abc import Sequence

from answering.words import content_terms
from moat.records import Passage
from moat.sparse import ENGLISH

# A passage that is just near enough must hold two fifths of the question's words, by weight; one that is nearer by
# NEEDED holds its own without any. So a rare code finds its passage, and a question of another trade finds none.
# On the sample company, all its answerable questions pass and about one in three of another company's questions do
# not. A near miss (the right subject without the answer) passes: telling that needs more than similarity.
COVERAGE_WEIGHT = 0.5
NEEDED = 0.2
# The best passages that words are looked for in: what stands further down is no evidence for a first answer.
JUDGED = 20


def is_evidence(question: str, passages: Sequence[Passage], min_similarity: float) -> bool:
    """Say whether passages are near the question in meaning, hold its telling words, or some of both.

    Without the dense arm the words decide alone.
    """
    cosines = [p.arms["dense"].score for p in passages if "dense" in p.arms]
    similarity = max(cosines, default=min_similarity)
    coverage = best_coverage(question, passages[:JUDGED])
    return bool(passages) and similarity + COVERAGE_WEIGHT * coverage >= min_similarity + NEEDED


def best_coverage(question: str, passages: Sequence[Passage], language: str = ENGLISH) -> float:
    """Give the largest share of the question's words, weighed by rarity among the passages, in one passage."""
    wanted = set(content_terms(question, language))
    if not wanted or not passages:
        return 0.0
    held = [wanted & set(content_terms(p.text, language)) for p in passages]
    counts = Counter(term for terms in held for term in terms)
    weights = {term: math.log(1 + len(passages) / (1 + counts[term])) for term in wanted}
    total = sum(weights.values())
    return max(sum(weights[t] for t in terms) for terms in held) / total if total else 0.0
