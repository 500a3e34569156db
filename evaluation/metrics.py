"""The measures, as pure functions; each states its convention, since every later claim rests on them."""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

SENTENCE_SHARE = 0.6  # of a sentence's word 3-grams, for a passage to count as carrying it
_GRAM = 3
_WORD = re.compile(r"[^\W_]+")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")  # Markdown's links: parsers may keep or drop their target


def distinct(keys: Iterable[str]) -> tuple[str, ...]:
    """Keep each file once, where its first passage stands."""
    return tuple(dict.fromkeys(keys))


def first_rank(ranked: Sequence[str], relevant: Collection[str]) -> int | None:
    """Give the rank, from 1, of the first relevant entry, or None."""
    return next((rank for rank, key in enumerate(ranked, 1) if key in relevant), None)


def hit(rank: int | None, k: int) -> float:
    """Give 1.0 when something relevant stands among the first k, else 0.0."""
    return float(rank is not None and rank <= k)


def reciprocal_rank(rank: int | None, k: int = 10) -> float:
    """Give 1 / rank when the rank is at most k, else 0.0; its mean over the questions is MRR@k."""
    return 1.0 / rank if rank is not None and rank <= k else 0.0


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], k: int = 10) -> float:
    """Give nDCG@k as trec_eval's ndcg_cut: gain = grade, discount = log2(rank + 1), ideal over all judged files.

    `ranked` holds each file once. Files without a grade gain 0, and so do grades below 0.
    """
    ideal = _discounted(sorted(grades.values(), reverse=True)[:k])
    return _discounted(grades.get(key, 0) for key in ranked[:k]) / ideal if ideal > 0 else 0.0


def _discounted(gains: Iterable[int]) -> float:
    return math.fsum(max(gain, 0) / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def sentence_rank(sentence: str, texts: Sequence[str]) -> int | None:
    """Give the rank of the first passage that alone holds 60 % of the sentence's word 3-grams, or None.

    Words are runs of letters and digits in the lower-cased text; of a Markdown link only its text counts. A sentence of
    fewer than three words is one gram.
    """
    wanted = _grams(sentence)
    return next((rank for rank, text in enumerate(texts, 1) if _share(wanted, _grams(text)) >= SENTENCE_SHARE), None)


def sentence_together(sentence: str, texts: Sequence[str]) -> bool:
    """Say whether these passages together hold 60 % of the sentence's word 3-grams, though perhaps none alone."""
    return _share(_grams(sentence), set().union(*map(_grams, texts))) >= SENTENCE_SHARE


def sentence_share(sentence: str, text: str) -> float:
    """Give the share of the sentence's word 3-grams that the text holds."""
    return _share(_grams(sentence), _grams(text))


def _grams(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(_LINK.sub(r"\1", text).lower())
    return {tuple(words[start : start + _GRAM]) for start in range(max(1, len(words) - _GRAM + 1))}


def _share(wanted: set[tuple[str, ...]], held: set[tuple[str, ...]]) -> float:
    return len(wanted & held) / len(wanted)


@dataclass(frozen=True, slots=True)
class Abstention:
    """Abstaining seen as a detector of unanswerable questions; a ratio over nothing is None."""

    rightly: int  # abstained on an unanswerable question
    wrongly: int  # abstained on an answerable one
    missed: int  # answered an unanswerable one
    precision: float | None
    recall: float | None


def abstention(pairs: Iterable[tuple[bool, bool]]) -> Abstention:
    """Score pairs of (answerable, abstained)."""
    seen = list(pairs)
    rightly = seen.count((False, True))
    wrongly = seen.count((True, True))
    missed = seen.count((False, False))
    return Abstention(
        rightly=rightly,
        wrongly=wrongly,
        missed=missed,
        precision=rightly / (rightly + wrongly) if rightly + wrongly else None,
        recall=rightly / (rightly + missed) if rightly + missed else None,
    )


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Give the nearest-rank percentile: the smallest value that at least `percent` % of all values do not exceed."""
    if not values:
        return None
    return sorted(values)[max(1, math.ceil(percent / 100 * len(values))) - 1]


def mean(values: Iterable[float]) -> float | None:
    """Give the arithmetic mean, or None of nothing."""
    seen = list(values)
    return math.fsum(seen) / len(seen) if seen else None
