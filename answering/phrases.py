"""Phrases that a question puts in quotation marks: who quotes wants these very words."""

import re
from collections.abc import Sequence

from moat.records import Passage

_QUOTED = re.compile(r'"(?=\S)([^"\n]{2,200})(?<=\S)"|“([^”\n]{2,200})”|„([^“”\n]{2,200})[“”]|«([^»\n]{2,200})»')
_WORD = re.compile(r"\w+")


def quoted(question: str) -> tuple[str, ...]:
    """Give the quoted phrases, in lower case, with one space between words."""
    found = (_words(next(filter(None, match.groups()))) for match in _QUOTED.finditer(question))
    return tuple(dict.fromkeys(phrase for phrase in found if phrase))


def holding_first(passages: Sequence[Passage], phrases: Sequence[str]) -> list[Passage]:
    """Put the passages that hold more of the phrases first; otherwise the order stays."""
    if not phrases:
        return list(passages)
    return sorted(passages, key=lambda passage: -_held(passage, phrases))


def _held(passage: Passage, phrases: Sequence[str]) -> int:
    text = f" {_words(passage.text)} "
    return sum(f" {phrase} " in text for phrase in phrases)


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))
