"""What tells a running header from lines that are merely alike: it stays the same, or counts the pages."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import TypeVar

_DIGITS = re.compile(r"\d+")
_COUNTED_SHARE = 0.8
Key = TypeVar("Key", bound=Hashable)


def shape(text: str) -> str:
    """Write a line with every number as `#`."""
    return _DIGITS.sub("#", text.strip())


def running(lines: Iterable[tuple[Key, int, str]], enough: int) -> set[Key]:
    """Name the keys whose lines, given as (key, page, text), run through at least `enough` pages.

    Lines of one key have one shape. Where their numbers differ, one of them must go up with the page: rows of a form
    that fills a page each are alike too, and their numbers are what the document says.
    """
    found: dict[Key, dict[int, str]] = defaultdict(dict)
    for key, page, text in lines:
        found[key].setdefault(page, text)
    return {key for key, pages in found.items() if len(pages) >= enough and _is_running(pages)}


def _is_running(pages: dict[int, str]) -> bool:
    if len(set(pages.values())) == 1:
        return True
    numbers = [[int(n) - page for n in _DIGITS.findall(text)[:9]] for page, text in pages.items()]
    for offsets in zip(*numbers, strict=False):
        usual = max(set(offsets), key=offsets.count)
        if offsets.count(usual) >= _COUNTED_SHARE * len(offsets):
            return True
    return False
