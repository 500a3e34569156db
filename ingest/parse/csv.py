"""Comma, semicolon, tab or bar separated values as one table."""

import csv
import io
from pathlib import Path

from ingest.parse.decode import decode
from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument

_DELIMITERS = ",;\t|"
_LARGEST_FIELD = 10_000_000


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read one table; the first row is taken as its header. A single column is read as lines of text."""
    text = decode(path.read_bytes())
    csv.field_size_limit(_LARGEST_FIELD)
    delimiter = _delimiter(text)
    try:
        read = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = tuple(tuple(cell.strip() for cell in row) for row in read if any(cell.strip() for cell in row))
    except csv.Error as error:
        raise ParsingFailed(f"{name!r} is not a readable table: {error}.", "Export it as CSV again.") from error
    if rows and max(map(len, rows)) == 1:
        return ParsedDocument(tuple(Element("text", row[0]) for row in rows))
    return ParsedDocument((Element("table", "", rows=rows),) if rows else ())


def _delimiter(text: str) -> str:
    """Choose the mark that cuts the first records into the most even and numerous fields."""
    sample = text[:20_000]
    if len(text) > len(sample):
        sample = sample.rpartition("\n")[0] or sample
    scores = {}
    for mark in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(sample, newline=""), delimiter=mark) if row][:50]
        except csv.Error:
            continue
        most = max(set(widths), key=widths.count) if widths else 1
        scores[mark] = (widths.count(most) / len(widths) * (most > 1), most) if widths else (0.0, 0)
    return max(scores, key=lambda mark: scores[mark]) if scores else ","
