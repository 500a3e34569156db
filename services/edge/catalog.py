"""What the folder holds: collections, their shards' folders and the aliases, in one JSON file replaced atomically."""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from google.protobuf import json_format  # type: ignore[import-untyped]
from qdrant_client import grpc as pb

from moat.errors import Conflict, NotFound
from services.edge.refusal import EngineMismatch

FILE = "catalog.json"


@dataclass(frozen=True)
class Entry:
    """One collection: the folder of its shard and how its vectors were declared."""

    folder: str
    params: pb.CollectionParams


@dataclass(frozen=True)
class Catalog:
    """Every collection and alias; changes make a new one."""

    engine: str
    collections: dict[str, Entry] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def resolve(self, name: str) -> str:
        """Follow an alias to its collection; a collection's own name stays."""
        name = self.aliases.get(name, name)
        if name not in self.collections:
            raise missing(name)
        return name

    def with_collection(self, name: str, entry: Entry) -> "Catalog":
        """Add a collection under a name that nothing bears yet."""
        if name in self.collections or name in self.aliases:
            raise Conflict(f"Collection `{name}` already exists!")
        return replace(self, collections={**self.collections, name: entry})

    def without_collection(self, name: str) -> "Catalog":
        """Drop a collection and every alias that led to it."""
        return replace(
            self,
            collections={n: e for n, e in self.collections.items() if n != name},
            aliases={a: n for a, n in self.aliases.items() if n != name},
        )

    def with_alias(self, alias: str, name: str) -> "Catalog":
        """Point an alias, new or old, at a collection."""
        if name not in self.collections:
            raise missing(name)
        if alias in self.collections:
            raise Conflict(f"Collection `{alias}` already exists, so it cannot be an alias.")
        return replace(self, aliases={**self.aliases, alias: name})

    def without_alias(self, alias: str) -> "Catalog":
        """Forget an alias; one that is already gone is no error, as in Qdrant."""
        return replace(self, aliases={a: n for a, n in self.aliases.items() if a != alias})


def missing(name: str) -> NotFound:
    """Say that a collection does not exist, in Qdrant's own words, which its client's users match on."""
    return NotFound(f"Collection `{name}` doesn't exist!", "List the collections, or create it first.")


def load(folder: Path, engine: str) -> Catalog:
    """Read the folder's catalog; an empty folder gives an empty one. Raises EngineMismatch for another engine's."""
    path = folder / FILE
    if not path.exists():
        return Catalog(engine)
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        written_by = str(stored["engine"])
        if written_by != engine:
            raise EngineMismatch(f"{folder} was written by {written_by}; this is {engine}.")
        entries = {
            name: Entry(entry["folder"], json_format.ParseDict(entry["params"], pb.CollectionParams()))
            for name, entry in stored["collections"].items()
        }
        return Catalog(engine, entries, dict(stored["aliases"]))
    except (ValueError, KeyError, TypeError, AttributeError, json_format.ParseError) as unreadable:
        raise EngineMismatch(f"{path} cannot be read: {unreadable!r}.") from unreadable


def save(catalog: Catalog, folder: Path) -> None:
    """Replace the folder's catalog so that a crash at any moment leaves the old one or the new one."""
    stored = {
        "engine": catalog.engine,
        "collections": {
            name: {"folder": entry.folder, "params": json_format.MessageToDict(entry.params)}
            for name, entry in catalog.collections.items()
        },
        "aliases": catalog.aliases,
    }
    new = folder / f"{FILE}.new"
    with new.open("w", encoding="utf-8") as file:
        json.dump(stored, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / FILE)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
