"""What a running Moat finds for each question of a set, kept in a file so that what is read of it can be measured."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import httpx

from benchmarks.ingest import say
from benchmarks.question_sets import question_set
from benchmarks.server import connect, running_moat, upload
from benchmarks.sets import set_folder
from evaluation.questions import read_questions
from evaluation.records import Question
from moat.records import ArmScore, Passage

PASSAGES = 50
NEAR_MISSES = Path(__file__).with_name("near_misses.jsonl")
COMPANY = "co300"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what was found for it, best first, and what Moat answered without a model."""

    question: Question
    passages: tuple[Passage, ...]
    answer: dict[str, Any]


def asked(name: str, kept: Path) -> list[Asked]:
    """Ask a set's questions, those that nothing answers too; `kept` holds what an earlier run has found."""
    with TemporaryDirectory(prefix="moat-set-") as scratch:
        workload = question_set(name, Path(scratch))
        questions = _questions(name, workload.questions)
        if not kept.is_file():
            rows = _ask(workload.root, workload.names, questions)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(rows), encoding="utf-8")
    rows = json.loads(kept.read_text(encoding="utf-8"))
    return [
        Asked(q, tuple(map(_passage, rows[q.id]["passages"])), rows[q.id]["answer"]) for q in questions if q.id in rows
    ]


def _questions(name: str, answerable: Sequence[Question]) -> list[Question]:
    if name in (COMPANY, "co_dev"):
        return [*answerable, *read_questions(NEAR_MISSES)]
    rows = map(json.loads, (set_folder(name) / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    unanswerable = (r for r in rows if r.get("metadata", {}).get("answerability") == "UNANSWERABLE")
    return [*answerable, *(Question(r["_id"], r["text"], {}, answerable=False) for r in unanswerable)]


def _ask(root: Path, names: Sequence[str], questions: Sequence[Question]) -> dict[str, Any]:
    with running_moat({"MOAT_ANSWERING__ABSTAIN_BELOW": "0"}) as moat, connect(moat.server, moat.key) as http:
        uploaded = upload(http, "benchmark", root, names)
        say(f"{len(uploaded.states)} files, {uploaded.chunks} chunks in {uploaded.wall_s:.0f} s")
        found, texts = {}, Texts(http)
        for question in questions:
            body = {"question": question.text, "limit": PASSAGES, "explain": True}
            passages = http.post("/v1/search", json=body).raise_for_status().json()["passages"]
            asked_for = {"question": question.text, "model": "extractive"}
            answer = http.post("/v1/answers", json=asked_for).raise_for_status().json()
            for citation in answer["citations"]:
                start, end = citation["span"]
                citation["stands"] = texts.of(citation["document_id"])[start:end] == citation["quote"]
            found[question.id] = {"passages": passages, "answer": answer}
        return found


class Texts:
    """Documents' own texts, each fetched once."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._known: dict[str, str] = {}

    def of(self, document_id: str) -> str:
        if document_id not in self._known:
            body = self._http.get(f"/v1/documents/{document_id}/text").raise_for_status().json()
            self._known[document_id] = body["text"]
        return self._known[document_id]


def _passage(body: dict[str, Any]) -> Passage:
    return Passage(
        passage_id=UUID(body["passage_id"]),
        document_id=UUID(body["document_id"]),
        key=body["key"],
        version=1,
        ordinal=10 * body["span"][0],  # the API does not tell which chunks are neighbours: none is taken for one
        title=body["title"],
        corpus=body["corpus"],
        page=body["page"],
        span=tuple(body["span"]),
        text=body["text"],
        score=body["score"],
        heading_path=tuple(body["heading_path"]),
        arms={name: ArmScore(arm["rank"], arm["score"]) for name, arm in body["arms"].items()},
    )
