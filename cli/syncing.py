"""Brings the documents under a prefix in line with a source: what is new, what changed, what is gone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cli.client import Client, CliError, JsonObject
from cli.files import LocalFile
from workers.sources.listing import Listing

MOST_DELETED = 0.2
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """What would make the corpus hold what the source holds."""

    add: tuple[LocalFile, ...]
    replace: tuple[LocalFile, ...]
    delete: tuple[JsonObject, ...]
    same: int
    present: int
    missing: tuple[str, ...]

    @property
    def deletes_much(self) -> bool:
        return len(self.delete) > self.present * MOST_DELETED

    def as_json(self) -> JsonObject:
        return {
            "add": [file.key for file in self.add],
            "replace": [file.key for file in self.replace],
            "delete": [document["key"] for document in self.delete],
            "same": self.same,
            "missing": list(self.missing),
        }


class Hashes:
    """Hashes of files, read again only when size or time of change differ."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], str]] = {}

    def get(self, path: Path) -> str:
        """Give a file's SHA-256."""
        stat = path.stat()
        mark = (stat.st_size, stat.st_mtime_ns)
        known = self._known.get(path)
        if known is None or known[0] != mark:
            with path.open("rb") as file:
                known = (mark, hashlib.file_digest(file, "sha256").hexdigest())
            self._known[path] = known
        return known[1]


def documents_under(client: Client, corpus: str, prefix: str) -> dict[str, JsonObject]:
    """List the corpus's documents under a prefix by key, without what came out of archives and mails."""
    found: dict[str, JsonObject] = {}
    params: dict[str, str | int] = {"limit": _PAGE}
    while True:
        page = client.get(f"/v1/corpora/{quote(corpus, safe='')}/documents", params)
        for document in page["items"]:
            if document["key"].startswith(prefix) and document["parent_id"] is None:
                found[document["key"]] = document
        if not page["next_cursor"]:
            return found
        params["cursor"] = page["next_cursor"]


def plan(listing: Listing, present: dict[str, JsonObject], hashes: Hashes, access: Sequence[str] | None = None) -> Plan:
    """Compare a source with what the corpus holds of it; a partial listing deletes nothing."""
    files = [LocalFile(item.path, item.key, item.size) for item in listing.items]
    add = tuple(file for file in files if file.key not in present)
    known = [file for file in files if file.key in present]
    replace = tuple(file for file in known if _differs(file, present[file.key], hashes, access))
    keys = {file.key for file in files}
    gone = () if listing.missing else tuple(document for key, document in present.items() if key not in keys)
    return Plan(add, replace, gone, len(known) - len(replace), len(present), listing.missing)


def _differs(file: LocalFile, document: JsonObject, hashes: Hashes, access: Sequence[str] | None) -> bool:
    if access is not None and set(access) != set(document["access"]):
        return True
    return bool(document["sha256"] != hashes.get(file.path)) or document["state"] in ("failed", "cancelled")


def delete_all(client: Client, documents: Sequence[JsonObject]) -> None:
    """Delete documents; one that is gone already is fine."""
    for document in documents:
        try:
            client.delete(f"/v1/documents/{document['id']}")
        except CliError as error:
            if error.problem_status != 404:
                raise
