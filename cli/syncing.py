"""Brings the documents under a prefix in line with a source: what is new, what changed, what is gone."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cli.client import Client, CliError, JsonObject
from cli.files import LocalFile
from moat.errors import InvalidRequest

MOST_DELETED = 0.2
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds; with `missing` it is only a part, and says nothing about what is gone."""

    files: tuple[LocalFile, ...]
    missing: tuple[str, ...] = ()


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


def list_folder(folder: Path, prefix: str) -> Listing:
    """List a folder's files, with keys under the prefix; hidden ones are skipped."""
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder.", "Check the path; it is relative to where you are.")
    missing: list[str] = []
    files: list[LocalFile] = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: missing.append(str(error))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(parent, name)
            try:
                if path.is_file() and os.access(path, os.R_OK):
                    files.append(LocalFile(path, _key(path, folder, prefix), path.stat().st_size))
                elif not path.exists() or path.is_file():  # a broken link, or one that may not be read
                    missing.append(f"{path} cannot be read")
            except OSError as error:
                missing.append(str(error))
    return Listing(tuple(files), tuple(missing))


def _key(path: Path, folder: Path, prefix: str) -> str:
    return prefix + os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")


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


def plan(listing: Listing, present: dict[str, JsonObject], hashes: Hashes) -> Plan:
    """Compare a source with what the corpus holds of it; a partial listing deletes nothing."""
    add = tuple(file for file in listing.files if file.key not in present)
    known = [file for file in listing.files if file.key in present]
    replace = tuple(file for file in known if _differs(file, present[file.key], hashes))
    keys = {file.key for file in listing.files}
    gone = () if listing.missing else tuple(document for key, document in present.items() if key not in keys)
    return Plan(add, replace, gone, len(known) - len(replace), len(present), listing.missing)


def _differs(file: LocalFile, document: JsonObject, hashes: Hashes) -> bool:
    return bool(document["sha256"] != hashes.get(file.path)) or document["state"] in ("failed", "cancelled")


def delete_all(client: Client, documents: Sequence[JsonObject]) -> None:
    """Delete documents; one that is gone already is fine."""
    for document in documents:
        try:
            client.delete(f"/v1/documents/{document['id']}")
        except CliError as error:
            if error.problem_status != 404:
                raise
