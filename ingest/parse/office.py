"""Word, PowerPoint and Excel through unstructured; its only owner."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest.parse import light_nlp
from ingest.parse.hidden_office import visible_excel, visible_word
from ingest.parse.hidden_slides import visible_slides
from ingest.parse.html import read
from ingest.parse.word import flattened
from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument

_NUMBERED = re.compile(r"(\d{1,3}|[A-Za-z]{1,4})[.)]\s")  # Word's own numbering, which unstructured writes out
_BREAK, _PATH = re.compile(r"\\[nrt]"), re.compile(r":\\|^\\|\\[^nrt]")
_TEMPLATE_TITLES = {"", "powerpoint presentation", "word document", "untitled"}


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read paragraphs, headings, lists and tables; `page` is the slide or the sheet."""
    light_nlp.install()
    from unstructured.errors import UnprocessableEntityError

    kind = media_type.rsplit(".", 2)[-2]
    try:
        # No language detection: it costs more than the parsing and nothing here asks for it.
        copy, hidden = _visible(path, kind)
        source = {"file": copy} if copy else {"filename": str(path)}
        found = _PARTITIONERS[kind]()(**source, languages=[""])
    except UnprocessableEntityError as error:
        raise ParsingFailed(f"{name!r} cannot be read: {error}", "Save it again with its program.") from error
    elements = (*_SHAPES[kind](found), *hidden)
    pages = max((element.page or 0 for element in elements), default=0) or None
    return ParsedDocument(elements, _title(path), pages)


def _visible(path: Path, kind: str) -> tuple[io.BytesIO | None, list[Element]]:
    """Give a copy without what is hidden, and with all the rest in the flow, where the file itself will not do."""
    if kind == "spreadsheetml":
        return visible_excel(path)
    if kind == "presentationml":
        return visible_slides(path)
    flat = flattened(path)
    copy, hidden = visible_word(flat or path)
    if copy is None and flat is not None:
        flat.seek(0)
    return copy or flat, hidden


def _word() -> Callable[..., list[Any]]:
    from unstructured.partition.docx import partition_docx

    return partition_docx


def _powerpoint() -> Callable[..., list[Any]]:
    from unstructured.partition.pptx import partition_pptx

    return partition_pptx


def _excel() -> Callable[..., list[Any]]:
    from unstructured.partition.xlsx import partition_xlsx

    return partition_xlsx


def _document(found: list[Any]) -> Iterator[Element]:
    for part in found:
        page = part.metadata.page_number
        if part.category in ("Header", "Footer", "PageBreak", "Image"):
            continue
        if part.category == "Table":
            yield from _table(part, page)
        elif part.category == "Title":
            yield Element("heading", part.text, page, (part.metadata.category_depth or 0) + 1)
        else:
            yield _text(part, page)


def _slides(found: list[Any]) -> Iterator[Element]:
    for part in found:
        page = part.metadata.page_number
        if part.category in ("PageBreak", "Image"):
            continue
        if part.category == "Table":
            yield from _table(part, page)
        elif part.category == "Title" and not part.metadata.category_depth:
            yield Element("heading", " ".join(part.text.split()), page, 1)
        else:  # a short line that unstructured takes for a title is only a short line
            yield _text(part, page)


def _sheets(found: list[Any]) -> Iterator[Element]:
    sheet = 0
    for part in found:
        page = part.metadata.page_number
        if page != sheet:
            sheet = page
            yield Element("heading", part.metadata.page_name or f"Sheet {page}", page, 1)
        if part.category == "Table":
            yield from map(_unescaped, _table(part, page))
        else:
            yield _text(part, page)


def _unescaped(element: Element) -> Element:
    r"""Take the line breaks within cells, which come as `\n`, for blanks; a path's `C:\new` stays."""
    rows = tuple(tuple(_BREAK.sub(" ", c) if not _PATH.search(c) else c for c in row) for row in element.rows)
    text = element.text if _PATH.search(element.text) else _BREAK.sub(" ", element.text)
    return replace(element, text=text, rows=rows)


def _text(part: Any, page: int | None) -> Element:
    if part.category == "ListItem":
        text = part.text if _NUMBERED.match(part.text) else f"- {part.text}"
        return Element("list_item", text, page)
    return Element("text", part.text, page)


def _table(part: Any, page: int | None) -> Iterator[Element]:
    """Take the rows from the table's HTML; a table of one column comes back as lines of text."""
    if not part.metadata.text_as_html:  # unstructured gave up on its grid
        yield Element("text", part.text, page)
        return
    for element in read(part.metadata.text_as_html).elements:
        yield Element(element.kind, element.text, page, rows=element.rows)


def _title(path: Path) -> str:
    """Read the title from the file's properties, where somebody wrote one."""
    import zipfile

    from lxml import etree  # type: ignore[import-untyped]

    try:
        with zipfile.ZipFile(path) as archive:
            core = archive.read("docProps/core.xml")
        root = etree.fromstring(core, etree.XMLParser(resolve_entities=False, no_network=True))
    except (KeyError, zipfile.BadZipFile, etree.XMLSyntaxError):
        return ""
    title = str(root.findtext("{http://purl.org/dc/elements/1.1/}title") or "").strip()
    return "" if title.lower() in _TEMPLATE_TITLES else title


_PARTITIONERS = {"wordprocessingml": _word, "presentationml": _powerpoint, "spreadsheetml": _excel}
_SHAPES = {"wordprocessingml": _document, "presentationml": _slides, "spreadsheetml": _sheets}
