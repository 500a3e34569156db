"""Where sentences begin and end, as offsets, so that every quote is verbatim."""

import re

# A line of its own: table rows, list items, headings, block quotes.
_ITEM = re.compile(r"\s*(?:[-*+•]\s|\d{1,3}[.)]\s|#{1,6}\s|>|\|)")
_ROW = re.compile(r"\t|\s\|\s")
_MARKERS = re.compile(r"\s*(?:(?:[-*+•]|\d{1,3}[.)]|#{1,6}|>)\s+)+")
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s+[^\sa-z])|[。！？]+")
_ABBREVIATION = re.compile(r"(?:\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|No|Nr|approx|Inc|Ltd|Co))\.$")
_WRAPPED_FROM = 45


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Give the span of every sentence, table row and list item, without the blanks and list marks around it."""
    spans = []
    for start, end in _blocks(text):
        cursor = start
        for match in _END.finditer(text, start, end):
            if not _ABBREVIATION.search(text, max(start, match.end() - 8), match.end()):
                spans.append((cursor, match.end()))
                cursor = match.end()
        spans.append((cursor, end))
    return [span for span in (_trim(text, *span) for span in spans) if span[0] < span[1]]


def is_row(text: str) -> bool:
    """Tell whether a line stands in a table."""
    return bool(_ROW.search(text)) or text.lstrip().startswith("|")


def _blocks(text: str) -> list[tuple[int, int]]:
    """Join the lines that belong together: a paragraph that was wrapped is one block."""
    blocks: list[tuple[int, int]] = []
    start = 0
    for newline in [match.start() for match in re.finditer(r"\n|$", text)]:
        following = text[newline + 1 : newline + 200].split("\n", 1)[0]
        line = text[text.rfind("\n", 0, newline) + 1 : newline]
        if newline < len(text) and _continues(line, following):
            continue
        blocks.append((start, newline))
        start = newline + 1
    return blocks


def _continues(line: str, following: str) -> bool:
    if not line.strip() or not following.strip() or _ITEM.match(following) or is_row(line) or is_row(following):
        return False
    if line.lstrip().startswith("#"):
        return False
    return following[0].islower() or (len(line) >= _WRAPPED_FROM and line.rstrip()[-1] not in ".!?:;。")


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    marks = _MARKERS.match(text, start, end)
    start = marks.end() if marks else start
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
