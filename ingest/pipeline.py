"""The order of the stages, and the fingerprint of what they would make."""

import hashlib
from dataclasses import dataclass

from ingest.chunk import chunk
from ingest.clean import to_canonical
from ingest.embed import embed
from ingest.wire import dump_canonical, dump_parsed, load_canonical, load_parsed
from moat.embedder import Embedder
from moat.errors import ParsingFailed
from moat.records import CanonicalText, Chunk, ParsedDocument
from moat.settings import PipelineSettings

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
]

# Raise it when cleaning, chunking or the sparse text changes, so that an index built before is known to differ.
VERSION = 1
# Raise it when a parser finds other elements than before: what was parsed earlier is then parsed again.
PARSER_VERSION = "2"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a document is before it has vectors."""

    canonical: CanonicalText
    chunks: tuple[Chunk, ...]


def prepare(parsed: ParsedDocument, name: str, settings: PipelineSettings, embedder: Embedder) -> Prepared:
    """Clean and chunk; raises `ParsingFailed` when nothing is left to index."""
    canonical, blocks = to_canonical(parsed, name)
    chunks = tuple(chunk(canonical, blocks, embedder, settings.chunk_tokens))
    if not chunks:
        raise ParsingFailed(f"No readable text was found in {name!r}.", "Check the document and send it again.")
    return Prepared(canonical, chunks)


def fingerprint(settings: PipelineSettings) -> str:
    """Name what a pipeline makes: the same fingerprint, the same chunks and vectors."""
    return hashlib.sha256(f"{VERSION}:{settings.model_dump_json()}".encode()).hexdigest()[:16]
