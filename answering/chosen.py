"""Passages that were chosen beforehand, so that several models can be asked over the very same ones."""

import time
from collections import defaultdict
from collections.abc import Container, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, select

from answering.query import Found, Parts, Query
from moat.access import find_corpus, rule
from moat.errors import NotFound
from moat.records import Passage, Reader
from moat.tables import ChunkRow, Corpus, Document, Generation, Version
from moat.vector_search import Hit


def chosen(query: Query, reader: Reader, parts: Parts) -> Found:
    """Give the passages of `query.passage_ids` in their order, as far as they serve and the reader may read them.

    They are taken as evidence: whoever chose them has judged that. Raises NotFound when one of them is not, or no
    longer, a passage that this reader may read in the corpora asked.
    """
    started = time.perf_counter()
    ids = tuple(dict.fromkeys(query.passage_ids or ()))
    rows = _rows(query, reader, parts, ids)
    _check(ids, {row.id for row in rows})
    by_collection: dict[str, list[UUID]] = defaultdict(list)
    for row in rows:
        by_collection[row.collection].append(row.id)
    hits = {hit.id: hit for collection, those in by_collection.items() for hit in parts.vectors.get(collection, those)}
    _check(ids, hits)
    of_id = {row.id: row for row in rows}
    return Found(
        passages=tuple(_passage(hits[id_], of_id[id_], 1 / rank) for rank, id_ in enumerate(ids, 1)),
        timings={"passages_ms": round((time.perf_counter() - started) * 1000, 2)},
        corpora=tuple(sorted({row.corpus for row in rows})),
        embedders=(str(of_id[ids[0]].pipeline["embedder"]),) if ids else (),
    )


def _rows(query: Query, reader: Reader, parts: Parts, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Find what the catalog says of each passage: only of the serving version, in the serving generation."""
    statement = (
        select(
            ChunkRow.id, Corpus.name.label("corpus"), Generation.collection, Generation.pipeline, Document.key,
            Version.title, Document.name,
        )
        .join(Document, and_(Document.id == ChunkRow.document_id, Document.serving_version == ChunkRow.version))
        .join(Version, and_(Version.document_id == Document.id, Version.number == Document.serving_version))
        .join(Corpus, and_(Corpus.id == Document.corpus_id, Corpus.serving_generation == ChunkRow.generation_id))
        .join(Generation, Generation.id == ChunkRow.generation_id)
        .where(ChunkRow.id.in_(ids), rule(reader).documents())
    )  # fmt: skip
    with parts.database.reading() as session:
        if query.corpora is not None:
            asked = [find_corpus(session, reader, name).id for name in query.corpora]
            statement = statement.where(Corpus.id.in_(asked))
        if query.documents is not None:
            statement = statement.where(Document.id.in_(query.documents))
        return session.execute(statement).all()


def _check(ids: Sequence[UUID], found: Container[UUID]) -> None:
    missing = [id_ for id_ in ids if id_ not in found]
    if missing:
        raise NotFound(
            f"{len(missing)} of the {len(ids)} passage_ids name no passage that you may read, such as {missing[0]}.",
            "Search again: a new version of a document and a reindex give its passages new ids.",
        )


def _passage(hit: Hit, row: Row[Any], score: float) -> Passage:
    return Passage(
        passage_id=hit.id,
        document_id=hit.document_id,
        key=row.key,
        version=hit.version,
        ordinal=hit.ordinal,
        title=row.title or row.name,
        corpus=row.corpus,
        page=hit.page,
        span=hit.span,
        text=hit.text,
        score=round(score, 6),
        heading_path=hit.heading_path,
        page_starts=hit.page_starts,
    )
