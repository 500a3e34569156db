"""Word pieces of a whole document, counted once and asked often."""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, repeat
from operator import add
from weakref import WeakKeyDictionary

from moat.embedder import Embedder

_WINDOW = 100_000
# A tokenizer gives one piece for a "word" as long as this (base64, a hash): parts of it would become many pieces.
_GIANT = 60
_GIANT_STEP = 4
_GIANT_TAIL = 100
# What tokenizers whose words stand alone all take for white space; other such characters stay inside a word.
_WORD = re.compile(r"[^ \t\n\r]+")
_KNOWN_AT_MOST = 100_000

# Most words of a company come again and again, so the pieces of each are counted once for every embedder.
_known: WeakKeyDictionary[Embedder, dict[str, int]] = WeakKeyDictionary()


class TokenMap:
    """Where each word piece of a text begins.

    The text is held as parts: words, where the tokenizer reads each for itself, and otherwise windows. For most words
    their number of pieces is enough.
    """

    def __init__(self, text: str, embedder: Embedder) -> None:
        self._text = text
        self._embedder = embedder
        self._starts, self._ends, counts = array("L"), array("L"), array("L")
        self._pieces: dict[int, array[int]] = {}  # by part, where they were needed: where each piece begins
        for start, end in _windows(text):
            if embedder.words_stand_alone:
                counts.extend(self._add_words(start, end))
            else:
                counts.append(self._add(start, end))
        self._before = array("L", accumulate(counts, initial=0))

    def count(self, start: int, end: int) -> int:
        """Count the pieces that begin in [start, end)."""
        return self._begun(end) - self._begun(start)

    def reach(self, start: int, limit: int) -> int | None:
        """Give where the piece after the next `limit` ones begins, or None when there are no more than that."""
        index = self._begun(start) + limit
        if index >= self._before[-1]:
            return None
        part = bisect_right(self._before, index) - 1
        return self._pieces_of(part)[index - self._before[part]]

    def _begun(self, at: int) -> int:
        """Count the pieces that begin before a place."""
        part = bisect_left(self._starts, at) - 1
        if part < 0:
            return 0
        if at >= self._ends[part]:
            return self._before[part + 1]
        return self._before[part] + bisect_left(self._pieces_of(part), at)

    def _add_words(self, start: int, end: int) -> "array[int]":
        words = _WORD.findall(self._text, start, end)
        starts = [match.start() for match in _WORD.finditer(self._text, start, end)]
        first = len(self._starts)
        self._starts.extend(starts)
        self._ends.extend(map(add, starts, map(len, words)))
        counts = array("L", map(_counts(words, self._embedder).get, words, repeat(0)))
        for at in (at for at, word in enumerate(words) if len(word) >= _GIANT):
            counts[at] = len(self._pieces_of(first + at))
        return counts

    def _add(self, start: int, end: int) -> int:
        self._starts.append(start)
        self._ends.append(end)
        return len(self._pieces_of(len(self._starts) - 1))

    def _pieces_of(self, part: int) -> "array[int]":
        found = self._pieces.get(part)
        if found is None:
            start = self._starts[part]
            spans = self._embedder.token_spans(self._text[start : self._ends[part]])
            found = self._pieces[part] = array("L")
            for begin, stop in spans:
                found.extend([start + begin] if stop - begin < _GIANT else _giant(start + begin, start + stop))
        return found


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Cut a text at white space, so that no word is cut in two; a word larger than a window is."""
    at = 0
    while at < len(text):
        end = _window_end(text, at)
        yield at, end
        at = end


def _window_end(text: str, at: int) -> int:
    end = at + _WINDOW
    if end >= len(text):
        return len(text)
    for back in range(end, end - _WINDOW // 10, -1):
        if text[back].isspace():
            return back
    return end


def _giant(start: int, stop: int) -> list[int]:
    tail = max(start, stop - _GIANT_TAIL)
    return [*range(start, tail, _GIANT_STEP), *range(tail, stop)]


def _counts(words: Iterable[str], embedder: Embedder) -> dict[str, int]:
    """Count the pieces of words that are no giants."""
    known = _known.setdefault(embedder, {})
    new = [word for word in set(words).difference(known) if len(word) < _GIANT]
    if len(known) + len(new) > _KNOWN_AT_MOST:
        known = _known[embedder] = {}  # a text in another thread goes on with the old table
        new = [word for word in set(words) if len(word) < _GIANT]
    known.update(zip(new, _counted(new, embedder), strict=True))
    return known


def _counted(words: list[str], embedder: Embedder) -> Iterator[int]:
    """Count the pieces of each word, by encoding all of them in one go."""
    spans = embedder.token_spans(" ".join(words)) if words else []
    begins = array("L", (start for start, _ in spans))
    ends = accumulate(len(word) + 1 for word in words)
    before = 0
    for end in ends:
        begun = bisect_left(begins, end)
        yield begun - before
        before = begun
