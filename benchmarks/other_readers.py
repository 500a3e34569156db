"""What stands on a page, slide or sheet, as readers say that have nothing in common with Moat's own."""

import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

PageReader = Callable[[int], str]


def letters(text: str) -> str:
    """Give a text's letters and digits alone: no two readers agree on spaces, hyphens, ligatures and marks."""
    composed = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", composed) if c.isalnum())


def page_readers(path: Path) -> list[PageReader]:
    """Give functions from a page's number to its text, the quicker one first."""
    return [cache(reader(path)) for reader in _READERS[path.suffix.lower()]]


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


_READERS = {".pdf": (_pypdf, _pdfminer), ".pptx": (_slides,), ".xlsx": (_sheets,)}
