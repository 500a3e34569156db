"""Running headers and footers: what stands at the edge of most pages is about the paper, not the subject."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from moat.records import Element

_DIGITS = re.compile(r"\d+")
_LONGEST = 120
_FEWEST_PAGES = 4


def without_running_lines(elements: Sequence[Element]) -> tuple[list[Element], int]:
    """Drop short texts that return, but for their numbers, at the edge of at least half of four or more pages."""
    pages: dict[int, list[int]] = defaultdict(list)
    for index, element in enumerate(elements):
        if element.page is not None:
            pages[element.page].append(index)
    if len(pages) < _FEWEST_PAGES:
        return list(elements), 0
    edges = {page: [i for i in {*on[:2], *on[-2:]} if _is_line(elements[i])] for page, on in pages.items()}
    times = Counter(key for on in edges.values() for key in {_key(elements[i]) for i in on})
    enough = max(3, (len(pages) + 1) // 2)
    running = {i for on in edges.values() for i in on if times[_key(elements[i])] >= enough}
    kept = [element for i, element in enumerate(elements) if i not in running]
    return (kept, len(running)) if kept else (list(elements), 0)


def _is_line(element: Element) -> bool:
    # Headings may return with a purpose: every slide of a deck can be called by its chapter.
    return element.kind == "text" and len(element.text) <= _LONGEST and "\n" not in element.text


def _key(element: Element) -> str:
    return _DIGITS.sub("#", element.text.strip())
