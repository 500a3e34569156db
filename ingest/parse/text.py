"""Plain text: paragraphs, nothing guessed."""

from pathlib import Path

from ingest.parse.decode import decode, paragraphs
from moat.records import Element, ParsedDocument


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read paragraphs separated by blank lines."""
    return ParsedDocument(tuple(Element("text", block) for block in paragraphs(decode(path.read_bytes()))))
