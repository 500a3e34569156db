"""A sandbox's parser that does what a document's name says, and reads every other document for real."""

from pathlib import Path

from ingest import parse as parsers
from ingest.parse.options import Options
from moat.records import ParsedDocument
from tests.fakes.hostile_child import ACTS

preload = parsers.preload


def parse(path: Path, media_type: str, name: str, options: Options) -> ParsedDocument:
    act = ACTS.get(name.split("-")[0])
    if act is not None:
        act(path)
    return parsers.parse(path, media_type, name, options)
