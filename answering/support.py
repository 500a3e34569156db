"""Whether a sentence of an answer is held by what it cites: by its words, its meaning, its numbers and its names."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from answering.facts import unheld
from answering.markers import MARKERS
from answering.pack import Source
from answering.prompt import NOT_ANSWERED
from answering.quote import Sentence, rarity, sentences_of
from answering.sentence_judge import SentenceJudge
from answering.words import content_terms, language_of
from moat.embedder import Embedder

MARK = "[unverified]"
# A shorter sentence claims nothing of its own: "Yes.", "It depends."
SHORTEST_CLAIM = 3
# Words alone settle it above this share of the claim's weight; below, the nearest sentence must be this near.
# Set by `python -m benchmarks.support`; see docs/benchmarks.md.
WORDS_ENOUGH = 0.6
NEAR_ENOUGH = 0.6
WORDS_AT_LEAST = 0.2
# So many sentences of the cited text are looked at for meaning: those that share most words with the claim.
COMPARED = 4


@dataclass(frozen=True, slots=True)
class Lack:
    """A sentence that its sources do not hold, and which of its numbers, dates and names they lack, if that is why."""

    sentence: str
    facts: tuple[str, ...]


class Support:
    """Looks for each sentence of an answer in the sources; without an embedder and a judge by words alone."""

    def __init__(
        self,
        question: str,
        sources: Sequence[Source],
        embedder: Embedder | None,
        judge: SentenceJudge | None = None,
    ) -> None:
        self._question = question
        self._embedder = embedder
        self._judge = judge
        self._sources = {s.number: s for s in sources}
        self._texts = {s.number: _known(s) for s in sources}
        self._language = language_of(" ".join(s.text for s in sources))
        self._cut: dict[int, list[Sentence]] = {s.number: sentences_of(s.excerpts, self._language) for s in sources}
        every = [sentence for each in self._cut.values() for sentence in each]
        self._weights, self._rare = rarity(every), math.log(1 + max(1, len(every)))

    def lack(self, sentence: str, cited: Collection[int]) -> Lack | None:
        """Tell what a sentence lacks in the sources it cites, or in all if it cites none; None when it is held."""
        claim = " ".join(MARKERS.sub(" ", sentence).split())
        numbers = [number for number in cited if number in self._texts] or list(self._texts)
        terms = frozenset(content_terms(claim, self._language))
        if NOT_ANSWERED in claim or not terms:
            return None
        facts = unheld(claim, [self._question, *(self._texts[n] for n in numbers)], language_of(claim))
        if facts:
            return Lack(claim, facts)
        if len(terms) < SHORTEST_CLAIM or self._is_held(claim, terms, numbers):
            return None
        return Lack(claim, ())

    def _is_held(self, claim: str, terms: frozenset[str], numbers: Sequence[int]) -> bool:
        candidates = [sentence for number in numbers for sentence in self._cut[number]]
        held = frozenset(term for sentence in candidates for term in sentence.terms)
        share = self._weight(terms & held) / (self._weight(terms) or 1.0)
        foreign = language_of(claim) != self._language
        doubtful = foreign or share < WORDS_ENOUGH
        if self._judge is not None and (doubtful or self._judge.asks_all):
            verdict = self._judge.holds(claim, [self._sources[number] for number in numbers])
            if verdict is not None:
                return verdict
        if foreign or not doubtful:  # words and this embedder tell nothing across languages
            return True
        if self._embedder is None or share < WORDS_AT_LEAST:
            return False
        return self._is_near(self._embedder, claim, terms, candidates)

    def _is_near(self, embedder: Embedder, claim: str, terms: frozenset[str], candidates: Sequence[Sentence]) -> bool:
        nearest = sorted(candidates, key=lambda s: -self._weight(s.terms & terms))[:COMPARED]
        vectors = embedder.embed_texts([claim, *(s.text for s in nearest)])
        return bool(np.max(vectors[1:] @ vectors[0]) >= NEAR_ENOUGH) if nearest else False

    def _weight(self, terms: Collection[str]) -> float:
        return sum(self._weights.get(term, self._rare) for term in terms)


def _known(source: Source) -> str:
    names = [name for p in source.passages for name in (p.title, *p.heading_path)]
    return " ".join([*dict.fromkeys(names), source.text])
