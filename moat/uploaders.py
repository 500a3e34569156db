"""Who brought a version of a document, kept with it: what its indexing costs is charged to them, whoever runs it."""

from typing import Any
from uuid import UUID

from moat.records import Reader


def uploader(reader: Reader) -> dict[str, Any]:
    """Write down what budgets ask of an uploader; nothing of what they may read."""
    return {
        "user": reader.user,
        "key_id": None if reader.key_id is None else str(reader.key_id),
        "groups": sorted(reader.groups),
        "scopes": sorted(reader.scopes & {"admin"}),  # who may have any model asked
    }


def charged_reader(kept: dict[str, Any] | None, uploaded_by: str) -> Reader:
    """Give the uploader as the one that calls are charged to; a source's documents are charged to the source."""
    if kept is None:
        return Reader(None, uploaded_by)
    key_id = None if kept["key_id"] is None else UUID(kept["key_id"])
    return Reader(key_id, kept["user"], frozenset(kept["groups"]), frozenset(kept["scopes"]))
