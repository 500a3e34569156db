"""Answers given before to the same question over the same sources, for readers who may read the same.

An entry is found by all that the answer was made of, the sources' passages above all. They are looked up anew for
every question, with the rights of who asks: a document that came, changed, went or is no longer theirs leads to other
sources, and so past the entry. An entry holds the answer's id alone; what removes or rewrites the answer reaches it so.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import literal, or_, select, union_all
from sqlalchemy.orm import Session

from answering import prompt
from answering.history import shown
from answering.pack import Source
from answering.query import Found, Parts, Query
from moat import ledger
from moat.access import rule
from moat.database import Database
from moat.records import EVERYONE, Answer, Passage, Reader
from moat.settings import Settings
from moat.tables import AnswerDocument, AnswerRow, CachedAnswer, Corpus, CorpusAccess, DocumentAccess, utc_now

# What an entry is found by, or what does not change an answer. A query that says anything else is answered anew.
_COVERED = frozenset({"question", "corpora", "documents", "model", "answer_id", "max_cost_usd", "conversation_id"})
_AT_ONCE = 100  # of terms in one compound SELECT
_ANSWERS = TypeAdapter(Answer)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was kept, as it was given."""

    answer: Answer
    documents: frozenset[Any]  # that it is made of


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer of this model is, or is to be, kept."""

    key: bytes
    model: str


def find_place(
    query: Query, model: str, found: Found, sources: Sequence[Source], reader: Reader, parts: Parts
) -> Place | None:
    """Name the place of this answer in the cache; None where it is not to be kept."""
    if not parts.settings.cache.answers or not sources or not _is_plain(query):
        return None
    with parts.database.reading() as session:
        rows = session.execute(
            select(Corpus.id, Corpus.serving_generation, Corpus.cache_answers)
            .where(Corpus.name.in_(found.corpora))
            .order_by(Corpus.id)
        ).all()
        if not all(row.cache_answers for row in rows):
            return None
        access = _access(session, reader)
    question = _normal(query.question)
    made_of = {
        "moat": version("moat"),
        "settings": _settings(model, parts.settings),
        "access": access,
        "corpora": [(str(row.id), str(row.serving_generation)) for row in rows],
        "names": found.corpora,
        "embedder": found.embedder,
        # All that was weighed: what is quoted need not stand among what a model reads.
        "passages": [_passage(passage) for passage in found.passages[: parts.settings.answering.passages]],
        # Instructions, question and sources, as the model is to read them.
        "prompt": [astuple(message) for message in prompt.messages(question, sources, "mark")],
    }
    return Place(hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).digest(), model)


def recall(place: Place, reader: Reader, database: Database) -> Kept | None:
    """Find what was kept there, if all of it may still be shown to this reader."""
    with database.reading() as session:
        row = session.scalar(
            select(AnswerRow)
            .join(CachedAnswer, CachedAnswer.answer_id == AnswerRow.id)
            .where(CachedAnswer.key == place.key, CachedAnswer.expires_at > utc_now())
        )
        # Withheld in part: made of something that is gone. Then it is no answer to this question any more.
        if row is None or row.body is None or row.body["withheld"] or shown(session, reader, row) != row.body:
            return None
        documents = session.scalars(select(AnswerDocument.document_id).where(AnswerDocument.answer_id == row.id))
        return Kept(_ANSWERS.validate_python(row.body), frozenset(documents))


def keep(session: Session, place: Place, answer: Answer, parts: Parts) -> None:
    """Keep an answer in its place, in the commit that concludes it.

    One that another model gave is not kept: a budget may have sent the call to a cheaper one, or a failure to the next.
    """
    made = {f"{call.provider}/{call.model}" for call in answer.cost.calls if call.kind == "answer"}
    if answer.model != place.model or made - {place.model}:
        return
    parts.database.lock(session, f"cache/{place.key.hex()}")
    row = session.get(CachedAnswer, place.key)
    if row is None:
        row = CachedAnswer(key=place.key)
        session.add(row)
    row.answer_id = answer.id
    row.expires_at = utc_now() + timedelta(seconds=parts.settings.cache.ttl_s)


def saved_usd(session: Session, kept: Kept, made: Iterable[str]) -> Decimal:
    """Add up the calls that the kept answer had taken, less the kinds that were made again for this one."""
    again = set(made)
    calls = ledger.calls_of(session, kept.answer.id)
    return sum((call.cost_usd for call in calls if call.kind not in again), Decimal(0))


def _is_plain(query: Query) -> bool:
    """Tell whether the question stands alone, so that a later field of queries is not overlooked here."""
    return all(getattr(query, f.name) == f.default for f in fields(query) if f.name not in _COVERED)


def _normal(question: str) -> str:
    """Bring a question's spaces and accents into one form; case stays, for it may carry the meaning."""
    return " ".join(unicodedata.normalize("NFC", question).split())


def _settings(model: str, settings: Settings) -> dict[str, Any]:
    """Everything that is set and shapes an answer."""
    return {
        "models": [_model(name, settings) for name in (model, settings.answering.judge)],
        "answering": settings.answering.model_dump(mode="json"),
        "links": settings.api.public_url,
    }


def _model(name: str, settings: Settings) -> list[Any]:
    provider, known = settings.providers.get(name.partition("/")[0]), settings.models.get(name)
    return [name, known and known.model_dump(mode="json"), provider and provider.base_url]


def _passage(passage: Passage) -> list[Any]:
    place = (passage.document_id, passage.version, passage.corpus, passage.key, passage.title, passage.page)
    return [str(passage.passage_id), *map(str, place), list(passage.span), list(passage.flags)]


def _access(session: Session, reader: Reader) -> dict[str, Any]:
    """Give what decides on a reader's rights: the principals that any access list names, and the key's corpora."""
    may = rule(reader)
    within = None if may.within is None else sorted(map(str, may.within))
    if may.principals is None:
        return {"principals": None, "within": within}
    own = [principal for principal in may.principals if principal != EVERYONE]
    named: list[str] = []
    for start in range(0, len(own), _AT_ONCE):
        looks = [select(literal(name).label("name")).where(_is_named(name)) for name in own[start : start + _AT_ONCE]]
        named += session.scalars(union_all(*looks))
    return {"principals": sorted(named), "within": within}


def _is_named(principal: str) -> Any:
    return or_(
        select(DocumentAccess.document_id).where(DocumentAccess.principal == principal).exists(),
        select(CorpusAccess.corpus_id).where(CorpusAccess.principal == principal).exists(),
    )
