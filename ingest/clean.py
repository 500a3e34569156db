"""Elements to the one canonical text that every span points into."""

import re
from dataclasses import dataclass
from pathlib import PurePath

from moat.records import CanonicalText, Element, ElementKind, PageSpan, ParsedDocument

# Controls, halves of surrogate pairs and what Unicode will never assign: databases and tokenizers choke on them.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U0001fffe\U0001ffff]")
_LINE_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_BLANKS = re.compile(r"[^\S\n]+")
_TRAILING = re.compile(r"[^\S\n]+$", re.M)
_EMPTY_LINES = re.compile(r"\n{3,}")
_NUMERIC = re.compile(r"[\s$€£%(+\-]*\d[\d.,:/\s%)$€£-]*$")
_YEAR = re.compile(r"(19|20)\d\d$")
_HEADER_CHARS = 80


@dataclass(frozen=True, slots=True)
class Block:
    """An element in the canonical text: [start, end), and for a table the span of every line."""

    start: int
    end: int
    kind: ElementKind
    page: int | None
    level: int
    heading_path: tuple[str, ...]
    lines: tuple[tuple[int, int], ...] = ()


def to_canonical(parsed: ParsedDocument, name: str) -> tuple[CanonicalText, tuple[Block, ...]]:
    """Join the elements into one clean text, with its page map and the place of every element in it."""
    writer = _Writer()
    first_heading = ""
    for element in parsed.elements:
        if element.kind == "table":
            writer.write(element, _table_lines(element.rows))
        else:
            text = _clean(element.text, keep_indents=element.kind == "code")
            writer.write(element, text.split("\n") if element.kind == "code" else [text])
            if element.kind in ("title", "heading") and not first_heading:
                first_heading = text
    title = _line(parsed.title) or _line(first_heading) or _line(PurePath(name).stem) or name
    return CanonicalText("".join(writer.parts), title, tuple(writer.pages)), tuple(writer.blocks)


class _Writer:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.blocks: list[Block] = []
        self.pages: list[PageSpan] = []
        self._length = 0
        self._headings: list[tuple[int, str]] = []

    def write(self, element: Element, lines: list[str]) -> None:
        if not any(line.strip() for line in lines):
            return
        if self.blocks:
            together = element.kind == "list_item" == self.blocks[-1].kind
            self._append("\n" if together else "\n\n")
        if element.kind in ("title", "heading"):
            self._enter(max(element.level, 1), _line(lines[0]))
        start = self._length
        spans = []
        for number, line in enumerate(lines):
            if number:
                self._append("\n")
            spans.append((self._length, self._length + len(line)))
            self._append(line)
        path = tuple(text for _, text in self._headings)
        kept = tuple(spans) if len(spans) > 1 else ()
        level = max(element.level, 1) if element.kind in ("title", "heading") else 0
        self.blocks.append(Block(start, self._length, element.kind, element.page, level, path, kept))
        self._note_page(element.page, start)

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self._length += len(text)

    def _enter(self, level: int, text: str) -> None:
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        self._headings.append((level, text))

    def _note_page(self, page: int | None, start: int) -> None:
        if page is None:
            return
        if self.pages and self.pages[-1].page == page:
            start = self.pages.pop().start
        self.pages.append(PageSpan(page, start, self._length))


def _clean(text: str, keep_indents: bool = False) -> str:
    text = _UNSAFE.sub("", _LINE_BREAKS.sub("\n", text))
    if keep_indents:
        return _TRAILING.sub("", text.replace("\t", "    ")).strip("\n")
    text = "\n".join(line.strip() for line in _BLANKS.sub(" ", text).split("\n"))
    return _EMPTY_LINES.sub("\n\n", text).strip()


def _line(text: str) -> str:
    if text.isascii() and text.isprintable():  # most of a large table's millions of cells
        return " ".join(text.split())
    return " ".join(_clean(text).split())


def _table_lines(rows: tuple[tuple[str, ...], ...]) -> list[str]:
    """Write `Header: value; Header: value` a row, or `a | b` where the first row does not look like a header.

    Each line then says what its values mean, so that any of them can be found and quoted alone.
    """
    cleaned = [tuple(_line(cell) for cell in row) for row in rows]
    cleaned = [row for row in cleaned if any(row)]
    if len(cleaned) < 2 or not _is_header(cleaned[0]):
        return [" | ".join(cell for cell in row if cell) for row in cleaned]
    header, *body = cleaned
    return [_row_line(header, row) for row in body]


def _row_line(header: tuple[str, ...], row: tuple[str, ...]) -> str:
    parts = []
    for number, cell in enumerate(row):
        label = header[number] if number < len(header) else ""
        if cell and cell != label:
            parts.append(f"{label.rstrip(':')}: {cell}" if label else cell)
        elif cell:
            parts.append(cell)
    return "; ".join(parts)


def _is_header(row: tuple[str, ...]) -> bool:
    named = [cell for cell in row if cell]
    if len(row) < 2 or len(named) < len(row) - 1 or len(set(named)) < len(named):
        return False
    return all(len(cell) <= _HEADER_CHARS and (_YEAR.match(cell) or not _NUMERIC.match(cell)) for cell in named)
