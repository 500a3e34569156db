"""OpenDocument sheets and slides: `page` is the sheet or the slide."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument

_SPACE = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
_TABLE, _TEXT, _DRAW = (_SPACE % name for name in ("table", "text", "drawing"))
_PRESENTATION, _OFFICE = _SPACE % "presentation", _SPACE % "office"
_DC = "{http://purl.org/dc/elements/1.1/}"
_MOST_COLUMNS = 1000
_MOST_REPEATS = 1000


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read headings, lists and tables of every sheet or slide that shows."""
    from lxml import etree  # type: ignore[import-untyped]

    safe = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        with zipfile.ZipFile(path) as archive:
            root = etree.fromstring(archive.read("content.xml"), safe)
            meta = etree.fromstring(archive.read("meta.xml"), safe) if "meta.xml" in archive.namelist() else None
    except (KeyError, zipfile.BadZipFile, etree.XMLSyntaxError) as error:
        raise ParsingFailed(f"{name!r} is damaged.", "Open it with its program and save it again.") from error
    is_sheets = media_type.endswith("spreadsheet")
    pages = [page for page in root.iter(f"{_TABLE}table" if is_sheets else f"{_DRAW}page") if _is_page(page)]
    hidden = _hidden_styles(root)
    elements: list[Element] = []
    for number, page in enumerate(pages, 1):
        if page.get(f"{_TABLE if is_sheets else _DRAW}style-name") not in hidden:
            elements += _sheet(page, number) if is_sheets else _slide(page, number)
    title = str(meta.findtext(f".//{_DC}title") or "").strip() if meta is not None else ""
    return ParsedDocument(tuple(elements), title, len(pages))


def _is_page(page: Any) -> bool:
    return page.getparent().tag in (f"{_OFFICE}spreadsheet", f"{_OFFICE}presentation")


def _hidden_styles(root: Any) -> set[str]:
    styles = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
    hidden = set()
    for style in root.iter(f"{styles}style"):
        marks = [(part.get(f"{_TABLE}display"), part.get(f"{_PRESENTATION}visibility")) for part in style]
        if any(display == "false" or visibility == "hidden" for display, visibility in marks):
            hidden.add(style.get(f"{styles}name"))
    return hidden


def _sheet(sheet: Any, number: int) -> Iterator[Element]:
    rows = _rows(sheet)
    if rows:
        yield Element("heading", sheet.get(f"{_TABLE}name") or f"Sheet {number}", number, 1)
        yield from _as_elements(rows, number)
    for frame in sheet.iterfind(f".//{_DRAW}frame"):
        yield from _blocks(frame, number)


def _slide(slide: Any, number: int) -> Iterator[Element]:
    for shape in slide:
        if shape.tag == f"{_PRESENTATION}notes":
            yield from _blocks(shape, number)
        elif shape.get(f"{_PRESENTATION}class") == "title":
            text = " ".join(filter(None, map(_plain, shape.iter(f"{_TEXT}p", f"{_TEXT}h"))))
            if text:
                yield Element("heading", text, number, 1)
        elif shape.tag.startswith(_DRAW):
            yield from _blocks(shape, number)


def _blocks(place: Any, number: int) -> Iterator[Element]:
    """Give paragraphs, list items and tables in order; what stands in a table is its table's alone."""
    for part in place:
        if part.tag == f"{_TABLE}table":
            yield from _as_elements(_rows(part), number)
        elif part.tag in (f"{_TEXT}p", f"{_TEXT}h"):
            if text := _plain(part):
                in_list = any(True for _ in part.iterancestors(f"{_TEXT}list-item"))
                yield Element("list_item", f"- {text}", number) if in_list else Element("text", text, number)
        elif isinstance(part.tag, str):
            yield from _blocks(part, number)


def _rows(table: Any) -> tuple[tuple[str, ...], ...]:
    rows = []
    for row in table.iter(f"{_TABLE}table-row"):
        cells: list[str] = []
        for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
            text = " ".join(filter(None, map(_plain, cell.iter(f"{_TEXT}p", f"{_TEXT}h"))))
            times = int(cell.get(f"{_TABLE}number-columns-repeated") or 1)
            cells += [text] * min(times, _MOST_COLUMNS - len(cells))
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            times = int(row.get(f"{_TABLE}number-rows-repeated") or 1)
            rows += [tuple(cells)] * min(times, _MOST_REPEATS)
    width = max(map(len, rows), default=0)
    return tuple(row + ("",) * (width - len(row)) for row in rows)


def _as_elements(rows: tuple[tuple[str, ...], ...], number: int) -> Iterator[Element]:
    if rows and len(rows[0]) == 1:
        yield from (Element("text", row[0], number) for row in rows)
    elif rows:
        yield Element("table", "", number, rows=rows)


def _plain(paragraph: Any) -> str:
    """Write tabs, line breaks and runs of spaces, which are elements there, as what they are."""
    parts = [paragraph.text or ""]
    for part in paragraph.iterdescendants():
        if part.tag in (f"{_TEXT}tab", f"{_TEXT}s", f"{_TEXT}line-break"):
            parts.append(" ")
        parts += [part.text or "", part.tail or ""]
    return " ".join("".join(parts).split())
