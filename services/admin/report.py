"""What an admin should know of a corpus: repetitions, age, what cannot be read, languages, size."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased

from answering.body import dollars
from moat.access import find_corpus
from moat.embedder import knows_english_only
from moat.embedding_price import embedding_price
from moat.records import DocumentState
from moat.settings import Settings
from moat.tables import ChunkRow, Corpus, Document, Indexing, LikenessRow, Version, utc_now
from services.admin.report_schemas import (
    Alike,
    Copies,
    CopiesPart,
    NearPart,
    ReportShape,
    SizePart,
    Stale,
    StalePart,
    Unreadable,
    UnreadablePart,
)
from services.dependencies import Admin, PartsOf

router = APIRouter(prefix="/v1/corpora", tags=["corpora"])

# Above this share of documents in other languages, an English embedder finds too little.
OTHER_LANGUAGES = 0.2
# Where metadata may say when a document was written, the first that does counts.
_DATED_BY = ("modified", "updated", "date", "created")

Limit = Annotated[int, Query(ge=0, le=1000, description="Most items listed of each kind; counts are always whole.")]
StaleDays = Annotated[int, Query(ge=1, le=36_500, description="Age from which a document is stale.")]


@router.get("/{corpus}/report")
def report(corpus: str, reader: Admin, parts: PartsOf, limit: Limit = 50, stale_days: StaleDays = 730) -> ReportShape:
    """Tell a corpus's duplicates, superseded versions, stale and unreadable documents, languages and size."""
    with parts.database.reading() as session:
        row = find_corpus(session, reader, corpus)
        languages = _languages(session, row)
        return ReportShape(
            corpus=row.name,
            documents=_count(session, _live(row)),
            exact_duplicates=_copies(session, row, limit),
            near_duplicates=_near(session, row, limit),
            superseded_versions=_superseded(session, row),
            stale=_stale(session, row, limit, stale_days),
            unreadable=_unreadable(session, row, limit),
            languages=languages,
            size=_size(session, row, parts.settings),
            warnings=_warnings(row, languages),
        )


def _live(corpus: Corpus) -> ColumnElement[bool]:
    return (Document.corpus_id == corpus.id) & (Document.state != DocumentState.DELETING)


def _count(session: Session, where: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(Document).where(where)) or 0


def _newest() -> ColumnElement[bool]:
    return (Version.document_id == Document.id) & (Version.number == Document.version)


def _copies(session: Session, corpus: Corpus, limit: int) -> CopiesPart:
    groups = (
        select(Version.sha256, func.count().label("documents"))
        .join(Document, _newest())
        .where(_live(corpus))
        .group_by(Version.sha256)
        .having(func.count() > 1)
        .order_by(func.count().desc(), Version.sha256)
    )
    found = session.execute(groups).all()
    shown = [sha256 for sha256, _ in found[:limit]]
    keys: dict[str, list[str]] = {sha256: [] for sha256 in shown}
    rows = session.execute(
        select(Version.sha256, Document.key)
        .join(Document, _newest())
        .where(_live(corpus), Version.sha256.in_(shown))
        .order_by(Document.created_at)
    )
    for sha256, key in rows:
        keys[sha256].append(key)
    items = [Copies(sha256=sha256, keys=keys[sha256]) for sha256 in shown]
    return CopiesPart(count=sum(documents - 1 for _, documents in found), items=items)


def _near(session: Session, corpus: Corpus, limit: int) -> NearPart:
    older = aliased(Document)
    pairs = (
        select(Document.id, Document.key, older.id, older.key, LikenessRow.resemblance)
        .join(LikenessRow, LikenessRow.document_id == Document.id)
        .join(older, older.id == LikenessRow.near_duplicate_of)
        .where(_live(corpus), older.state != DocumentState.DELETING)
    )
    count = session.scalar(select(func.count()).select_from(pairs.subquery())) or 0
    rows = session.execute(pairs.order_by(LikenessRow.resemblance.desc(), Document.key).limit(limit))
    items = [
        Alike(document_id=id_, key=key, near_duplicate_of=other, of_key=of_key, resemblance=round(alike or 0.0, 3))
        for id_, key, other, of_key, alike in rows
    ]
    return NearPart(count=count, items=items)


def _superseded(session: Session, corpus: Corpus) -> int:
    versions = select(func.count()).select_from(Version).join(Document, Document.id == Version.document_id)
    return session.scalar(versions.where(_live(corpus), Version.number < Document.serving_version)) or 0


def _stale(session: Session, corpus: Corpus, limit: int, stale_days: int) -> StalePart:
    cutoff = utc_now() - timedelta(days=stale_days)
    rows = session.execute(
        select(Document.id, Document.key, Document.doc_metadata, Version.created_at)
        .join(Version, _newest())
        .where(_live(corpus))
    )
    dated = ((_written(metadata) or uploaded, id_, key) for id_, key, metadata, uploaded in rows)
    old = sorted((item for item in dated if item[0] < cutoff), key=lambda item: item[0])
    return StalePart(
        count=len(old),
        older_than_days=stale_days,
        items=[Stale(document_id=id_, key=key, dated=moment) for moment, id_, key in old[:limit]],
    )


def _written(metadata: dict[str, Any]) -> datetime | None:
    """Read when a document was written, where its metadata says so."""
    for name in _DATED_BY:
        try:
            moment = datetime.fromisoformat(str(metadata.get(name)))
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def _unreadable(session: Session, corpus: Corpus, limit: int) -> UnreadablePart:
    ended = Document.state.in_((DocumentState.FAILED, DocumentState.QUARANTINED))
    rows = session.execute(
        select(Document.id, Document.key, Document.state, Indexing.error, Indexing.hint)
        .join(Indexing, (Indexing.document_id == Document.id) & (Indexing.version == Document.version))
        .where(_live(corpus), ended, Indexing.generation_id == corpus.serving_generation)
        .order_by(Document.key)
        .limit(limit)
    )
    items = [
        Unreadable(document_id=id_, key=key, state=state, reason=error or "", hint=hint or "")
        for id_, key, state, error, hint in rows
    ]
    return UnreadablePart(count=_count(session, _live(corpus) & ended), items=items)


def _languages(session: Session, corpus: Corpus) -> dict[str, int]:
    rows = session.execute(
        select(LikenessRow.language, func.count())
        .join(Document, Document.id == LikenessRow.document_id)
        .where(_live(corpus))
        .group_by(LikenessRow.language)
        .order_by(func.count().desc(), LikenessRow.language)
    )
    return {language or "unknown": count for language, count in rows}


def _warnings(corpus: Corpus, languages: dict[str, int]) -> list[str]:
    embedder = corpus.pipeline["embedder"]
    known = _sum(languages, languages.keys() - {"unknown"})
    other = known - languages.get("en", 0)
    if not knows_english_only(embedder) or not known or other / known <= OTHER_LANGUAGES:
        return []
    return [
        f"{other / known:.0%} of the documents are not in English, and {embedder} knows English only. Set the corpus's "
        f"pipeline.embedder to the folder of a multilingual sentence-transformers model: "
        f"moat reindex {corpus.name!r} --embedder FOLDER"
    ]


def _sum(counts: dict[str, int], names: Iterable[str]) -> int:
    return sum(counts[name] for name in names)


def _size(session: Session, corpus: Corpus, settings: Settings) -> SizePart:
    generation: UUID | None = corpus.serving_generation
    chunks, tokens = session.execute(
        select(func.count(), func.coalesce(func.sum(ChunkRow.tokens), 0)).where(ChunkRow.generation_id == generation)
    ).one()
    size = session.scalar(
        select(func.coalesce(func.sum(Version.size), 0)).join(Document, _newest()).where(_live(corpus))
    )
    price = embedding_price(corpus.pipeline["embedder"], int(tokens), settings)
    return SizePart(
        chunks=chunks, tokens=int(tokens), bytes=int(size or 0), embedding_cost_usd=dollars(price.expected_usd)
    )
