"""The order of the stages, and the fingerprint of what they would make."""

import hashlib
from dataclasses import dataclass
from typing import Any

from ingest import instructions
from ingest.chunk import chunk
from ingest.clean import to_canonical
from ingest.cleaning import clean_elements
from ingest.embed import embed
from ingest.likeness import language_of
from ingest.redact import mask, redact
from ingest.wire import dump_canonical, dump_parsed, load_canonical, load_parsed
from moat.embedder import Embedder
from moat.errors import ParsingFailed
from moat.pipeline_settings import PipelineSettings
from moat.records import CanonicalText, Chunk, ParsedDocument
from moat.sparse import name_words

__all__ = [
    "PARSER_VERSION",
    "VERSION",
    "Prepared",
    "dump_canonical",
    "dump_parsed",
    "embed",
    "fingerprint",
    "load_canonical",
    "load_parsed",
    "prepare",
    "redact",
    "stored_as",
]

# Raise it when cleaning, chunking or the sparse text changes, so that an index built before is known to differ.
VERSION = 5
# Raise it when a parser finds other elements than before: what was parsed earlier is then parsed again.
PARSER_VERSION = "6"
# Raise it when redaction finds other things: masked elements are then made again where the original is kept.
REDACTION_VERSION = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a document is before it has vectors."""

    canonical: CanonicalText
    chunks: tuple[Chunk, ...]
    about: str  # the document's title and its file's name as words: what its chunks are found by as well
    language: str  # by ISO 639-1; empty where it cannot be told
    report: dict[str, Any]  # JSON: how often each rule did something, and what the parser warns of


def prepare(parsed: ParsedDocument, name: str, settings: PipelineSettings, embedder: Embedder) -> Prepared:
    """Clean, mask and chunk; raises `ParsingFailed` when nothing is left to index."""
    cleaned, counts = clean_elements(parsed, settings.cleaning)
    masked = redact(cleaned, settings.redaction)  # again: a word joined at a line's end may have become an address
    shown_name, in_name = mask(name, settings.redaction)
    canonical, blocks = to_canonical(masked, shown_name)
    report = {
        "cleaning": dict(sorted(counts.items())),
        "redactions": dict(masked.masked),
        "warnings": [*masked.warnings, *(_name_warning(kind) for kind in in_name), *_unscanned(canonical)],
        "instructions": instructions.report(parsed, canonical),
    }
    chunks = tuple(chunk(canonical, blocks, embedder, settings.chunk_tokens))
    if not chunks:
        raise ParsingFailed(f"No readable text was found in {name!r}.", "Check the document and send it again.")
    about = "\n".join((canonical.title, name_words(shown_name)))
    return Prepared(canonical, chunks, about, language_of(canonical.text), report)


def stored_as(settings: PipelineSettings) -> str:
    """Name the form in which parsed elements are stored: by the parser's version and by what was masked in them."""
    if settings.redaction.mode == "off":
        return PARSER_VERSION
    types = ",".join(sorted(settings.redaction.types))
    return f"{PARSER_VERSION}-{hashlib.sha256(f'{REDACTION_VERSION}:{types}'.encode()).hexdigest()[:12]}"


def _name_warning(kind: str) -> str:
    return f"The file's name seems to hold personal data ({kind}): names and keys are not masked."


def _unscanned(canonical: CanonicalText) -> list[str]:
    limit = instructions.SCANNED_CHARS
    if len(canonical.text) <= limit:
        return []
    return [f"Only the first {limit:,} characters were looked through for instructions to a model."]


def fingerprint(settings: PipelineSettings) -> str:
    """Name what a pipeline makes: the same fingerprint, the same chunks and vectors."""
    return hashlib.sha256(f"{VERSION}:{settings.model_dump_json()}".encode()).hexdigest()[:16]
