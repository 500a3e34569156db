"""XML of any vocabulary: text in order, titles as headings, rows as tables, attributes that carry words."""

import re
from collections.abc import Mapping
from pathlib import Path

from ingest.parse.grid import Grid
from ingest.parse.html import read
from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument

_HEADINGS = {"title", "heading", "head", "article-title", "subtitle", "h1", "h2", "h3", "h4", "h5", "h6"}
_SECTIONS = {"sec", "section", "chapter", "part", "appendix", "sect1", "sect2", "sect3", "sect4", "refsect1", "topic"}
_TABLES = {"table", "informaltable"}
_ROWS, _CELLS = {"tr", "row"}, {"td", "th", "entry", "cell"}
_ITEMS = {"li", "item", "list-item", "listitem"}
_PROSE = {*("p", "para", "simpara", "text", "label", "caption", "quote", "note", "abstract"), *_HEADINGS, *_ITEMS}
# Inside a sentence, so that their end is not a line's end: those that only dress it, and those that name a part.
_DRESS = {
    *("a", "abbr", "b", "bold", "code", "em", "emphasis", "i", "italic", "monospace", "sc", "span", "strong"),
    *("styled-content", "sub", "sup", "subscript", "superscript", "tt", "u", "underline", "tspan"),
}
_FIELDS = {
    *("ext-link", "link", "ulink", "uri", "xref", "named-content", "surname", "given-names", "firstname", "year"),
    *(
        "volume",
        "fpage",
        "lpage",
        "source",
        "pub-id",
        "string-name",
        "person-group",
        "element-citation",
        "mixed-citation",
    ),
    *("month", "day", "issue", "contrib-id", "degrees"),
}
_SKIPPED = {"script", "style"}
_SPOKEN = {"title", "alt", "label", "caption", "description", "summary", "value"}
_NAMES_KIND = "pub-id-type"  # of a number that means nothing without: doi, pmid
_WORDS = re.compile(r"[^\W\d_]{2,}\W.*[^\W\d_]{2,}", re.S)
_MARKUP = re.compile(r"\s*<(p|div|span|table|h[1-6]|ul|ol|html|body)\b[^>]*>", re.I)
_SPACE = re.compile(r"\s+")
_LEVELS = 6
_LONGEST_FACT = 200
_HINT = "Check the file with an XML validator, correct it, and send it again."


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read every element's text in document order; nothing is fetched, and entities may not grow the document."""
    from lxml import etree  # type: ignore[import-untyped]

    reader = _Reader()
    parser = etree.XMLParser(target=reader, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        etree.parse(str(path), parser)
    except etree.XMLSyntaxError as error:
        raise ParsingFailed(f"{name!r} is not valid XML: {error.msg}.", _HINT) from error
    return ParsedDocument(tuple(reader.elements), reader.title)


class _Reader:
    """Takes the parser's events; no tree is built, so a large file needs little memory."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.title = ""
        self._open: list[str] = []
        self._text: list[str] = []
        self._facts: list[str] = []  # `name: value` of neighbouring elements that hold only a value
        self._is_leaf = True
        self._grid: Grid | None = None  # of the outermost table that is open
        self._table_depth = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = _local(tag)
        if self._grid is not None:
            self._start_in_table(self._grid, name)
        elif name not in _DRESS and name not in _FIELDS:
            self._end_block(is_leaf=False)
            self._is_leaf = True
            if name in _TABLES:
                self._flush_facts()
                self._grid = Grid()
                self._table_depth = 1
        elif name in _FIELDS:
            self._text.append(" ")
        self._open.append(name)
        self._text += [f" {v} " for k, v in attributes.items() if _is_said(_local(k), v)]

    def data(self, text: str) -> None:
        if self._open[-1] not in _SKIPPED:
            self._text.append(text)

    def end(self, tag: str) -> None:
        name = self._open[-1]
        if self._grid is not None:
            self._end_in_table(self._grid, name)
        elif name in _FIELDS:
            self._text.append(" ")
        elif name not in _DRESS:
            self._end_block(self._is_leaf)
            if not self._is_leaf:
                self._flush_facts()
            self._is_leaf = False
        self._open.pop()

    def close(self) -> None:
        self._flush_facts()

    def _end_block(self, is_leaf: bool) -> None:
        raw = "".join(self._text)
        self._text.clear()
        text = _SPACE.sub(" ", raw).strip()
        if not text:
            return
        name = next((one for one in reversed(self._open) if one not in _DRESS and one not in _FIELDS), "")
        if is_leaf and name not in _PROSE and not _MARKUP.match(raw) and len(text) <= _LONGEST_FACT:
            self._facts.append(f"{name}: {text}")
            return
        self._flush_facts()
        if _MARKUP.match(raw):  # a page inside a value, as feeds and filings have
            self.elements += read(raw).elements
        elif name in _HEADINGS:
            level = 1 + sum(one in _SECTIONS for one in self._open)
            self.title = self.title or (text if level == 1 else "")
            self.elements.append(Element("heading", text, level=min(level, _LEVELS)))
        elif any(one in _ITEMS for one in self._open[-3:]):
            self.elements.append(Element("list_item", f"- {text}"))
        else:
            self.elements.append(Element("text", text))

    def _flush_facts(self) -> None:
        if self._facts:
            self.elements.append(Element("text", "\n".join(self._facts)))
            self._facts.clear()

    def _start_in_table(self, grid: Grid, name: str) -> None:
        self._table_depth += name in _TABLES
        if self._table_depth == 1 and name in _ROWS:
            grid.start_row()
        elif name not in _DRESS:
            self._text.append(" ")

    def _end_in_table(self, grid: Grid, name: str) -> None:
        self._table_depth -= name in _TABLES
        if name in _DRESS or self._table_depth > 1:
            return
        in_cell = any(one in _CELLS for one in self._open[:-1])
        if in_cell:
            self._text.append(" ")
            return
        text = _SPACE.sub(" ", "".join(self._text)).strip()
        self._text.clear()
        if name in _CELLS:
            grid.add(text, 1, 1)
        elif text:  # a title, or a note below
            self.elements.append(Element("text", text))
        if self._table_depth == 0:
            rows = grid.finish()
            self._grid = None
            self._is_leaf = False
            if rows:
                self.elements.append(Element("table", "", rows=rows))


def _is_said(attribute: str, value: str) -> bool:
    return attribute == _NAMES_KIND or (attribute in _SPOKEN and _WORDS.search(value) is not None)


def _local(tag: str) -> str:
    """Drop the namespace."""
    return tag.rpartition("}")[2].lower()
