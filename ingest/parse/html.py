"""HTML through the standard library's tokenizer: no tree, so depth and broken nesting cannot hurt it."""

import re
from html.parser import HTMLParser
from pathlib import Path

from ingest.parse.decode import decode
from ingest.parse.grid import Grid
from ingest.parse.hidden_html import Sight
from moat.records import Element, ElementKind, ParsedDocument

_SKIPPED = {"script", "style", "noscript", "template", "svg", "iframe", "object", "select"}
_BLOCKS = {
    *(
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
    ),
    *(
        "figure",
        "form",
        "header",
        "hr",
        "li",
        "main",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "ul",
        "center",
        "caption",
    ),
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_VOID = {"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr"}
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{2,30})", re.I)
_SPACE = re.compile(r"\s+")


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read headings, paragraphs, list items, tables and code; scripts are left out, menus and hidden parts marked."""
    data = path.read_bytes()
    declared = _CHARSET.search(data[:4096])
    return read(decode(data, declared[1].decode("ascii") if declared else ""))


def read(markup: str) -> ParsedDocument:
    """Read the elements of a page or of a fragment."""
    reader = _Reader(markup)
    reader.feed(markup)
    reader.close()
    reader.end_skipped()
    reader.end_block()
    return ParsedDocument(tuple(reader.elements), reader.title)


class _Reader(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.title = ""
        self._text: list[str] = []
        self._kind: ElementKind = "text"
        self._level = 0
        self._skipped = ""  # the tag being skipped, and how deep in tags of its name
        self._skip_depth = 0
        self._skip_mark = ""  # why; what is marked is kept apart, for the corpus to decide on
        self._skipped_text: list[str] = []
        self._unseen: list[str] = []  # text that is too small, or of the colour behind it
        self._muted = ""  # a script or style inside of it
        self._sight = Sight(markup)
        self._in_title = False
        self._grid: Grid | None = None  # of the outermost table that is open
        self._table_depth = 0
        self._cell: tuple[int, int] | None = None  # columns and rows that the open cell spans

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipped == "p" and tag in _BLOCKS:
            self.end_skipped()  # a paragraph needs no end tag
        if self._skipped:
            self._skipped_text.append(" ")
            self._muted = self._muted or (tag if tag in _SKIPPED else "")
            self._skip_depth += tag == self._skipped
            return
        mark = self._sight.mark(tag, attrs)
        if tag not in _VOID and (tag in _SKIPPED or mark):
            self._skipped, self._skip_depth, self._skip_mark = tag, 1, mark
            return
        if tag not in _VOID:
            self._sight.enter(tag, is_block=tag in _BLOCKS or tag in _HEADINGS)
        if tag == "title":
            self._in_title = not self.title
        elif tag == "br":
            self._text.append("\n" if self._grid is None else " ")
        elif tag == "img":
            self._say(f" {dict(attrs).get('alt') or ''} ")
        elif tag == "table":
            self._start_table()
        elif self._grid is not None:
            self._start_in_table(self._grid, tag, dict(attrs))
        elif tag in _HEADINGS:
            self.end_block()
            self._kind, self._level = "heading", _HEADINGS[tag]
        elif tag in _BLOCKS:
            self.end_block()
            if tag == "li":
                self._kind = "list_item"
            elif tag == "pre":
                self._kind = "code"
            elif tag != "p":  # a paragraph inside a list item is still the item
                self._kind = "text"

    def handle_endtag(self, tag: str) -> None:
        if not self._skipped:
            self._sight.leave(tag)
        if self._skipped:
            if tag == self._muted:
                self._muted = ""
            if tag == self._skipped:
                self._skip_depth -= 1
                if not self._skip_depth:
                    self.end_skipped()
        elif tag == "title":
            self._in_title = False
        elif self._grid is not None:
            if tag == "table":
                self._end_table()
            elif tag in ("td", "th"):
                self._end_cell()
        elif tag in _BLOCKS or tag in _HEADINGS:
            self.end_block()

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title = _SPACE.sub(" ", self.title + data).strip()
        elif self._skipped:
            self._skipped_text.append("" if self._muted else data)
        else:
            self._say(data if self._kind == "code" else data.replace("\n", " "))

    def _say(self, text: str) -> None:
        """Gather text for the block that is open, or apart from it where it is not seen."""
        if not text.strip():
            (self._unseen if self._unseen else self._text).append(text)
        elif self._sight.is_unseen:
            self._unseen.append(text)
        else:
            self._end_unseen()
            self._text.append(text)

    def _end_unseen(self) -> None:
        text = _SPACE.sub(" ", "".join(self._unseen)).strip()
        if text:
            self.elements.append(Element("text", text, mark="hidden"))
        self._unseen.clear()

    def end_skipped(self) -> None:
        """Keep a marked part as an element of its own."""
        text = "".join(self._skipped_text)
        if self._skip_mark and text.strip() and self._skipped not in _SKIPPED:
            self.elements.append(Element("text", _SPACE.sub(" ", text).strip(), mark=self._skip_mark))
        self._skipped = self._skip_mark = self._muted = ""
        self._skipped_text.clear()

    def end_block(self) -> None:
        """Give what was gathered since the last block as an element."""
        self._end_unseen()
        if self._grid is not None:
            self._table_depth = 1
            self._end_table()
        raw = "".join(self._text)
        text = raw.strip("\n") if self._kind == "code" else _lines(raw)
        if text.strip():
            mark = "- " if self._kind == "list_item" else ""
            self.elements.append(Element(self._kind, mark + text, level=self._level))
            self._kind, self._level = "text", 0
        elif self._kind not in ("list_item", "code"):
            self._kind, self._level = "text", 0
        self._text.clear()

    def _start_table(self) -> None:
        if self._grid is None:
            self.end_block()
            self._grid = Grid()
        self._table_depth += 1

    def _start_in_table(self, grid: Grid, tag: str, attrs: dict[str, str | None]) -> None:
        if self._table_depth == 1 and tag in ("tr", "td", "th"):
            self._end_cell()
            if tag == "tr":
                grid.start_row()
            else:
                self._cell = _span(attrs.get("colspan")), _span(attrs.get("rowspan"))
        elif tag in _BLOCKS or tag in _HEADINGS or tag in ("tr", "td", "th"):
            self._text.append(" ")

    def _end_cell(self) -> None:
        if self._grid is None or self._table_depth > 1:
            return
        text = _SPACE.sub(" ", "".join(self._text)).strip()
        if self._cell:
            self._grid.add(text, *self._cell)
        elif text:  # a caption, or text astray between cells
            self.elements.append(Element("text", text))
        self._cell = None
        self._text.clear()

    def _end_table(self) -> None:
        if self._table_depth > 1:
            self._table_depth -= 1
            return
        self._end_cell()
        rows = self._grid.finish() if self._grid else ()
        self._grid, self._table_depth = None, 0
        if rows and max(map(len, rows)) == 1:  # a table used for layout
            self.elements += [Element("text", row[0]) for row in rows]
        elif rows:
            self.elements.append(Element("table", "", rows=rows))


def _span(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 6 else 1


def _lines(text: str) -> str:
    """Fold white space; the line feeds left are the page's own <br>."""
    return "\n".join(filter(None, (_SPACE.sub(" ", line).strip() for line in text.split("\n"))))
