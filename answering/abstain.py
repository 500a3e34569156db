"""Whether what was found answers the question at all: one likeliness out of both arms and of the best sentence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from answering.evidence import Evidence
from answering.relevance import best_coverage
from answering.words import content_terms
from moat.records import Passage

# Logistic regression over two sets of questions, those that nothing answers among them; each set, and in it each kind,
# weighs the same. Fitted by `python -m benchmarks.abstention --fit`; see docs/benchmarks.md for how well it tells.
MODEL: Mapping[str, float] = {
    "base": -4.649,
    "sentence": 3.386,
    "score": 3.270,
    "sparse": 0.024,
    "sparse_gap": -1.438,
    "dense_spread": 12.776,
}
# What an arm that was not asked would have said on average.
NEUTRAL = {"sparse": 20.0, "sparse_gap": 0.4, "dense_spread": 0.055}
SPREAD_OVER, GAP_FROM = 20, 5
# Where meaning tells nothing, a passage must hold so much of the question's words, by weight.
WORDS_ENOUGH = 0.4
FEW_TERMS, FEW_ENOUGH = 2, 0.6


@dataclass(frozen=True, slots=True)
class Decision:
    """How likely the passages answer, from 0 to 1, what that rests on, and from where on it is answered."""

    likeliness: float
    threshold: float
    signals: Mapping[str, float]

    @property
    def answers(self) -> bool:
        return self.likeliness >= self.threshold


def decide(question: str, passages: Sequence[Passage], evidence: Evidence, threshold: float) -> Decision:
    """Judge a question's passages, best first; what holds no sentence is never an answer."""
    if not evidence.weighed:
        return Decision(-1.0, threshold, {})
    if not evidence.embedded:
        held = best_coverage(question, evidence.passages, evidence.language)
        return Decision(held, WORDS_ENOUGH if threshold else 0.0, {"coverage": held})
    held = best_coverage(question, evidence.passages, evidence.language)
    few = len(set(content_terms(question, evidence.language))) <= FEW_TERMS
    if few and held >= FEW_ENOUGH:  # a word or two mean little, but they are what the passage is about
        return Decision(held, threshold, {"coverage": held})
    found = signals(passages, evidence)
    total = MODEL["base"] + sum(MODEL[name] * value for name, value in found.items())
    return Decision(1 / (1 + math.exp(-total)), threshold, found)


def signals(passages: Sequence[Passage], evidence: Evidence) -> dict[str, float]:
    """Measure what tells an answerable question: the best sentence, and how the arms' scores stand to each other."""
    dense, sparse = _scores(passages, "dense"), _scores(passages, "sparse")
    return {
        "sentence": max(weighed.cosine or 0.0 for weighed in evidence.embedded),
        "score": evidence.embedded[0].score,
        "sparse": sparse[0] if sparse else NEUTRAL["sparse"],
        "sparse_gap": 1 - fmean(sparse[GAP_FROM:]) / sparse[0] if len(sparse) > GAP_FROM else NEUTRAL["sparse_gap"],
        "dense_spread": pstdev(dense[:SPREAD_OVER]) if len(dense) > GAP_FROM else NEUTRAL["dense_spread"],
    }


def _scores(passages: Sequence[Passage], arm: str) -> list[float]:
    return sorted((p.arms[arm].score for p in passages if arm in p.arms), reverse=True)
