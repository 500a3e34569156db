"""What must hold when a fault is over, whatever it was: nothing lost, nothing left, nothing counted twice."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingest.wire import load_canonical
from moat.database import Database
from moat.documents import LIVE_GENERATIONS, text_of
from moat.folder_blobs import FolderBlobs
from moat.generations import chunk_ids
from moat.jobs import QUEUES
from moat.records import TERMINAL_STATES, DocumentState
from moat.tables import CallRow, ChunkRow, Corpus, Document, Forgetting, Generation, Indexing, Outbox, Version
from moat.vectors import Vectors
from tests.fakes.patient import eventually

DRAINED_S = 30.0


@dataclass
class Expected:
    """What the outside knows: the uploads that were accepted, those deleted since, and the calls that were billed."""

    accepted: set[UUID] = field(default_factory=set)
    deleted: set[UUID] = field(default_factory=set)
    calls: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True)
class Stored:
    """Where it is looked up: the catalog, the vectors, the broker's queues, the blobs."""

    database: Database
    vectors: Vectors
    waiting: Callable[[str], int]
    blobs: Path


def is_drained(stored: Stored) -> bool:
    """Tell that nothing waits, nowhere: no task, no document, no deletion, no repair."""
    with stored.database.reading() as session:
        working = _count(session, Indexing, Indexing.state.not_in(TERMINAL_STATES))
        waiting = _count(session, Outbox) + _count(session, Forgetting)
        untidy = _count(session, Document, Document.untidy_since.is_not(None))
    return not working + waiting + untidy + sum(stored.waiting(queue) for queue in QUEUES)


def closing_check(stored: Stored, expected: Expected) -> None:
    """Assert the four conditions of a platform that is drained."""
    eventually(lambda: is_drained(stored), DRAINED_S)  # a sweep that was asked for this moment waits for its turn
    with stored.database.reading() as session:
        _each_accepted_upload_is_in_one_terminal_state(session, expected)
        _the_points_are_those_of_the_catalog(session, stored)
        _the_blobs_are_those_of_the_catalog(session, stored.blobs)
        _the_ledger_equals_the_calls(session, expected)


def _each_accepted_upload_is_in_one_terminal_state(session: Session, expected: Expected) -> None:
    documents = {document.id: document for document in session.scalars(select(Document))}
    assert {d.id for d in documents.values() if d.parent_id is None} == expected.accepted - expected.deleted
    assert {d.parent_id for d in documents.values()} <= {None, *documents}
    live = session.scalars(select(Generation).where(Generation.state.in_(LIVE_GENERATIONS))).all()
    serving = set(session.scalars(select(Corpus.serving_generation)))
    for document in documents.values():
        assert document.state in TERMINAL_STATES
        rows = session.scalars(
            select(Indexing).where(Indexing.document_id == document.id, Indexing.version == document.version)
        ).all()
        assert Counter(row.generation_id for row in rows) == Counter(
            generation.id for generation in live if generation.corpus_id == document.corpus_id
        )
        assert [row.state for row in rows if row.generation_id in serving] == [document.state]
        assert all(row.claimed_by is None and row.lease_until is None for row in rows)
        if document.state == DocumentState.READY:
            assert document.serving_version == document.version


def _the_points_are_those_of_the_catalog(session: Session, stored: Stored) -> None:
    live = session.scalars(select(Generation).where(Generation.state.in_(LIVE_GENERATIONS))).all()
    present = set(stored.vectors.collections())
    assert present <= {generation.collection for generation in live}
    for generation in live:
        points = list(stored.vectors.ids(generation.collection)) if generation.collection in present else []
        assert len(points) == len(set(points))
        assert set(points) == chunk_ids(session, generation.id)
        counts = select(ChunkRow.document_id, func.count()).where(ChunkRow.generation_id == generation.id)
        chunks = {row[0]: row[1] for row in session.execute(counts.group_by(ChunkRow.document_id))}
        ready = select(Document.id, Indexing.chunks).join(
            Indexing, (Indexing.document_id == Document.id) & (Indexing.version == Document.version)
        )
        ready = ready.where(Indexing.generation_id == generation.id, Indexing.state == DocumentState.READY)
        for document, number in session.execute(ready):
            assert chunks[document] == number > 0


def _the_blobs_are_those_of_the_catalog(session: Session, folder: Path) -> None:
    originals = {path.name for path in (folder / "originals").rglob("*") if path.is_file()}
    assert originals == set(session.scalars(select(Version.sha256)))
    ready = session.scalars(select(Indexing).where(Indexing.state == DocumentState.READY))
    blobs = FolderBlobs(folder)
    newest = {(d.id, d.version) for d in session.scalars(select(Document))}
    for indexing in ready:
        if (indexing.document_id, indexing.version) in newest:
            assert load_canonical(blobs.get(text_of(indexing))).text
    texts = {path.name for path in (folder / "texts").rglob("*") if path.is_file()}
    assert texts <= {text_of(indexing).partition("/")[2] for indexing in session.scalars(select(Indexing))}


def _the_ledger_equals_the_calls(session: Session, expected: Expected) -> None:
    calls = session.scalars(select(CallRow)).all()
    assert Counter(call.status for call in calls) == Counter(["ok"] * expected.calls)
    assert sum((call.cost_usd for call in calls), Decimal(0)) == expected.cost_usd


def _count(session: Session, table: type, *conditions: object) -> int:
    return session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0  # type: ignore[arg-type]
