"""Which passages look like instructions to a model, as their documents' reports say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from moat.database import Database
from moat.records import Passage
from moat.tables import Corpus, Document, Indexing


def flagged(passages: Sequence[Passage], database: Database) -> tuple[Passage, ...]:
    """Give the passages with their flags."""
    statement = (
        select(Indexing.document_id, Indexing.version, Indexing.report)
        .join(Document, Document.id == Indexing.document_id)
        .join(Corpus, and_(Corpus.id == Document.corpus_id, Corpus.serving_generation == Indexing.generation_id))
        .where(Indexing.document_id.in_({p.document_id for p in passages}), Indexing.report.is_not(None))
    )
    with database.reading() as session:
        reports = {(row.document_id, row.version): row.report for row in session.execute(statement)}
    return tuple(replace(passage, flags=_kinds(passage, reports)) for passage in passages)


def _kinds(passage: Passage, reports: Mapping[tuple[UUID, int], Mapping[str, Any] | None]) -> tuple[str, ...]:
    report = reports.get((passage.document_id, passage.version)) or {}
    start, end = passage.span
    found = {
        finding["kind"]
        for finding in report.get("instructions", ())
        if finding["where"] == "title" or (finding["where"] == "text" and _meets(finding["span"], start, end))
    }
    return tuple(sorted(found))


def _meets(span: Sequence[int], start: int, end: int) -> bool:
    return span[0] < end and span[1] > start
