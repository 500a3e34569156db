"""Checks a model's answer sentence by sentence, before anyone sees it."""

import re
from collections.abc import Sequence
from math import sqrt

from answering.events import Cited, Token
from answering.guard import Guard
from answering.pack import Source
from answering.quote import Sentence, cite, rarity, sentences
from answering.words import content_terms
from moat.records import Citation

# The end of a sentence with its markers, once the next sentence has begun; or the end of a line.
_COMPLETE = re.compile(
    r"(?:[.!?…][\"'”’)]*(?:\s*[\[【][\d,;\s]+[\]】])*\s+|[。！？](?:[\[【][\d,;\s]+[\]】])*|\n+)(?=[^\s\[【])"
)
_MARKERS = re.compile(r"(\s*)[\[【]\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*[\]】]")
# The question decides between sentences that hold the claim's words equally.
QUESTION_WEIGHT = 0.2


class Checker:
    """Takes a model's text piece by piece and gives it back in whole sentences with resolved citations.

    The model's markers name sources. In the checked text each marker names one quote, counted from 1 as they appear:
    two sentences that rest on different sentences of one source get two markers. Markers of no source are removed.
    What the guard withholds is not cited either; what it passes is made inert after the markers stand.
    """

    def __init__(self, question: str, sources: Sequence[Source], guard: Guard, public_url: str = "") -> None:
        self.citations: list[Citation] = []
        self._guard = guard
        self._public_url = public_url
        cut = sentences(sources)
        self._weights = rarity(cut)
        self._by_source: dict[int, list[Sentence]] = {s.number: sentences([s]) for s in sources}
        self._question = frozenset(content_terms(question))
        self._claim: frozenset[str] = frozenset()
        self._markers: dict[tuple[object, tuple[int, int]], int] = {}
        self._buffer = ""

    def feed(self, text: str) -> list[Token | Cited]:
        """Take more of the model's text; gives what is complete and checked by now."""
        self._buffer += text
        events: list[Token | Cited] = []
        while match := _COMPLETE.search(self._buffer):
            events += self._check(self._buffer[: match.end()])
            self._buffer = self._buffer[match.end() :]
        return events

    def finish(self) -> list[Token | Cited]:
        """Check what is left at the end of the model's text."""
        rest, self._buffer = self._buffer, ""
        return self._check(rest) if rest else []

    def _check(self, sentence: str) -> list[Token | Cited]:
        if self._guard.withholds(sentence):
            notice = self._guard.notice(sentence)
            return [Token(notice)] if notice else []
        # A marker that stands alone belongs to the sentence before it.
        self._claim = frozenset(content_terms(_MARKERS.sub("", sentence))) or self._claim
        new: list[Token | Cited] = []

        def resolve(match: re.Match[str]) -> str:
            numbers = [int(number) for number in re.findall(r"\d+", match[2])]
            markers = [self._marker(number, new) for number in numbers if self._by_source.get(number)]
            return match[1] + "".join(f"[{marker}]" for marker in dict.fromkeys(markers)) if markers else ""

        # Last, because a marker that is taken out may join what stood on its two sides to an address.
        text = self._guard.clean(_MARKERS.sub(resolve, sentence))
        return [*new, Token(text)] if text else new

    def _marker(self, number: int, new: list[Token | Cited]) -> int:
        best = max(self._by_source[number], key=self._support)
        key = (best.passage.passage_id, best.span)
        if key not in self._markers:
            self._markers[key] = len(self._markers) + 1
            citation = cite(self._markers[key], best, self._share(best), self._public_url)
            self.citations.append(citation)
            new.append(Cited(citation))
        return self._markers[key]

    def _support(self, sentence: Sentence) -> float:
        """Weigh the words that a sentence shares with the claim, against its length."""
        shared = self._weight(sentence.terms & self._claim) + QUESTION_WEIGHT * self._weight(
            sentence.terms & self._question
        )
        return shared / sqrt(1 + self._weight(sentence.terms))

    def _share(self, sentence: Sentence) -> float:
        return self._weight(sentence.terms & self._claim) / (self._weight(self._claim & self._weights.keys()) or 1.0)

    def _weight(self, terms: frozenset[str]) -> float:
        return sum(self._weights.get(term, 0.0) for term in terms)
