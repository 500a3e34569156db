"""From a file to its elements: one module a family of formats, imported when such a file comes, or all beforehand."""

from contextlib import suppress
from importlib import import_module
from pathlib import Path

from ingest.parse import light_nlp
from ingest.parse.options import Options
from moat.errors import ParsingFailed
from moat.media import FORMATS, SUPPORTED
from moat.records import ParsedDocument

__all__ = ["SUPPORTED", "Options", "parse", "preload"]

_DEFAULTS = Options()
_WITH_PICTURES = ("pdf", "picture")
# Families, and types of other families, that are archives.
_PACKED = ("office", "odf", "application/vnd.oasis.opendocument.text", "application/epub+zip")
# What families import when a file needs it.
_LATER = (
    *("ingest.parse.archive", "ingest.parse.members", "ingest.wire"),
    *("charset_normalizer", "lxml.etree", "oxmsg", "xlrd"),
    *("unstructured.partition.docx", "unstructured.partition.pptx", "unstructured.partition.xlsx"),
)


def preload() -> None:
    """Import every parser, for the processes that will be forked from this one."""
    light_nlp.install()
    for module in (*(f"ingest.parse.{family}" for family in sorted(set(SUPPORTED.values()))), *_LATER):
        with suppress(ImportError):  # a file that needs it says so
            import_module(module)


def parse(path: Path, media_type: str, name: str, options: Options = _DEFAULTS) -> ParsedDocument:
    """Read the file's elements in reading order; raises `ParsingFailed` when it has none or cannot be read."""
    if media_type not in SUPPORTED:
        raise ParsingFailed(f"There is no parser for {media_type}.", f"Moat reads {FORMATS}.")
    if path.stat().st_size == 0:
        raise ParsingFailed(f"{name!r} is empty.", "Check that the file was saved, then send it again.")
    family = SUPPORTED[media_type]
    if family == "bundle":
        from ingest.parse import bundle

        return _with_text(bundle.parse(path, media_type, name, options.max_expansion), name)
    if family in _PACKED or media_type in _PACKED:
        from ingest.parse.archive import check_expansion

        check_expansion(path, name, options.max_expansion)
    read = import_module(f"ingest.parse.{family}").parse
    more = (options,) if family in _WITH_PICTURES else ()
    return _with_text(read(path, media_type, name, *more), name)


def _with_text(parsed: ParsedDocument, name: str) -> ParsedDocument:
    if not any(element.text.strip() or element.rows for element in parsed.elements):
        raise ParsingFailed(
            f"No text was found in {name!r}.",
            "If its text is in pictures, save it as PDF or send the pictures: those are read through OCR.",
        )
    return parsed
