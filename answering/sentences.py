"""Where sentences begin and end, as offsets, so that every quote is verbatim."""

import re

# Canonical text holds no wrapped lines: a line is a paragraph, a list item, a heading or a table row.
_LINE = re.compile(r"[^\n]+")
_MARKS = re.compile(r"\s*(?:(?:[-*+•]|\d{1,3}[.)]|#{1,6}|>)\s+)+")
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s+[^\sa-z])|[。！？]+")
_ABBREVIATION = re.compile(r"\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|No|Nr|approx|Inc|Ltd|Co)\.$")
_LONGEST_ABBREVIATION = 7


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Give the span of every sentence, table row and list item, without the blanks and list marks around it."""
    spans = []
    for line in _LINE.finditer(text):
        cursor, end = line.span()
        for match in _END.finditer(text, cursor, end):
            if not _ABBREVIATION.search(text, max(cursor, match.end() - _LONGEST_ABBREVIATION), match.end()):
                spans.append((cursor, match.end()))
                cursor = match.end()
        spans.append((cursor, end))
    return [span for span in (_trim(text, *span) for span in spans) if span[0] < span[1]]


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    marks = _MARKS.match(text, start, end)
    start = marks.end() if marks else start
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
