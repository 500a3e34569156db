"""What stands on a page, slide or sheet, as readers say that have nothing in common with Moat's own."""

import csv
import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime
from email.parser import BytesParser
from email.policy import default
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

PageReader = Callable[[int], str]
_TAG = re.compile(r"<[^>]*>")
_HTML_TABLE = re.compile(r"<table\b.*?</table>", re.IGNORECASE | re.DOTALL)
_HTML_CELL = re.compile(r"<t[dh]\b[^>]*>(.*?)(?=<t[dhr]\b|</tr|</table|</tbody|</thead)", re.IGNORECASE | re.DOTALL)
_LINK_TARGET = re.compile(r"\]\([^)\s]*\)")


def letters(text: str) -> str:
    """Give a text's letters and digits alone: no two readers agree on spaces, hyphens, ligatures and marks."""
    composed = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", composed) if c.isalnum())


def page_readers(path: Path) -> list[PageReader]:
    """Give functions from a page's number to its text, the quicker one first."""
    return [cache(reader(path)) for reader in _READERS[path.suffix.lower()]]


def readers_of(path: Path) -> list[PageReader]:
    """Give readers of a file with pages, or of the whole of one without; none where nobody else can read it."""
    suffix = path.suffix.lower()
    if suffix in _READERS:
        return page_readers(path)
    return [cache(reader(path)) for reader in _WHOLE.get(suffix, ())]


def _pypdf(path: Path) -> PageReader:
    from pypdf import PdfReader

    pages = PdfReader(path).pages
    return lambda number: pages[number - 1].extract_text()


def _pdfminer(path: Path) -> PageReader:
    from pdfminer.high_level import extract_text

    return lambda number: str(extract_text(path, page_numbers=[number - 1]))


def _slides(path: Path) -> PageReader:
    from pptx import Presentation

    slides = list(Presentation(str(path)).slides)
    return lambda number: "\n".join(_shape_texts(slides[number - 1].shapes))


def _shape_texts(shapes: Any) -> Iterator[str]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shape_texts(shape.shapes)
        elif shape.has_text_frame:
            yield shape.text_frame.text
        elif getattr(shape, "has_table", False):
            yield from (cell.text for row in shape.table.rows for cell in row.cells)


def _sheets(path: Path) -> PageReader:
    from openpyxl import load_workbook  # type: ignore[import-untyped]

    book = load_workbook(path, data_only=True)

    def read(number: int) -> str:
        """Give a sheet's name and its rows, a line each."""
        sheet = book.worksheets[number - 1]
        return "\n".join([sheet.title, *("\t".join(map(_cell, row)) for row in sheet.iter_rows(values_only=True))])

    return read


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else " ".join(str(value).split())


def _plain(path: Path) -> PageReader:
    text = path.read_text(encoding="utf-8", errors="replace").expandtabs()  # a tab is a cell's end in a sheet
    return lambda _: text


def _markdown(path: Path) -> PageReader:
    text = _LINK_TARGET.sub("]", path.read_text(encoding="utf-8", errors="replace").expandtabs())
    return lambda _: text


def _markdown_rows(path: Path) -> PageReader:
    """Give its tables alone, rows as a sheet's."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    text = "\n".join("\t".join(line.split("|")) for line in lines if line.startswith("|"))
    return lambda _: text


def _markdown_rows_told(path: Path) -> PageReader:
    """Give the rows of its HTML tables as one would read them out, each cell behind its column's head."""
    told = []
    for table in _HTML_TABLE.findall(path.read_text(encoding="utf-8", errors="replace")):
        rows = [[unescape(_TAG.sub(" ", cell)).strip() for cell in _HTML_CELL.findall(row)] for row in _rows(table)]
        told += ["; ".join(f"{name}: {cell}" for name, cell in zip(rows[0], row, strict=False)) for row in rows]
    text = "\n".join(told)
    return lambda _: text


def _rows(table: str) -> list[str]:
    return re.split(r"<tr\b", table, flags=re.IGNORECASE)[1:]


def _table(path: Path) -> PageReader:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        text = "\n".join("\t".join(map(_cell, row)) for row in csv.reader(file))
    return lambda _: text


def _mail(path: Path) -> PageReader:
    message = BytesParser(policy=default).parsebytes(path.read_bytes())
    body = message.get_body(("plain", "html"))
    said = str(body.get_content()) if body else ""
    if body and body.get_content_subtype() == "html":
        said = unescape(_TAG.sub(" ", said))
    return lambda _: f"{message['subject']}\n{said}".expandtabs()


def _word(path: Path) -> PageReader:
    from docx import Document

    document = Document(str(path))
    cells = (cell.text for table in document.tables for row in table.rows for cell in row.cells)
    text = "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])
    return lambda _: text


_WHOLE = {
    ".md": (_markdown, _markdown_rows, _markdown_rows_told),
    ".txt": (_plain,),
    ".csv": (_table,),
    ".eml": (_mail,),
    ".docx": (_word,),
}
_READERS = {".pdf": (_pypdf, _pdfminer), ".pptx": (_slides,), ".xlsx": (_sheets,)}
