"""The arms that go through the API, so that what is measured is what readers get."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from evaluation.client import Client
from evaluation.metrics import distinct
from evaluation.records import AnswerFunction, Arm, FoundPassage, GivenAnswer, SearchFunction
from moat.errors import InvalidRequest

SERVED = "served"  # whatever the server does by itself: the arm that answers come from
RETRIEVALS: Mapping[str, Mapping[str, Any] | None] = {
    "hybrid": {"arms": ["dense", "sparse"], "fusion": "rrf", "rerank": False},
    "dense": {"arms": ["dense"], "fusion": "rrf", "rerank": False},
    "sparse": {"arms": ["sparse"], "fusion": "rrf", "rerank": False},
    SERVED: None,
}
PASSAGES = 50  # ten different files usually stand among so many


def api_arms(
    client: Client,
    names: Sequence[str],
    *,
    corpora: Sequence[str] = (),
    limit: int = PASSAGES,
    answers: bool = False,
) -> tuple[Arm, ...]:
    """Make the named arms over `POST /v1/search`; with `answers`, `served` also asks `POST /v1/answers`.

    All but `served` choose the retrieval, which needs an admin's key. No corpora: all that the key may read.
    """
    unknown = [name for name in names if name not in RETRIEVALS]
    if unknown or not names:
        raise InvalidRequest(
            f"There is no arm {', '.join(unknown) or 'to ask'}.", f"Choose from {', '.join(RETRIEVALS)}."
        )
    chosen = distinct([*names, SERVED] if answers else names)
    scope = {"corpora": list(corpora)} if corpora else {}
    return tuple(
        Arm(
            name=name,
            search=search_function(client, scope, limit, RETRIEVALS[name]),
            answer=answer_function(client, scope) if answers and name == SERVED else None,
        )
        for name in chosen
    )


def search_function(
    client: Client, scope: Mapping[str, Any], limit: int, retrieval: Mapping[str, Any] | None
) -> SearchFunction:
    """Search through the API with this scope and retrieval."""
    fixed = {**scope, "limit": limit, **({"retrieval": retrieval} if retrieval else {})}

    def search(question: str) -> tuple[FoundPassage, ...]:
        found = client.post("/v1/search", {"question": question, **fixed})
        return tuple(
            FoundPassage(key=passage["key"], text=passage["text"], score=float(passage["score"]))
            for passage in found["passages"]
        )

    return search


def answer_function(client: Client, scope: Mapping[str, Any]) -> AnswerFunction:
    """Answer through the API; a citation names a document, whose key is looked up once."""
    keys: dict[str, str] = {}

    def key_of(document_id: str) -> str:
        if document_id not in keys:
            keys[document_id] = client.get(f"/v1/documents/{document_id}")["key"]
        return keys[document_id]

    def answer(question: str) -> GivenAnswer:
        given = client.post("/v1/answers", {"question": question, **scope})
        return GivenAnswer(
            abstained=bool(given["abstained"]),
            cited_keys=distinct(key_of(citation["document_id"]) for citation in given["citations"]),
            cost_usd=Decimal(given["cost"]["total_usd"]),
            model=str(given["model"]),
        )

    return answer
