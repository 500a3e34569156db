"""The audit log's chain: what an entry's hash is made of, and what is wrong with a row of entries."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

ORIGIN = "0" * 64
PRUNED = "audit.pruned"


@dataclass(frozen=True, slots=True)
class Entry:
    """One deed: who did what to which object, by ids alone, and the hash of the entry before."""

    seq: int
    at: datetime
    user: str
    key_id: UUID | None
    action: str
    object: str
    corpus_id: UUID | None
    details: Mapping[str, Any]
    previous: str

    def canonical(self) -> bytes:
        """Write the entry in the one form that is hashed: JSON with sorted names and no blanks, times in UTC."""
        return json.dumps(self.fields(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def hash(self) -> str:
        """Hash the canonical form with SHA-256."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def fields(self) -> dict[str, Any]:
        """Write the entry as plain JSON values."""
        return {
            "seq": self.seq,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "user": self.user,
            "key_id": None if self.key_id is None else str(self.key_id),
            "action": self.action,
            "object": self.object,
            "corpus_id": None if self.corpus_id is None else str(self.corpus_id),
            "details": dict(self.details),
            "previous": self.previous,
        }


@dataclass(frozen=True, slots=True)
class Anchor:
    """An entry's number and hash, as somebody wrote them down outside the catalog."""

    seq: int
    hash: str


@dataclass(slots=True)
class Verdict:
    """What a check of the whole log found."""

    entries: int = 0
    first: int | None = None
    last: Anchor | None = None
    problems: list[str] = field(default_factory=list)


def entry_of(fields: Mapping[str, Any]) -> tuple[Entry, str]:
    """Read an entry and its stated hash from JSON values; raises ValueError, KeyError or TypeError for others."""
    entry = Entry(
        seq=int(fields["seq"]),
        at=datetime.fromisoformat(fields["at"]),
        user=str(fields["user"]),
        key_id=None if fields["key_id"] is None else UUID(fields["key_id"]),
        action=str(fields["action"]),
        object=str(fields["object"]),
        corpus_id=None if fields["corpus_id"] is None else UUID(fields["corpus_id"]),
        details=dict(fields["details"]),
        previous=str(fields["previous"]),
    )
    return entry, str(fields["hash"])


def verify(entries: Iterable[tuple[Entry, str]], head: Anchor | None = None, anchors: Iterable[Anchor] = ()) -> Verdict:
    """Check entries, oldest first, each with its stated hash: none altered, removed, moved or cut off.

    `head` is what the log says its newest entry is; `anchors` are what was written down of it before.
    """
    verdict = Verdict()
    wanted = {anchor.seq: anchor.hash for anchor in anchors}
    pruned: Anchor | None = None
    start: Entry | None = None
    for entry, stated in entries:
        verdict.entries += 1
        _check_place(entry, verdict)
        if entry.hash() != stated:
            verdict.problems.append(f"Entry {entry.seq} was altered: its hash is not that of what it says.")
        if wanted.pop(entry.seq, stated) != stated:
            verdict.problems.append(f"Entry {entry.seq} is not the one of the anchor.")
        if entry.action == PRUNED:
            pruned = Anchor(int(entry.details["through_seq"]), str(entry.details["through_hash"]))
        start = start or entry
        verdict.last = Anchor(entry.seq, stated)
    if start is not None:
        verdict.first = start.seq
        _check_start(start, pruned, verdict)
    _check_end(head, wanted, pruned, verdict)
    return verdict


def _check_place(entry: Entry, verdict: Verdict) -> None:
    before = verdict.last
    if before is None:
        return
    if entry.seq <= before.seq:
        verdict.problems.append(f"Entry {entry.seq} stands after entry {before.seq}: the order was changed.")
    elif entry.seq != before.seq + 1:
        verdict.problems.append(f"Entries {before.seq + 1} to {entry.seq - 1} are missing.")
    elif entry.previous != before.hash:
        verdict.problems.append(f"Entry {entry.seq} does not follow the entry {before.seq} that stands before it.")


def _check_start(start: Entry, pruned: Anchor | None, verdict: Verdict) -> None:
    """The oldest entry is the first there ever was, or follows what the newest pruning says it removed."""
    allowed = Anchor(start.seq - 1, start.previous)
    if allowed not in (Anchor(0, ORIGIN), pruned):
        verdict.problems.append(f"Entries before {start.seq} are missing, and no entry says that they were pruned.")


def _check_end(head: Anchor | None, wanted: dict[int, str], pruned: Anchor | None, verdict: Verdict) -> None:
    last = verdict.last or Anchor(0, ORIGIN)
    if head is not None and head != last:
        verdict.problems.append(f"The log ends at entry {last.seq}, but its head is entry {head.seq}: the end was cut.")
    for seq, stated in wanted.items():
        if pruned == Anchor(seq, stated) or (pruned is not None and seq < pruned.seq):
            continue  # it was removed by retention, as the log itself says
        verdict.problems.append(f"Entry {seq} of the anchor is missing.")
