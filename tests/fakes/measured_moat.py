"""A Moat of a few passages behind real HTTP messages, for measuring without a server."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

Found = tuple[str, str]  # key, text
TEXT = "so it is, and not otherwise"  # of every document


@dataclass
class MeasuredMoat:
    """Answers /v1/search from `found` (by arms, then question) and /v1/answers from `answers`; keeps the requests."""

    found: Mapping[str, Mapping[str, Sequence[Found]]]
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    refuse: Mapping[str, httpx.Response] = field(default_factory=dict)
    reading: Mapping[str, Any] | None = None
    requests: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._answer), base_url="http://moat.test")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else {}
        self.requests.append((request.method, request.url.path, body))
        if body.get("question") in self.refuse:
            return self.refuse[body["question"]]
        match request.method, request.url.path:
            case "POST", "/v1/search":
                return httpx.Response(200, json={"passages": self._passages(body), "reading": self.reading})
            case "POST", "/v1/answers":
                return httpx.Response(200, json=dict(self.answers[body["question"]]))
            case "GET", "/v1/corpora":
                return httpx.Response(200, json={"items": [{"name": "handbook"}], "next_cursor": None})
            case "GET", path if path.endswith("/text"):
                return httpx.Response(200, json={"text": TEXT})
            case "GET", path if path.startswith("/v1/documents/"):
                return httpx.Response(200, json={"key": self.documents[path.rpartition("/")[2]]})
        return problem(404, "There is no such address.", "Look at /docs.")

    def _passages(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        arms = "+".join(body["retrieval"]["arms"]) if "retrieval" in body else "served"
        found = self.found[arms].get(body["question"], ())
        return [
            {
                "passage_id": f"p{rank}",
                "document_id": f"d-{key}",
                "key": key,
                "title": key,
                "corpus": "handbook",
                "page": None,
                "span": [0, len(text)],
                "text": text,
                "score": 1 / rank,
                "arms": {"dense": {"rank": rank, "score": 0.9 / rank}} if body.get("explain") else None,
            }
            for rank, (key, text) in enumerate(found[: body["limit"]], 1)
        ]


def problem(status: int, detail: str, hint: str) -> httpx.Response:
    """Make a problem-details response, as the API sends them."""
    content = json.dumps({"type": "about:blank", "title": "No", "status": status, "detail": detail, "hint": hint})
    return httpx.Response(status, content=content, headers={"content-type": "application/problem+json"})


def answer(*document_ids: str, abstained: bool = False, cost_usd: str = "0") -> dict[str, Any]:
    """Make an answer that cites these documents, as the API sends it."""
    return {
        "id": "an-answer",
        "answer": "So it is.",
        "abstained": abstained,
        "citations": [
            {"marker": n, "document_id": one, "quote": "so", "span": [0, 2]} for n, one in enumerate(document_ids, 1)
        ],
        "cost": {"total_usd": cost_usd, "saved_usd": "0", "calls": []},
        "model": "extractive",
        "timings": {},
    }
