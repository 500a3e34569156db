"""A large set into a running Moat at the pace it keeps, with what each tenth of it cost."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from benchmarks.ingest import say
from benchmarks.processes import Memory, ProcessTree
from benchmarks.server import send
from benchmarks.workload import Workload
from moat.records import TERMINAL_STATES

TENTHS = 10
FILES_A_CALL = 100
# So many wait at most: taking files in is spread over the whole run, as in a load that arrives while it is worked on.
WAITING_AT_MOST = 400
LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a run stood: how many documents were settled, the time, CPU seconds and memory by process."""

    at: datetime
    settled: int
    cpu_s: Mapping[str, float]
    memory: Mapping[str, Memory]


@dataclass(slots=True)
class Fed:
    """What came of feeding a set: a mark at the beginning and after each tenth, and the files that were refused."""

    marks: list[Mark]
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def wall_s(self) -> float:
        return (self.marks[-1].at - self.marks[0].at).total_seconds()


def feed(http: httpx.Client, corpus: str, workload: Workload, tree: ProcessTree, within_s: float) -> Fed:
    """Upload all files in bulk and wait until each is settled; raises TimeoutError when that takes too long."""
    http.post("/v1/corpora", json={"name": corpus}).raise_for_status()
    fed = Fed([_mark(tree, 0)])
    names: Sequence[str] = workload.names
    sent, deadline, told_at = 0, time.monotonic() + within_s, 0.0
    while True:
        counts = _counts(http, corpus)
        settled = sum(count for state, count in counts.items() if state in TERMINAL_STATES)
        waiting = sum(counts.values()) - settled
        if settled + len(fed.refused) >= len(names) * len(fed.marks) / TENTHS and len(fed.marks) < TENTHS:
            fed.marks.append(_mark(tree, settled))
        if sent == len(names) and not waiting:
            fed.marks.append(_mark(tree, settled))
            return fed
        if time.monotonic() > deadline:
            raise TimeoutError(f"{waiting} of {len(names)} documents are not settled after {within_s:.0f} s")
        if sent < len(names) and waiting + FILES_A_CALL <= WAITING_AT_MOST:
            batch = names[sent : sent + FILES_A_CALL]
            fed.refused |= send(http, corpus, workload.root, batch, priority="bulk")
            sent += len(batch)
        else:
            time.sleep(LOOK_EVERY_S)
        if time.monotonic() - told_at > 10:
            told_at = time.monotonic()
            _tell(settled, len(names), fed)


def _counts(http: httpx.Client, corpus: str) -> dict[str, int]:
    page = http.get(f"/v1/corpora/{corpus}/documents", params={"limit": "1"}).raise_for_status().json()
    counts: dict[str, int] = page["counts"]
    return counts


def _mark(tree: ProcessTree, settled: int) -> Mark:
    return Mark(datetime.now(UTC), settled, tree.cpu_by_name(), tree.memory_mb())


def _tell(settled: int, total: int, fed: Fed) -> None:
    passed = (datetime.now(UTC) - fed.marks[0].at).total_seconds()
    say(f"{settled:,} of {total:,} settled after {passed:.0f} s")


def as_json(mark: Mark) -> dict[str, Any]:
    """Write a mark as JSON."""
    memory = {name: {"pss": m.pss, "rss": m.rss} for name, m in mark.memory.items()}
    return {"at": mark.at.isoformat(), "settled": mark.settled, "cpu_s": dict(mark.cpu_s), "memory_mb": memory}
