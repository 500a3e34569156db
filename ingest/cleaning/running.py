"""Running headers and footers: what stands at the edge of most pages is about the paper, not the subject."""

from collections import defaultdict
from collections.abc import Sequence

from ingest.parse.running import running, shape
from moat.records import Element

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
    enough = max(3, (len(pages) + 1) // 2)
    found = running(
        ((shape(elements[i].text), p, elements[i].text.strip()) for p, on in edges.items() for i in on), enough
    )
    dropped = {i for on in edges.values() for i in on if shape(elements[i].text) in found}
    kept = [element for i, element in enumerate(elements) if i not in dropped]
    return (kept, len(dropped)) if kept else (list(elements), 0)


def _is_line(element: Element) -> bool:
    # Headings may return with a purpose: every slide of a deck can be called by its chapter.
    return element.kind == "text" and len(element.text) <= _LONGEST and "\n" not in element.text
