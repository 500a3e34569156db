"""Tells whether a model's text gives away what it was told apart from the sources, however it is written."""

import base64
import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import quote

import py3langid

from answering.markers import MARKERS
from answering.words import content_terms

# About five words: shorter runs also stand in sentences that repeat nothing.
RUN = 24
# A code: letters and digits mixed in one part, or capitals and many digits. A model does not make one up in good faith.
_CODE = re.compile(
    r"(?<![\w-])(?=[\w-]{8,})(?:[\w-]*(?:[A-Za-z]\d|\d[A-Za-z])[\w-]*|[A-Z]{1,6}[-_]?\d{5,})(?![\w-])|(?<!\d)\d{9,}(?!\d)"
)
FAR_TERMS = 8
FAR_SHARE = 0.15


class Leaks:
    """Looks at a model's text piece by piece; `sources` and `known` may be repeated."""

    def __init__(self, system: str, mark: str, sources: Sequence[str], known: Iterable[str]) -> None:
        self._runs = _runs(system)
        self._mark = letters(mark)
        self._sources = sources
        text = " ".join([*sources, *known])
        self._known = letters(text)
        self._terms = frozenset(content_terms(text))
        self._before = ""

    def reason(self, text: str) -> str:
        """Name why this piece must not be shown, given the pieces before it; empty when it may be."""
        plain = MARKERS.sub("", text)
        new = letters(plain)
        run = self._before + new
        # One letter less than what is looked for: what was found in a piece must not be found in the next one again.
        self._before = run[-(RUN - 1) :]
        marked = self._mark in run[-(len(self._mark) - 1 + len(new)) :]
        if marked or any(w in self._runs and w not in self._known for w in _windows(run)):
            return "instructions_withheld"
        if any(letters(code) not in self._known for code in _CODE.findall(plain)) or self._is_far(plain):
            return "foreign_text_withheld"
        return ""

    def _is_far(self, text: str) -> bool:
        """Tell a long sentence that shares next to no word with the sources, though it is in their language."""
        terms = set(content_terms(text))
        if len(terms) < FAR_TERMS or len(terms & self._terms) >= FAR_SHARE * len(terms):
            return False
        return py3langid.classify(text)[0] in {py3langid.classify(source)[0] for source in self._sources}


def letters(text: str) -> str:
    """Keep letters and digits alone, so that neither case nor what stands between them matters."""
    return "".join(character for character in text.casefold() if character.isalnum())


@lru_cache(maxsize=4)
def _runs(secret: str) -> frozenset[str]:
    """Cut a text, and it written in the ways that models are told to write it in, into runs."""
    raw = secret.encode()
    written = [secret, secret[::-1], codecs.encode(secret, "rot13"), " ".join(reversed(secret.split()))]
    written += [quote(secret), raw.hex(), *(base64.b64encode(raw[start:]).decode() for start in range(3))]
    return frozenset(window for text in written for window in _windows(letters(text)))


def _windows(text: str) -> Iterator[str]:
    return (text[start : start + RUN] for start in range(len(text) - RUN + 1))
