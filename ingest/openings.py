"""Many patterns over one text for the price of a few: each is tried only where a word begins as it can begin."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

# Longer openings tell words apart better; a shorter one than two characters would be tried at too many.
_LONG, _SHORT = 10, 2
_LITERAL_CHARS = 4
_SET_AT_MOST = 4


class Patterns:
    """Named groups of patterns, ignoring case; finds what `finditer` of each group's alternation finds.

    A pattern that begins at a word's border is tried where a word has its first letters. One that begins with other
    characters is tried where these stand in the text at all, and what has no fixed beginning always.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        self._at_words: dict[str, list[tuple[str, re.Pattern[str]]]] = defaultdict(list)
        self._anywhere: list[tuple[str, re.Pattern[str], tuple[str, ...], tuple[str, ...]]] = []
        for group, patterns in groups.items():
            for pattern in patterns:
                self._add(group, pattern)
        self._word = _longest_of(self._at_words)
        self._tried = {
            word: [one for opening, patterns in self._at_words.items() if word.startswith(opening) for one in patterns]
            for word in self._at_words
        }

    def find(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Give (group, start, end) of every match; those of one group do not overlap."""
        ends: dict[str, int] = {}
        for start, end, group in sorted(self._matches(text)):
            if start >= ends.get(group, 0):
                ends[group] = end
                yield group, start, end

    def _add(self, group: str, pattern: str) -> None:
        compiled = re.compile(pattern, re.IGNORECASE)
        parsed = list(_parser.parse(pattern, re.IGNORECASE))
        words = _openings(parsed, _LONG)
        if _begins_at_a_word(parsed) and all(len(word) >= _SHORT for word in words):
            for word in words:
                self._at_words[word].append((group, compiled))
        else:
            literal = _openings(parsed, _LITERAL_CHARS)
            ascii_ones = tuple(opening for opening in literal if opening.isascii())
            self._anywhere.append((group, compiled, tuple(literal) if all(literal) else ("",), ascii_ones))

    def _matches(self, text: str) -> Iterator[tuple[int, int, str]]:
        folded = text.lower()
        if len(folded) != len(text) or "ſ" in folded:  # letters that fold to others: places would not agree
            folded = "".join(_fold(character) for character in text)
        is_ascii = folded.isascii()
        for group, pattern, openings, ascii_ones in self._anywhere:
            if any(opening in folded for opening in (ascii_ones if is_ascii else openings)):
                yield from ((*match.span(), group) for match in pattern.finditer(text))
        for word in self._word.finditer(folded):
            at = word.start()
            for group, pattern in self._tried[word[1]]:
                if match := pattern.match(text, at):
                    yield *match.span(), group


def _longest_of(openings: Iterable[str]) -> re.Pattern[str]:
    """Find each place where a word begins with an opening, and the longest such; first letters rule most words out."""
    by_letter: dict[str, list[str]] = defaultdict(list)
    for opening in sorted(openings, key=len, reverse=True):
        by_letter[opening[0]].append(re.escape(opening[1:]))
    branches = (f"{re.escape(letter)}(?:{'|'.join(rest)})" for letter, rest in by_letter.items())
    return re.compile(rf"\b(?=({'|'.join(branches)}))" if by_letter else r"(?!)")


def _fold(character: str) -> str:
    folded = "s" if character == "ſ" else character.lower()
    return folded if len(folded) == 1 else folded[0]


def _begins_at_a_word(parsed: Sequence[Any]) -> bool:
    operation, argument = parsed[0]
    if operation is sre.BRANCH:
        return all(alternative and _begins_at_a_word(list(alternative)) for alternative in argument[1])
    return bool(operation is sre.AT and argument is sre.AT_BOUNDARY)


def _openings(parsed: Sequence[Any], most: int, before: str = "") -> set[str]:
    """Give the literal beginnings, at most so long, of which every match has one; "" where it may begin with anything.

    A beginning is cut where the pattern allows more than a few characters.
    """
    if len(before) >= most or not parsed:
        return {before[:most]}
    (operation, argument), rest = parsed[0], list(parsed[1:])
    if operation is sre.AT:
        return _openings(rest, most, before)
    if operation is sre.LITERAL:
        return _openings(rest, most, before + _fold(chr(argument)))
    if operation is sre.IN and len(argument) <= _SET_AT_MOST and all(kind is sre.LITERAL for kind, _ in argument):
        return {o for _, code in argument for o in _openings(rest, most, before + _fold(chr(code)))}
    if operation is sre.SUBPATTERN:
        return _openings([*argument[3], *rest], most, before)
    if operation is sre.BRANCH:
        return {o for alternative in argument[1] for o in _openings([*alternative, *rest], most, before)}
    if operation is sre.MAX_REPEAT and argument[:2] == (0, 1):
        return _openings(rest, most, before) | _openings([*argument[2], *rest], most, before)
    return {before}
