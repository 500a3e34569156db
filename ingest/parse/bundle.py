"""An archive as a document: the list of what it holds; the members themselves become documents of their own."""

from pathlib import Path

from ingest.parse.archive import check_expansion
from ingest.parse.members import archive_members
from moat.records import Element, ParsedDocument


def parse(path: Path, media_type: str, name: str, max_expansion: int) -> ParsedDocument:
    """List the members' paths, one element each."""
    check_expansion(path, name, max_expansion)
    listed = archive_members(path, name)
    elements = tuple(Element("list_item", member) for member in listed)
    return ParsedDocument(elements, members=len(listed))
