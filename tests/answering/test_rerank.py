"""A cross-encoder orders the best candidates anew, or is left out with a mark when it is late or cannot be had."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from answering.query import Query, Retrieval
from answering.rerank import RERANK, Reranking
from answering.retrieve import search
from moat.answering_settings import AnsweringSettings
from moat.cross_encoder import CrossEncoderReranker
from moat.errors import InvalidRequest
from moat.records import Reader
from tests.fakes.library import Library
from tests.fakes.passages import passage
from tests.fakes.tiny_model import make_tiny_cross_encoder

TEXTS = ("short", "a longer text", "the longest text of all of them")
CANDIDATES = [replace(passage(text, ordinal=n), score=1 / (61 + n)) for n, text in enumerate(TEXTS)]


class Longest:
    """Likes long texts; waits before each until it may go on."""

    name = "longest"

    def __init__(self, go: threading.Event | None = None, error: Exception | None = None) -> None:
        self._go = go
        self._error = error
        self.read: list[str] = []

    def scores(self, question: str, texts: Sequence[str], wanted: Callable[[], bool]) -> list[float]:
        if self._error:
            raise self._error
        for text in texts:
            if self._go:
                self._go.wait(5)
            if not wanted():
                break
            self.read.append(text)
        return [float(len(text)) for text in self.read]


def reranking(model: Longest, **settings: object) -> Reranking:
    chosen = AnsweringSettings.model_validate({"reranker": "longest", **settings})
    return Reranking(chosen, lambda name: model)


def test_the_models_scores_order_the_first_and_leave_the_rest() -> None:
    found = reranking(Longest(), rerank_passages=2)("?", list(CANDIDATES))
    assert [p.text for p in found.passages] == [TEXTS[1], TEXTS[0], TEXTS[2]]
    assert [p.score for p in found.passages] == [p.score for p in CANDIDATES]
    assert [p.arms[RERANK].rank for p in found.passages[:2]] == [1, 2]
    assert RERANK not in found.passages[2].arms
    assert found.skipped == ""


def test_a_late_model_is_skipped_with_a_mark_and_stops_reading() -> None:
    go = threading.Event()
    model = Longest(go)
    found = reranking(model, rerank_deadline_s=0.05)("?", list(CANDIDATES))
    assert (found.passages, found.skipped) == (CANDIDATES, "late")
    go.set()
    assert model.read == []


def test_a_failing_model_leaves_the_order_and_says_so() -> None:
    found = reranking(Longest(error=RuntimeError("out of memory")))("?", list(CANDIDATES))
    assert (found.passages, found.skipped) == (CANDIDATES, "failed")


def test_without_a_model_nothing_changes() -> None:
    assert Reranking(AnsweringSettings())("?", list(CANDIDATES)).passages == CANDIDATES
    assert reranking(Longest())("?", []).passages == []


def test_a_real_cross_encoder_reads_question_and_passage_together(tmp_path: Path) -> None:
    settings = AnsweringSettings(reranker=make_tiny_cross_encoder(tmp_path), rerank_deadline_s=60)
    used = Reranking(settings)
    used.warm()
    found = used("where is the lamp?", list(CANDIDATES))
    assert found.skipped == ""
    scores = [p.arms[RERANK].score for p in found.passages]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)
    other = used("what is an oil lamp made of?", list(CANDIDATES))
    assert {p.text: p.arms[RERANK].score for p in other.passages} != {
        p.text: p.arms[RERANK].score for p in found.passages
    }


def test_a_folder_without_a_model_is_named_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no cross-encoder") as refused:
        CrossEncoderReranker(str(tmp_path))
    assert "MOAT_ANSWERING__RERANKER" in refused.value.hint


def test_search_reranks_and_passes_the_mark_on(library: Library, reader: Reader) -> None:
    library.add(library.corpus("plans"), "a.md", "The code.\n\nThe code is long, longer than it has to be.")
    parts = replace(library.parts, reranking=reranking(Longest()))
    found = search(Query("code"), reader, parts)
    assert found.passages[0].text.startswith("The code is long")
    assert "rerank_ms" in found.timings
    plain = search(Query("code", retrieval=Retrieval(rerank=False)), reader, parts)
    assert RERANK not in plain.passages[0].arms
    failing = replace(library.parts, reranking=reranking(Longest(error=OSError("gone"))))
    assert search(Query("code"), reader, failing).skipped == {RERANK: "failed"}
