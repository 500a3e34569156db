"""One question to one collection: what Qdrant is asked, and what it said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from qdrant_client import models

from moat.access import Rule
from moat.lagging import Lagging
from moat.records import ArmScore, SparseVector, Vector

DENSE: Final = "dense"
SPARSE: Final = "sparse"
TOKENS: Final = "tokens"
Arm = Literal["dense", "sparse", "tokens"]
ARMS: tuple[Arm, ...] = ("dense", "sparse", "tokens")
# A found point: its id, its score, and the point in the form in which it came.
Scored = tuple[str, float, Any]


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
    """Write the request of each arm, and one that rescores all their candidates by tokens where these are given.

    The dense arm tells how near the other's candidates are as well. The filter stands inside each prefetch: nothing
    that may not be read ever takes a place among the candidates. The payload comes once, with every candidate.
    """
    query: dict[Arm, Any] = {
        DENSE: asked.dense.tolist(),
        SPARSE: models.SparseVector(indices=list(asked.sparse.indices), values=list(asked.sparse.values)),
    }
    if asked.tokens is not None:
        query[TOKENS] = asked.tokens.tolist()
    prefetch = [models.Prefetch(query=query[arm], using=arm, filter=readable, limit=limit) for arm in arms]
    every = covering(arms, asked)
    return [
        models.QueryRequest(
            prefetch=prefetch if arm == TOKENS or (arm == DENSE and len(arms) > 1) else None,
            query=query[arm],
            using=arm,
            filter=readable,
            limit=limit if arm == SPARSE else limit * len(arms),
            with_payload=arm == every,
        )
        for arm in answered(arms, asked)
    ]


def answered(arms: Sequence[Arm], asked: Asked) -> tuple[Arm, ...]:
    """Name the arms that `requests` asks for, in its order."""
    return (*arms, TOKENS) if asked.tokens is not None else tuple(arms)


def covering(arms: Sequence[Arm], asked: Asked) -> Arm:
    """Name the arm that gives every candidate."""
    return TOKENS if asked.tokens is not None else DENSE if DENSE in arms else SPARSE


def hits(arms: Sequence[Arm], asked: Asked, answers: Sequence[Sequence[Scored]], read: Callable[[Any], "Hit"]) -> Hits:
    """Read the answers to `requests`; `read` makes a hit of a point with its payload."""
    named = dict(zip(answered(arms, asked), answers, strict=True))
    candidates = tuple(read(point) for _, _, point in named[covering(arms, asked)])
    ids = {str(hit.id): hit.id for hit in candidates}  # each is read once: that takes longer than it seems
    ranks: dict[str, dict[UUID, ArmScore]] = {
        arm: {ids[id_]: ArmScore(rank, score) for rank, (id_, score, _) in enumerate(points, 1) if id_ in ids}
        for arm, points in named.items()
    }
    return Hits(candidates, ranks)


def readable_by(rule: Rule, lagging: Lagging, documents: Sequence[UUID] | None = None) -> models.Filter | None:
    """Write who may read what, of these documents if any are given, as a filter; None lets everything through."""
    must: list[models.Condition] = [] if documents is None else [_any_of(documents)]
    if rule.principals is not None:
        granted: models.Condition = models.FieldCondition(
            key="access", match=models.MatchAny(any=list(rule.principals))
        )
        must.append(models.Filter(should=[granted, _any_of(lagging.readable)]) if lagging.readable else granted)
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
