"""Checks a model's answer sentence by sentence, before anyone sees it."""

import re
from collections.abc import Sequence
from math import sqrt

from answering.events import Cited, Token
from answering.guard import Guard
from answering.markers import MARKERS, numbers_of
from answering.pack import Source
from answering.quote import Sentence, cite, rarity, sentences_of
from answering.support import MARK, Lack, Support
from answering.words import content_terms, language_of
from moat.records import Citation

# The end of a sentence with its markers, once the next sentence has begun; or the end of a line.
_COMPLETE = re.compile(
    r"(?:[.!?…][\"'”’)]*(?:\s*[\[【][\d,;\s]+[\]】])*\s+|[。！？](?:[\[【][\d,;\s]+[\]】])*|\n+)(?=[^\s\[【])"
)
# The question decides between sentences that hold the claim's words equally.
QUESTION_WEIGHT = 0.2


class Checker:
    """Takes a model's text piece by piece and gives it back in whole sentences with resolved citations.

    The model's markers name sources. In the checked text each marker names one quote, counted from 1 as they appear:
    two sentences that rest on different sentences of one source get two markers. Markers of no source are removed.
    What the guard withholds is not cited either; what it passes is made inert after the markers stand. With `support`,
    a sentence that the sources do not hold is marked, or with `cut` left out.
    """

    def __init__(
        self,
        question: str,
        sources: Sequence[Source],
        guard: Guard,
        public_url: str = "",
        support: Support | None = None,
        *,
        cut: bool = False,
    ) -> None:
        self.citations: list[Citation] = []
        self.unverified: list[Lack] = []
        self._guard = guard
        self._public_url = public_url
        self._language = language_of(question)
        self._by_source: dict[int, list[Sentence]] = {
            s.number: sentences_of(s.excerpts, self._language) for s in sources
        }
        self._weights = rarity(sentence for each in self._by_source.values() for sentence in each)
        self._support, self._cut = support, cut
        self._question = frozenset(content_terms(question, self._language))
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

    @property
    def note(self) -> str:
        """Tell a reader what was found wanting; empty when nothing was."""
        number = len(self.unverified)
        if not number:
            return ""
        what = f"{number} sentences" if number > 1 else "One sentence"
        if self._cut:
            return (
                f"{what} of the model's text left out: the sources do not hold them."
                if number > 1
                else (f"{what} of the model's text was left out: the sources do not hold it.")
            )
        facts = list(dict.fromkeys(fact for lack in self.unverified for fact in lack.facts))
        lacking = f" They do not hold: {', '.join(facts)}." if facts else ""
        return f"{what} marked {MARK}: the cited sources do not hold what is said there.{lacking}"

    def _check(self, sentence: str) -> list[Token | Cited]:
        if self._guard.withholds(sentence):
            notice = self._guard.notice(sentence)
            return [Token(notice)] if notice else []
        mark = self._mark(sentence)
        if mark and self._cut:
            return []
        # A marker that stands alone belongs to the sentence before it.
        self._claim = frozenset(content_terms(MARKERS.sub("", sentence), self._language)) or self._claim
        new: list[Token | Cited] = []

        def resolve(match: re.Match[str]) -> str:
            markers = [self._marker(number, new) for number in numbers_of(match) if self._by_source.get(number)]
            return match[1] + "".join(f"[{marker}]" for marker in dict.fromkeys(markers)) if markers else ""

        body = sentence.rstrip()
        # Last, because a marker that is taken out may join what stood on its two sides to an address.
        text = self._guard.clean(MARKERS.sub(resolve, body) + mark + sentence[len(body) :])
        return [*new, Token(text)] if text else new

    def _mark(self, sentence: str) -> str:
        """Give what stands behind a sentence that the sources do not hold."""
        if self._support is None:
            return ""
        cited = {number for match in MARKERS.finditer(sentence) for number in numbers_of(match)}
        lack = self._support.lack(sentence, cited)
        if lack is None:
            return ""
        self.unverified.append(lack)
        return f" {MARK}"

    def _marker(self, number: int, new: list[Token | Cited]) -> int:
        best = max(self._by_source[number], key=self._fit)
        key = (best.passage.passage_id, best.span)
        if key not in self._markers:
            self._markers[key] = len(self._markers) + 1
            citation = cite(self._markers[key], best, self._share(best), self._public_url)
            self.citations.append(citation)
            new.append(Cited(citation))
        return self._markers[key]

    def _fit(self, sentence: Sentence) -> float:
        """Weigh the words that a sentence shares with the claim, against its length."""
        shared = self._weight(sentence.terms & self._claim) + QUESTION_WEIGHT * self._weight(
            sentence.terms & self._question
        )
        return shared / sqrt(1 + self._weight(sentence.terms))

    def _share(self, sentence: Sentence) -> float:
        return self._weight(sentence.terms & self._claim) / (self._weight(self._claim & self._weights.keys()) or 1.0)

    def _weight(self, terms: frozenset[str]) -> float:
        return sum(self._weights.get(term, 0.0) for term in terms)
