"""The arms that go through the API, so that what is measured is what readers get."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evaluation.answers import Answers
from evaluation.client import Client, JsonObject
from evaluation.metrics import distinct
from evaluation.records import AnswerFunction, Arm, FoundPassage, GivenAnswer, SearchFunction
from moat.errors import InvalidRequest

SERVED = "served"  # whatever the server does by itself: the arm that answers come from
RETRIEVALS: Mapping[str, Mapping[str, Any] | None] = {
    "hybrid": {"arms": ["dense", "sparse"], "fusion": "rrf", "rerank": False},
    "dense": {"arms": ["dense"], "fusion": "rrf", "rerank": False},
    "sparse": {"arms": ["sparse"], "fusion": "rrf", "rerank": False},
    "blend": {"arms": ["dense", "sparse"], "fusion": "blend", "rerank": False},
    SERVED: None,
}
PASSAGES = 50  # ten different files usually stand among so many
NEAREST = 10  # among which the passage that is most similar stands


def api_arms(
    client: Client,
    names: Sequence[str],
    *,
    corpora: Sequence[str] = (),
    limit: int = PASSAGES,
    answers: bool = False,
    own: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Arm, ...]:
    """Make the named arms over `POST /v1/search`; with `answers`, `served` also asks `POST /v1/answers`.

    All but `served` choose the retrieval, which needs an admin's key; `own` adds settings of `retrieval` by name.
    No corpora: all that the key may read.
    """
    settings = {**RETRIEVALS, **(own or {})}
    unknown = [name for name in names if name not in settings]
    if unknown or not names:
        raise InvalidRequest(
            f"There is no arm {', '.join(unknown) or 'to ask'}.", f"Choose from {', '.join(settings)}."
        )
    chosen = distinct([*names, SERVED] if answers else names)
    scope = {"corpora": list(corpora)} if corpora else {}
    return tuple(
        Arm(
            name=name,
            search=search_function(client, scope, limit, settings[name]),
            answer=answer_function(client, Answers(client), scope) if answers and name == SERVED else None,
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
            FoundPassage(
                key=passage["key"],
                text=passage["text"],
                score=float(passage["score"]),
                id=str(passage.get("passage_id", "")),
            )
            for passage in found["passages"]
        )

    return search


def answer_function(client: Client, answers: Answers, scope: Mapping[str, Any]) -> AnswerFunction:
    """Answer through the API. An answer that brings no score gets the one that the server reads the passages by.

    That is how likely they answer, for admins; for others, the similarity of the nearest passage.
    """
    explained = {**scope, "limit": NEAREST, "explain": True}

    def answer(question: str) -> GivenAnswer:
        given = answers.ask({"question": question, **scope})
        if given.score is not None:
            return given
        found = client.post("/v1/search", {"question": question, **explained})
        likeliness = (found.get("reading") or {}).get("likeliness")
        return replace(given, score=_best_similarity(found) if likeliness is None else float(likeliness))

    return answer


def _best_similarity(found: JsonObject) -> float | None:
    """Give the similarity of the passage that is nearest to the question in meaning."""
    scores = (((passage.get("arms") or {}).get("dense") or {}).get("score") for passage in found["passages"])
    return max((score for score in scores if score is not None), default=None)
