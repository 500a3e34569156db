from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.parse import parse
from moat.media import sniff
from moat.records import ParsedDocument

Read = Callable[[bytes | str, str], ParsedDocument]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Parse content under a file name, its type found as an upload's is."""

    def read_it(content: bytes | str, name: str) -> ParsedDocument:
        path = tmp_path / "upload"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return parse(path, sniff(path.read_bytes()[:8192], path, name), name)

    return read_it
