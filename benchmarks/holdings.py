"""What a Moat holds after a run, read from its home: states and failures, copies, blobs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from moat.database import Database
from moat.records import DocumentState
from moat.settings import Settings
from moat.tables import Corpus, Document, Indexing, Version


@dataclass(frozen=True, slots=True)
class Held:
    """One document's newest version as the catalog has it; `embedded` counts the chunks that the embedder saw."""

    key: str
    state: str
    error: str
    content: str
    chunks: int
    embedded: int
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Copies:
    """Documents whose content an earlier one had, and what was kept and done for them."""

    documents: int
    contents: int
    copies: int
    chunks: int
    chunks_of_copies: int
    embedded_for_copies: int


def held(home: Path, corpus: str) -> list[Held]:
    """List a corpus's documents in the order they were done."""
    database = Database.from_settings(Settings.load({}, home=home))
    try:
        with database.reading() as session:
            rows = session.execute(
                select(Document, Version, Indexing)
                .join(Corpus, Corpus.id == Document.corpus_id)
                .join(Version, (Version.document_id == Document.id) & (Version.number == Document.version))
                .join(Indexing, (Indexing.document_id == Document.id) & (Indexing.version == Document.version))
                .where(Corpus.name == corpus)
                .order_by(Indexing.finished_at)
            ).all()
    finally:
        database.close()
    return [
        Held(
            key=document.key,
            state=str(document.state),
            error=indexing.error or "",
            content=version.sha256,
            chunks=indexing.chunks,
            embedded=int((indexing.report or {}).get("embedded", 0)),
            finished_at=indexing.finished_at,
        )
        for document, version, indexing in rows
    ]


def copies(documents: Sequence[Held]) -> Copies:
    """Tell what was made for those that only repeat another's bytes, of the ones that became ready."""
    ready = [document for document in documents if document.state == DocumentState.READY.value]
    seen: set[str] = set()
    again: list[Held] = []
    for document in ready:
        if document.content in seen:
            again.append(document)
        seen.add(document.content)
    return Copies(
        documents=len(ready),
        contents=len(seen),
        copies=len(again),
        chunks=sum(document.chunks for document in ready),
        chunks_of_copies=sum(document.chunks for document in again),
        embedded_for_copies=sum(document.embedded for document in again),
    )


def blobs(home: Path) -> dict[str, tuple[int, int]]:
    """Count the blobs of each kind, and their bytes."""
    number: Counter[str] = Counter()
    size: Counter[str] = Counter()
    folder = home / "blobs"
    for path in folder.rglob("*"):
        if path.is_file():
            kind = path.relative_to(folder).parts[0]
            number[kind] += 1
            size[kind] += path.stat().st_size
    return {kind: (number[kind], size[kind]) for kind in sorted(number)}


def failures(documents: Sequence[Held], refused: Mapping[str, str]) -> dict[str, str]:
    """Give the reason of every document that is not ready, and of every file that was refused, by key."""
    unready = {d.key: f"{d.state}: {d.error}" for d in documents if d.state != DocumentState.READY.value}
    return unready | {key: f"refused: {problem}" for key, problem in refused.items()}
