"""From a question to the passages that may answer it, each checked against the catalog."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from answering.query import Found, Parts, Query, Retrieval
from answering.relevance import judge
from moat.access import Rule, find_corpus, readable_corpora, rule
from moat.errors import InvalidRequest, Unavailable
from moat.lagging import UP_TO_DATE, Lagging, lagging
from moat.records import Passage, Reader, SparseVector, Vector
from moat.sparse import encode_question
from moat.tables import Corpus, Document, Generation, Version
from moat.vectors import RRF_K, Hit, Hits


@dataclass(frozen=True, slots=True)
class _Target:
    """One corpus to ask, by the generation that served when it was read."""

    corpus_id: UUID
    corpus: str
    generation_id: UUID
    collection: str
    embedder: str


@dataclass(frozen=True, slots=True)
class _Row:
    """What the catalog says of a live, readable document."""

    corpus_id: UUID
    key: str
    title: str
    version: int


@dataclass(slots=True)
class _Asked:
    """A question with its vectors, embedded once per embedder, and where the time went."""

    question: str
    retrieval: Retrieval
    rule: Rule
    limit: int
    sparse: SparseVector
    lagging: Lagging = UP_TO_DATE
    dense: dict[str, Vector] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)


def search(query: Query, reader: Reader, parts: Parts) -> Found:
    """Ask every corpus once and merge by rank.

    Raises NotFound for a corpus that the reader may not read, InvalidRequest for an empty question.
    """
    question = query.question.strip()
    if not question:
        raise InvalidRequest("The question is empty.", "Send a question of at least one word.")
    asked = _Asked(
        question=question,
        retrieval=query.retrieval or Retrieval(),
        rule=rule(reader),
        limit=max(parts.settings.answering.candidates, query.limit or 0),
        sparse=encode_question(question),
    )
    with parts.database.reading() as session:
        corpora = _corpora(session, query, reader)
        asked.lagging = lagging(session, asked.rule, [corpus.id for corpus in corpora])
        targets = _targets(session, [corpus.id for corpus in corpora])
    ranked, stale = _search_all(targets, asked, parts)
    if stale:  # a reindex flipped a corpus while it was being asked: ask the new generation, once
        with parts.database.reading() as session:
            again = _targets(session, stale)
        ranked += _search_all(again, asked, parts)[0]
    passages = _merge(ranked, one_embedder=len(asked.dense) <= 1)
    verdict = judge(question, passages, parts.settings.answering.min_similarity)
    return Found(
        passages=tuple(passages[: query.limit or parts.settings.answering.passages]),
        relevant=verdict.relevant,
        best_similarity=verdict.best_similarity,
        timings=asked.timings,
        corpora=tuple(corpus.name for corpus in corpora),
        embedder=next(iter(asked.dense), ""),
    )


def _corpora(session: Session, query: Query, reader: Reader) -> list[Corpus]:
    if query.corpora is None:
        return readable_corpora(session, reader)
    found = {corpus.id: corpus for name in query.corpora if (corpus := find_corpus(session, reader, name))}
    return list(found.values())


def _targets(session: Session, corpus_ids: Iterable[UUID]) -> list[_Target]:
    """Read which generation serves each corpus; one in which nothing was ever indexed contributes nothing."""
    rows = session.execute(
        select(Corpus, Generation)
        .join(Generation, Generation.id == Corpus.serving_generation)
        .where(Corpus.id.in_(list(corpus_ids)), Generation.dimension.is_not(None))
        .order_by(Corpus.name)
    )
    return [_Target(c.id, c.name, g.id, g.collection, g.pipeline["embedder"]) for c, g in rows]


def _search_all(targets: Sequence[_Target], asked: _Asked, parts: Parts) -> tuple[list[Passage], list[UUID]]:
    """Ask each target, then keep what the catalog confirms; also names the corpora that flipped meanwhile."""
    found: list[tuple[_Target, Hits | Unavailable]] = [(target, _ask(target, asked, parts)) for target in targets]
    started = time.perf_counter()
    ids = {hit.document_id for _, hits in found if isinstance(hits, Hits) for hit in hits.fused}
    with parts.database.reading() as session:
        serving = _serving(session, targets)
        documents = _documents(session, ids, asked.rule)
    _add(asked.timings, "catalog_ms", started)
    passages: list[Passage] = []
    stale: list[UUID] = []
    for target, hits in found:
        if serving.get(target.corpus_id) != target.generation_id:
            stale.append(target.corpus_id)
        elif isinstance(hits, Unavailable):
            raise hits
        else:
            passages += _confirmed(target, hits, documents)
    return passages, stale


def _ask(target: _Target, asked: _Asked, parts: Parts) -> Hits | Unavailable:
    if target.embedder not in asked.dense:
        started = time.perf_counter()
        asked.dense[target.embedder] = parts.embedders.get(target.embedder).embed_question(asked.question)
        _add(asked.timings, "embed_ms", started)
    started = time.perf_counter()
    try:
        return parts.vectors.search(
            target.collection,
            asked.dense[target.embedder],
            asked.sparse,
            asked.rule,
            limit=asked.limit,
            candidates=asked.limit,
            arms=asked.retrieval.arms,
            lagging=asked.lagging,
        )
    except Unavailable as error:  # the collection of a generation that was just replaced may be gone already
        return error
    finally:
        _add(asked.timings, "search_ms", started)


def _serving(session: Session, targets: Sequence[_Target]) -> dict[UUID, UUID | None]:
    ids = [target.corpus_id for target in targets]
    rows = session.execute(select(Corpus.id, Corpus.serving_generation).where(Corpus.id.in_(ids)))
    return {row.id: row.serving_generation for row in rows}


def _documents(session: Session, ids: Iterable[UUID], readable: Rule) -> dict[UUID, _Row]:
    statement = (
        select(Document.id, Document.corpus_id, Document.key, Document.name, Version.number, Version.title)
        .join(Version, and_(Version.document_id == Document.id, Version.number == Document.serving_version))
        .where(Document.id.in_(list(ids)), readable.documents())
    )
    return {
        row.id: _Row(row.corpus_id, row.key, row.title or row.name, row.number) for row in session.execute(statement)
    }


def _confirmed(target: _Target, hits: Hits, documents: Mapping[UUID, _Row]) -> list[Passage]:
    """Keep the hits whose document is live, readable, of this corpus and at the version that was found."""
    return [
        _passage(hit, hits, target, row)
        for hit in hits.fused
        if (row := documents.get(hit.document_id)) and (row.version, row.corpus_id) == (hit.version, target.corpus_id)
    ]


def _passage(hit: Hit, hits: Hits, target: _Target, row: _Row) -> Passage:
    arms = {arm: scores[hit.id] for arm, scores in hits.arms.items() if hit.id in scores}
    return Passage(
        passage_id=hit.id,
        document_id=hit.document_id,
        key=row.key,
        version=hit.version,
        ordinal=hit.ordinal,
        title=row.title,
        corpus=target.corpus,
        page=hit.page,
        span=hit.span,
        text=hit.text,
        # By rank alone, so that corpora of different embedders can stand in one list.
        score=sum(1 / (RRF_K + arm.rank) for arm in arms.values()),
        heading_path=hit.heading_path,
        page_starts=hit.page_starts,
        arms=arms,
    )


def _merge(passages: list[Passage], *, one_embedder: bool) -> list[Passage]:
    """Order by fused rank; equal ranks of several corpora by cosine, where one embedder makes it comparable."""

    def order(passage: Passage) -> tuple[float, float]:
        cosine = passage.arms["dense"].score if one_embedder and "dense" in passage.arms else 0.0
        return -passage.score, -cosine

    return sorted((replace(p, score=round(p.score, 6)) for p in passages), key=order)


def _add(timings: dict[str, float], name: str, started: float) -> None:
    timings[name] = round(timings.get(name, 0.0) + (time.perf_counter() - started) * 1000, 2)
