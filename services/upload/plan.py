"""What uploaded files would take, said before any of them is kept."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from answering.body import dollars
from moat.access import rule
from moat.embedding_price import embedding_price
from moat.errors import MoatError
from moat.media import sniff
from moat.records import Reader
from moat.tables import ChunkRow, Corpus, Document, Version
from services.parts import Parts
from services.problems import of_error
from services.upload.receive import Arrived, Upload
from services.upload.schemas import PlannedItem, Problem, UploadPlan

# Where a corpus holds no document of a type yet: plain text has about four bytes a token, packed formats far more.
_USUAL = {"text/": 0.25, "": 0.02}
_LEAST_SEEN = 3  # documents of a type that say more than the usual does


@dataclass(frozen=True, slots=True)
class _Ratio:
    tokens_a_byte: float
    why: str


def plan(upload: Upload, corpus: Corpus, reader: Reader, parts: Parts) -> UploadPlan:
    """Estimate tokens by the documents that the reader may read of the corpus, and price them; nothing is kept.

    Files are not parsed for it, so that a dry run is quick and safe: what only parsing finds is not foreseen.
    """
    with parts.database.reading() as session:
        items = [_item(arrived, corpus, reader, session) for arrived in upload.files]
    tokens = sum(item.tokens for item in items)
    embedder = corpus.pipeline["embedder"]
    price = embedding_price(embedder, tokens, parts.settings)
    return UploadPlan(
        items=items,
        tokens=tokens,
        embedder=embedder,
        expected_usd=dollars(price.expected_usd),
        ceiling_usd=dollars(price.ceiling_usd),
        why=price.why,
    )


def _item(arrived: Arrived, corpus: Corpus, reader: Reader, session: Session) -> PlannedItem:
    try:
        if arrived.problem is not None:
            raise arrived.problem
        media_type = sniff(arrived.head, arrived.staged.path, arrived.filename)
    except MoatError as error:
        return PlannedItem(filename=arrived.filename, problem=Problem(**of_error(error)))
    ratio = _ratio(session, corpus, reader, media_type)
    size = arrived.staged.size
    return PlannedItem(
        filename=arrived.filename,
        media_type=media_type,
        bytes=size,
        tokens=round(size * ratio.tokens_a_byte),
        why=ratio.why,
    )


def _ratio(session: Session, corpus: Corpus, reader: Reader, media_type: str) -> _Ratio:
    """Learn how many tokens a byte of this type has had in the corpus, from what the reader may read there."""
    chunks = (
        select(ChunkRow.document_id, func.sum(ChunkRow.tokens).label("tokens"))
        .where(ChunkRow.generation_id == corpus.serving_generation)
        .group_by(ChunkRow.document_id)
        .subquery()
    )
    seen, tokens, size = session.execute(
        select(func.count(), func.sum(chunks.c.tokens), func.sum(Version.size))
        .select_from(Document)
        .join(Version, (Version.document_id == Document.id) & (Version.number == Document.serving_version))
        .join(chunks, chunks.c.document_id == Document.id)
        .where(Document.corpus_id == corpus.id, Version.media_type == media_type, rule(reader).documents())
    ).one()
    if seen >= _LEAST_SEEN and size:
        return _Ratio(float(tokens) / float(size), f"As the {seen} documents of this type here.")
    usual = next(ratio for start, ratio in _USUAL.items() if media_type.startswith(start))
    return _Ratio(usual, "As files of this type usually have; this corpus holds too few.")
