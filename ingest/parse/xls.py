"""Excel files of before 2007: each sheet's name as a heading, then its rows."""

from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path
from typing import Any

from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read every sheet that shows; blank rows part one table from the next, `page` is the sheet."""
    import xlrd

    try:
        with path.open("rb") as file, xlrd.open_workbook(file_contents=file.read(), logfile=_Quiet()) as book:
            elements = tuple(_elements(book))
            pages = book.nsheets
    except (xlrd.XLRDError, xlrd.compdoc.CompDocError) as error:
        raise ParsingFailed(f"{name!r} cannot be read: {error}.", "Save it as xlsx and send the new file.") from error
    except (AssertionError, LookupError, ValueError, TypeError, UnicodeError) as error:
        raise ParsingFailed(f"{name!r} is damaged.", "Open it with its program and save it as xlsx.") from error
    return ParsedDocument(elements, pages=pages)


class _Quiet:
    def write(self, text: str) -> None:
        """Drop xlrd's remarks about the file."""


def _elements(book: Any) -> Iterator[Element]:
    for number, sheet in enumerate(book.sheets(), 1):
        if sheet.visibility:
            continue
        tables = list(_tables(tuple(_text(cell, book.datemode) for cell in sheet.row(i)) for i in range(sheet.nrows)))
        if tables:
            yield Element("heading", sheet.name, number, 1)
        for rows in tables:
            if max(map(len, rows)) == 1:
                yield from (Element("text", row[0], number) for row in rows)
            else:
                yield Element("table", "", number, rows=rows)


def _tables(rows: Iterator[tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Cut at blank rows, and cut off the columns that are empty in a whole table."""
    table: list[tuple[str, ...]] = []
    for row in (*rows, ()):
        if any(row):
            table.append(row)
        elif table:
            used = [i for i in range(max(map(len, table))) if any(len(line) > i and line[i] for line in table)]
            yield tuple(tuple(line[i] if i < len(line) else "" for i in used) for line in table)
            table = []


def _text(cell: Any, datemode: int) -> str:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_NUMBER:
        return str(int(cell.value)) if cell.value == int(cell.value) else str(cell.value)
    if cell.ctype == xlrd.XL_CELL_DATE:
        return _date(xlrd.xldate_as_datetime(cell.value, datemode))
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return "TRUE" if cell.value else "FALSE"
    return str(cell.value).strip() if cell.ctype == xlrd.XL_CELL_TEXT else ""


def _date(value: datetime) -> str:
    return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
