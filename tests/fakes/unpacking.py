"""Unpacks in this process: the files are a test's own, so no child is needed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ingest.members import Members, read_members
from ingest.parse.members import UnpackLimits, unpack


@contextmanager
def unpack_here(path: Path, media_type: str, name: str, limits: UnpackLimits) -> Iterator[Members]:
    """Unpack into a folder that goes at the end, as a sandbox does."""
    with TemporaryDirectory() as folder:
        found = unpack(path, media_type, name, Path(folder), limits)
        yield read_members(json.dumps(found.to_wire()).encode(), Path(folder), limits)
