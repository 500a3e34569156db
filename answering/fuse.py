"""One order out of what the arms said: by score where scores can be compared, by rank where not."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from moat.records import ArmScore, Passage
from moat.vector_search import DENSE, SPARSE, TOKENS

Fusion = Literal["blend", "rrf"]
FUSED = "fused"
# Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet" (2009).
RRF_K = 60
_WORD = re.compile(r"\w+")
# Passages that share so many of their pairs of neighbouring words are copies: of a page that was edited a little, say.
NEARLY = 0.85
_Pair = tuple[str, str]
# Shares of the arms' scores, each brought to at most 1 among a question's candidates; see docs/benchmarks.md.
WITH_TOKENS: Mapping[str, float] = {TOKENS: 0.45, DENSE: 0.35, SPARSE: 0.2}
WITHOUT: Mapping[str, float] = {DENSE: 0.65, SPARSE: 0.35}
# For questions in a language that the embedder does not know.
FOREIGN: Mapping[str, float] = {TOKENS: 0.2, DENSE: 0.1, SPARSE: 0.7}


def fuse(
    candidates: Sequence[Passage], fusion: Fusion, *, foreign: bool = False, depth: int | None = None
) -> list[Passage]:
    """Order one embedder's candidates; each gets its rank and score as the arm `fused`.

    `foreign`: the embedder does not know the question's language, so that words count most. `depth`: how many each arm
    found by itself; the dense arm also tells how near the others' finds are, which is no rank that it gave.
    """
    scores = _by_rank(candidates, depth) if fusion == "rrf" else _by_score(candidates, foreign)
    ordered = sorted(zip(scores, candidates, strict=True), key=lambda pair: -pair[0])
    return [
        replace(passage, arms={**passage.arms, FUSED: ArmScore(rank, round(score, 6))})
        for rank, (score, passage) in enumerate(ordered, 1)
    ]


def merge(lists: Sequence[Sequence[Passage]], most: int | None = None) -> list[Passage]:
    """Make one list of several embedders' by rank: the scores of different embedders say nothing about each other.

    What says nearly the same words and the same numbers as a better passage comes last; no more than `most` are given.
    A passage's own score tells its place alone: what the arms' scores are made of counts words of documents that the
    reader may not read.
    """
    ranked = sorted(((rank, at) for at, one in enumerate(lists) for rank in range(len(one))))
    merged = _copies_last((lists[at][rank] for rank, at in ranked), len(ranked) if most is None else most)
    return [replace(passage, score=round(1 / (RRF_K + rank), 6)) for rank, passage in enumerate(merged, 1)]


def _copies_last(passages: Iterable[Passage], most: int) -> list[Passage]:
    different: list[Passage] = []
    copies: list[Passage] = []
    seen: dict[frozenset[str], list[frozenset[_Pair]]] = {}  # by the numbers in them: another number is another fact
    texts: set[str] = set()
    for passage in passages:
        if len(different) == most:
            break
        if passage.text in texts:  # most copies are: their words need not be compared
            copies.append(passage)
            continue
        texts.add(passage.text)
        words = _WORD.findall(passage.text.lower())
        pairs = frozenset(zip(["", *words], words, strict=False))
        alike = seen.setdefault(frozenset(word for word in words if word[0].isdigit()), [])
        (copies if any(_nearly_equal(pairs, other) for other in alike) else different).append(passage)
        alike.append(pairs)
    return (different + copies)[:most]


def _nearly_equal(one: frozenset[_Pair], other: frozenset[_Pair]) -> bool:
    few, many = sorted((len(one), len(other)))
    return few >= NEARLY * many and len(one & other) >= NEARLY * len(one | other)


def _by_rank(candidates: Sequence[Passage], depth: int | None) -> list[float]:
    found = ([arm.rank for arm in p.arms.values() if depth is None or arm.rank <= depth] for p in candidates)
    return [sum(1 / (RRF_K + rank) for rank in ranks) for ranks in found]


def _by_score(candidates: Sequence[Passage], foreign: bool) -> list[float]:
    """Add the arms' scores up by their shares."""
    present = {arm for passage in candidates for arm in passage.arms}
    blend = FOREIGN if foreign else WITH_TOKENS if TOKENS in present else WITHOUT
    shares = {arm: share for arm, share in blend.items() if arm in present}
    totals = [0.0] * len(candidates)
    for arm, share in shares.items():
        scores = [passage.arms[arm].score if arm in passage.arms else None for passage in candidates]
        spread = _of_the_best(scores) if arm == SPARSE else _between(scores)
        totals = [total + share * value for total, value in zip(totals, spread, strict=True)]
    return totals


def _between(scores: Sequence[float | None]) -> list[float]:
    """Spread similarities, whose zero means nothing, from 0 for the least of them to 1."""
    brought = [score for score in scores if score is not None]
    low, high = min(brought), max(brought)
    return [0.0 if score is None else (score - low) / (high - low) if high > low else 1.0 for score in scores]


def _of_the_best(scores: Sequence[float | None]) -> list[float]:
    """Take sums of weights as shares of the best; one that fell short of the list has perhaps half of its last."""
    brought = [score for score in scores if score is not None]
    best, missing = max(brought), min(brought) / 2
    return [(missing if score is None else score) / best for score in scores]
