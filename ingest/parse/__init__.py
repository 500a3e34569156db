"""From a file to its elements: one module a family of formats, imported when the first such file comes."""

from importlib import import_module
from pathlib import Path

from moat.errors import ParsingFailed
from moat.media import SUPPORTED
from moat.records import ParsedDocument

__all__ = ["SUPPORTED", "parse"]


def parse(path: Path, media_type: str, name: str, max_expansion: int = 200) -> ParsedDocument:
    """Read the file's elements in reading order; raises `ParsingFailed` when it has none or cannot be read."""
    if media_type not in SUPPORTED:
        raise ParsingFailed(f"There is no parser for {media_type}.", f"Moat reads {', '.join(SUPPORTED)}.")
    if path.stat().st_size == 0:
        raise ParsingFailed(f"{name!r} is empty.", "Check that the file was saved, then send it again.")
    family = SUPPORTED[media_type]
    if family == "bundle":
        from ingest.parse import bundle

        return _with_text(bundle.parse(path, media_type, name, max_expansion), name)
    if family == "office":
        from ingest.parse.archive import check_expansion

        check_expansion(path, name, max_expansion)
    return _with_text(import_module(f"ingest.parse.{family}").parse(path, media_type, name), name)


def _with_text(parsed: ParsedDocument, name: str) -> ParsedDocument:
    if not any(element.text.strip() or element.rows for element in parsed.elements):
        raise ParsingFailed(
            f"No text was found in {name!r}.",
            "If the text is in pictures, it cannot be read yet; save the document with real text.",
        )
    return parsed
