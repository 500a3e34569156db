"""What would make the catalog hold what a source holds, and what of it needs an admin."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from moat.source_settings import SourceSettings
from workers.sources.listing import Item, Listing

MOST_DELETED = 0.2
SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class Present:
    """A document that the source brought before."""

    id: UUID
    key: str
    corpus_id: UUID
    sha256: str
    access: frozenset[str]
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Granted:
    """A thing of the source, its content's hash, and who may read it."""

    item: Item
    sha256: str
    access: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps from what the catalog holds to what the source holds."""

    add: tuple[Granted, ...]
    replace: tuple[tuple[Present, Granted], ...]
    change: tuple[tuple[Present, Granted], ...]  # the same words; other readers or metadata
    hide: tuple[Present, ...]  # there, but nobody may read it any more
    delete: tuple[Present, ...]
    held: tuple[Present, ...]  # not deleted before an admin agrees
    unread: tuple[str, ...]  # keys that nobody may read: not indexed
    same: int

    def counts(self) -> dict[str, int]:
        return {
            "added": len(self.add),
            "replaced": len(self.replace),
            "changed": len(self.change),
            "deleted": len(self.delete),
            "held": len(self.held),
            "unread": len(self.unread),
            "same": self.same,
        }

    def as_json(self) -> dict[str, Any]:
        """Name what would be done, the first of each kind."""
        return {
            "counts": self.counts(),
            "add": [new.item.key for new in self.add[:SHOWN]],
            "replace": [old.key for old, _ in self.replace[:SHOWN]],
            "change": [old.key for old, _ in self.change[:SHOWN]],
            "delete": [old.key for old in (*self.delete, *self.held)[:SHOWN]],
            "unread": list(self.unread[:SHOWN]),
        }


def make_plan(
    listing: Listing,
    source: SourceSettings,
    corpus_id: UUID,
    present: Collection[Present],
    approved: Collection[UUID],
    alive: Callable[[], None],
) -> Plan:
    """Compare; a partial listing deletes nothing, and deleting over a fifth needs every one approved."""
    known = {old.key: old for old in present if old.corpus_id == corpus_id}
    add: list[Granted] = []
    replace: list[tuple[Present, Granted]] = []
    change: list[tuple[Present, Granted]] = []
    unread: list[str] = []
    kept: set[UUID] = set()
    for item in listing.items:
        alive()
        access = readers(item, source)
        if not access:
            unread.append(item.key)
            continue
        new = Granted(item, _sha256(item), access)
        old = known.get(item.key)
        if old is None:
            add.append(new)
            continue
        kept.add(old.id)
        if old.sha256 != new.sha256:
            replace.append((old, new))
        elif old.access != set(access) or (item.metadata and dict(old.metadata) != dict(item.metadata)):
            change.append((old, new))
    hide = tuple(known[key] for key in unread if key in known)
    gone = [] if listing.missing else [old for old in present if old.id not in kept]
    unapproved = [old for old in gone if old.id not in approved]
    held = unapproved if len(unapproved) > len(present) * MOST_DELETED else []
    waiting = {old.id for old in held}
    return Plan(
        tuple(add),
        tuple(replace),
        tuple(change),
        tuple(old for old in hide if old.access),
        tuple(old for old in gone if old.id not in waiting),
        tuple(held),
        tuple(unread),
        len(kept) - len(replace) - len(change),
    )


def readers(item: Item, source: SourceSettings) -> tuple[str, ...]:
    """Say who may read a thing: the source's own access, or Moat's groups for those that the thing states."""
    if not source.access_from:
        return source.access
    return tuple(sorted({ours for theirs in item.groups or () for ours in source.groups.get(theirs, ())}))


def _sha256(item: Item) -> str:
    with item.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
