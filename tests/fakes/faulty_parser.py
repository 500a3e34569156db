"""A sandbox's child that does what a document's name says, and reads every other document for real."""

from pathlib import Path

from ingest.parse import parse
from ingest.parse.options import Options
from ingest.sandbox_child import main
from moat.records import ParsedDocument
from tests.fakes.hostile_child import ACTS


def act_or_parse(path: Path, media_type: str, name: str, options: Options) -> ParsedDocument:
    act = ACTS.get(name.split("-")[0])
    if act is not None:
        act(path)
    return parse(path, media_type, name, options)


if __name__ == "__main__":
    main(act_or_parse)
