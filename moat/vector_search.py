"""One question to one collection: what Qdrant is asked, and what it said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from qdrant_client import models

from moat.access import Rule
from moat.lagging import Lagging
from moat.records import ArmScore, SparseVector, Vector

DENSE, SPARSE, TOKENS = "dense", "sparse", "tokens"
Arm = Literal["dense", "sparse", "tokens"]
ARMS: tuple[Arm, ...] = ("dense", "sparse", "tokens")


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question as vectors; `tokens` rescores what the arms find, in collections that hold token vectors."""

    dense: Vector
    sparse: SparseVector
    tokens: Vector | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A point as Qdrant returned it; whether it may be shown is the catalog's to say."""

    id: UUID
    document_id: UUID
    version: int
    ordinal: int
    page: int | None
    span: tuple[int, int]
    text: str
    heading_path: tuple[str, ...]
    page_starts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Hits:
    """One question's candidates in one collection, in no order, and where each arm ranked every one of them."""

    candidates: tuple[Hit, ...]
    arms: Mapping[str, Mapping[UUID, ArmScore]]


def requests(
    asked: Asked, arms: Sequence[Arm], readable: models.Filter | None, limit: int
) -> list[models.QueryRequest]:
    """Write the request of each arm, and the one that brings all their candidates, rescored where tokens are given.

    The dense arm tells how near the other's candidates are as well. The filter stands inside each prefetch: nothing
    that may not be read ever takes a place among the candidates.
    """
    query = {
        DENSE: asked.dense.tolist(),
        SPARSE: models.SparseVector(indices=list(asked.sparse.indices), values=list(asked.sparse.values)),
    }
    prefetch = [models.Prefetch(query=query[arm], using=arm, filter=readable, limit=limit) for arm in arms]
    singles = [
        models.QueryRequest(
            prefetch=prefetch if arm == DENSE and len(arms) > 1 else None,
            query=query[arm],
            using=arm,
            filter=readable,
            limit=limit * len(arms) if arm == DENSE else limit,
            with_payload=False,
        )
        for arm in arms
    ]
    rescored = asked.tokens is not None
    together = models.QueryRequest(
        prefetch=prefetch,
        query=asked.tokens.tolist() if asked.tokens is not None else models.RrfQuery(rrf=models.Rrf()),
        using=TOKENS if rescored else None,
        filter=readable,
        limit=limit * len(arms),
        with_payload=True,
    )
    return [*singles, together]


def hits(arms: Sequence[Arm], rescored: bool, answers: Sequence[Sequence[models.ScoredPoint]]) -> Hits:
    """Read the answers to `requests`."""
    *singles, together = answers
    named = [*zip(arms, singles, strict=True), *([(TOKENS, together)] if rescored else [])]
    ids = {point.id: UUID(str(point.id)) for point in together}  # each is read once: that takes longer than it seems
    ranks = {
        arm: {ids[p.id]: ArmScore(rank, p.score) for rank, p in enumerate(points, 1) if p.id in ids}
        for arm, points in named
    }
    return Hits(tuple(hit_of(point) for point in together), ranks)


def readable_by(rule: Rule, lagging: Lagging) -> models.Filter | None:
    """Write who may read what as a filter; None lets everything through."""
    must: list[models.Condition] = []
    if rule.principals is not None:
        granted: models.Condition = models.FieldCondition(
            key="access", match=models.MatchAny(any=list(rule.principals))
        )
        must = [models.Filter(should=[granted, _any_of(lagging.readable)]) if lagging.readable else granted]
    hidden: list[models.Condition] = [_any_of(lagging.hidden)] if lagging.hidden else []
    return models.Filter(must=must or None, must_not=hidden or None) if must or hidden else None


def _any_of(document_ids: Sequence[UUID]) -> models.FieldCondition:
    return models.FieldCondition(key="document_id", match=models.MatchAny(any=[str(i) for i in document_ids]))


def hit_of(point: models.ScoredPoint | models.Record) -> Hit:
    """Read a point's payload."""
    payload = point.payload or {}
    start, end = payload["span"]
    return Hit(
        id=UUID(str(point.id)),
        document_id=UUID(payload["document_id"]),
        version=payload["version"],
        ordinal=payload["ordinal"],
        page=payload.get("page"),
        span=(start, end),
        text=payload["text"],
        heading_path=tuple(payload.get("heading_path") or ()),
        page_starts=tuple((page, offset) for page, offset in payload.get("page_starts") or ()),
    )
