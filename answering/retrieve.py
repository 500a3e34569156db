"""From a question to the passages that may answer it, each checked against the catalog."""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from answering.context import as_reranked, embedded, embedded_with_tokens, in_context, weighed_words
from answering.fuse import fuse, merge
from answering.languages import language_of
from answering.left_out import reason
from answering.patience import within
from answering.phrases import holding_first, quoted
from answering.query import Found, Parts, Query, Retrieval
from answering.rerank import RERANK
from moat.access import Rule, find_corpus, find_documents, readable_corpora, rule
from moat.embedder import knows_english_only
from moat.errors import InvalidRequest, MoatError, Unavailable
from moat.lagging import UP_TO_DATE, Lagging, lagging
from moat.records import Passage, Reader, SparseVector
from moat.sparse import ENGLISH, encode_question
from moat.tables import Corpus, Document, Generation, Version
from moat.vector_search import SPARSE, TOKENS, Arm, Asked, Hit, Hits

log = logging.getLogger(__name__)
EMBEDDER = "embedder"
_BY_WORDS: tuple[Arm, ...] = ("sparse",)


@dataclass(frozen=True, slots=True)
class _Target:
    """One corpus to ask, by the generation that served when it was read."""

    corpus_id: UUID
    corpus: str
    generation_id: UUID
    collection: str
    space: "_Space"


@dataclass(frozen=True, slots=True)
class _Space:
    """What makes scores comparable: the embedder, and whether its token vectors rescore."""

    embedder: str
    tokens: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """What the catalog says of a live, readable document."""

    corpus_id: UUID
    key: str
    title: str
    version: int


@dataclass(slots=True)
class _Asking:
    """A question with its vectors, embedded once per space, and where the time went."""

    question: str
    context: str  # the question behind those asked before it; empty where none was
    retrieval: Retrieval
    rule: Rule
    limit: int
    sparse: SparseVector
    language: str
    lagging: Lagging = UP_TO_DATE
    documents: tuple[UUID, ...] | None = None  # nothing else is looked at
    vectors: dict[_Space, Asked] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    by_words: set[_Space] = field(default_factory=set)  # whose embedder failed


def search(query: Query, reader: Reader, parts: Parts) -> Found:
    """Ask every corpus once and merge by rank.

    Raises NotFound for a corpus or document that the reader may not read, InvalidRequest for an empty question.
    """
    question = query.question.strip()
    if not question:
        raise InvalidRequest("The question is empty.", "Send a question of at least one word.")
    with parts.database.reading() as session:
        corpora = _corpora(session, query, reader)
        ids = [corpus.id for corpus in corpora]
        readable = rule(reader)
        behind = lagging(session, readable, ids)
        targets = _targets(session, ids)
    languages = parts.languages.of([target.corpus_id for target in targets], parts.database)
    context = in_context(query)
    asked = _Asking(
        question=question,
        context=context,
        retrieval=query.retrieval or Retrieval(),
        rule=readable,
        limit=max(parts.settings.answering.candidates, query.limit or 0),
        # English always: what was indexed before languages were told apart is stemmed so.
        sparse=_words(question, context, dict.fromkeys((*languages, ENGLISH))),
        language=language_of(context or question, languages),
        lagging=behind,
        documents=query.documents,
    )
    found, stale = _search_all(targets, asked, parts)
    if stale:  # a reindex flipped a corpus while it was being asked: ask the new generation, once
        with parts.database.reading() as session:
            again = _targets(session, stale)
        for space, more in _search_all(again, asked, parts)[0].items():
            found[space] += more
    limits = parts.settings.answering
    wanted = query.limit or limits.passages
    fused = [_fused(space, candidates, asked) for space, candidates in found.items()]
    passages, skipped = _reranked(as_reranked(query), merge(fused, max(wanted, limits.rerank_passages)), asked, parts)
    return Found(
        passages=tuple(passages[:wanted]),
        timings=asked.timings,
        best=tuple(passages),
        corpora=tuple(corpus.name for corpus in corpora),
        documents=None if query.documents is None else len(set(query.documents)),
        skipped=asked.skipped | skipped,
        embedders=tuple(dict.fromkeys(space.embedder for space in asked.vectors)),
    )


def _words(question: str, context: str, languages: Collection[str]) -> SparseVector:
    alone = encode_question(question, languages)
    return weighed_words(alone, encode_question(context, languages)) if context else alone


def _corpora(session: Session, query: Query, reader: Reader) -> list[Corpus]:
    if query.corpora is None:
        found = {corpus.id: corpus for corpus in readable_corpora(session, reader)}
    else:
        found = {corpus.id: corpus for name in query.corpora if (corpus := find_corpus(session, reader, name))}
    if query.documents is None:
        return list(found.values())
    chosen = find_documents(session, reader, query.documents)
    for document in chosen:
        if document.corpus_id not in found:
            raise InvalidRequest(
                f"Document {document.id} is in none of the corpora that are asked.", "Name its corpus, or no corpus."
            )
    holding = {document.corpus_id for document in chosen}
    return [corpus for corpus in found.values() if corpus.id in holding]


def _targets(session: Session, corpus_ids: Iterable[UUID]) -> list[_Target]:
    """Read which generation serves each corpus; one in which nothing was ever indexed contributes nothing."""
    rows = session.execute(
        select(Corpus, Generation)
        .join(Generation, Generation.id == Corpus.serving_generation)
        .where(Corpus.id.in_(list(corpus_ids)), Generation.dimension.is_not(None))
        .order_by(Corpus.name)
    )
    return [_Target(c.id, c.name, g.id, g.collection, _space(g.pipeline)) for c, g in rows]


def _space(pipeline: Mapping[str, Any]) -> _Space:
    return _Space(pipeline["embedder"], bool(pipeline.get("late_interaction")))


def _search_all(
    targets: Sequence[_Target], asked: _Asking, parts: Parts
) -> tuple[dict[_Space, list[Passage]], list[UUID]]:
    """Ask each target, then keep what the catalog confirms; also names the corpora that flipped meanwhile."""
    found: list[tuple[_Target, Hits | Unavailable]] = [(target, _ask(target, asked, parts)) for target in targets]
    started = time.perf_counter()
    ids = {hit.document_id for _, hits in found if isinstance(hits, Hits) for hit in hits.candidates}
    with parts.database.reading() as session:
        serving = _serving(session, targets)
        documents = _documents(session, ids, asked.rule)
    _add(asked.timings, "catalog_ms", started)
    passages: dict[_Space, list[Passage]] = defaultdict(list)
    stale: list[UUID] = []
    for target, hits in found:
        if serving.get(target.corpus_id) != target.generation_id:
            stale.append(target.corpus_id)
        elif isinstance(hits, Unavailable):
            raise hits
        else:
            passages[target.space] += _confirmed(target, hits, documents)
    return passages, stale


def _ask(target: _Target, asked: _Asking, parts: Parts) -> Hits | Unavailable:
    if target.space not in asked.vectors:
        started = time.perf_counter()
        asked.vectors[target.space] = _embedded(target.space, asked, parts)
        _add(asked.timings, "embed_ms", started)
    started = time.perf_counter()
    try:
        return parts.vectors.search(
            target.collection,
            asked.vectors[target.space],
            asked.rule,
            candidates=asked.limit,
            arms=_BY_WORDS if target.space in asked.by_words else asked.retrieval.arms,
            lagging=asked.lagging,
            documents=asked.documents,
        )
    except Unavailable as error:  # the collection of a generation that was just replaced may be gone already
        return error
    finally:
        _add(asked.timings, "search_ms", started)


def _embedded(space: _Space, asked: _Asking, parts: Parts) -> Asked:
    """Embed the question; where that fails or is late, its words alone are looked for, and the result says so."""
    try:
        return within(parts.settings.answering.embed_deadline_s, lambda: _embed(space, asked, parts))
    except (MoatError, RuntimeError, OSError, ImportError) as error:
        if SPARSE not in asked.retrieval.arms:
            raise
        log.warning("The embedder failed: %s", error, extra={"embedder": space.embedder})
        asked.by_words.add(space)
        asked.skipped[EMBEDDER] = reason(error)
        return Asked(np.zeros(0, np.float32), asked.sparse)


def _embed(space: _Space, asked: _Asking, parts: Parts) -> Asked:
    embedder = parts.embedders.get(space.embedder)
    if space.tokens and TOKENS in asked.retrieval.arms and embedder.gives_tokens:
        return embedded_with_tokens(embedder, asked.question, asked.context, asked.sparse)
    return Asked(embedded(embedder, asked.question, asked.context), asked.sparse)


def _reranked(
    question: str, passages: list[Passage], asked: _Asking, parts: Parts
) -> tuple[list[Passage], dict[str, str]]:
    if parts.reranking is None or not asked.retrieval.rerank:
        return passages, {}
    started = time.perf_counter()
    reranked = parts.reranking(question, passages)
    _add(asked.timings, "rerank_ms", started)
    return reranked.passages, {RERANK: reranked.skipped} if reranked.skipped else {}


def _fused(space: _Space, candidates: Sequence[Passage], asked: _Asking) -> list[Passage]:
    foreign = asked.language != ENGLISH and knows_english_only(space.embedder)
    fused = fuse(candidates, asked.retrieval.fusion, foreign=foreign, depth=asked.limit)
    return holding_first(fused, quoted(asked.question))


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
        for hit in hits.candidates
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
        score=0.0,  # until it has its place in the list
        heading_path=hit.heading_path,
        page_starts=hit.page_starts,
        arms=arms,
    )


def _add(timings: dict[str, float], name: str, started: float) -> None:
    timings[name] = round(timings.get(name, 0.0) + (time.perf_counter() - started) * 1000, 2)
