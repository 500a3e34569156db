"""What must not be counted as a model's answer."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from evaluation.arms import search_function
from evaluation.client import HttpClient
from evaluation.kept_answers import KeptAnswers
from evaluation.models import Trial, try_models
from evaluation.records import Evaluation, Question
from evaluation.spending import Spending, Tariff
from moat.errors import Unavailable
from tests.fakes.measured_moat import Found, MeasuredMoat, answer

QUESTIONS = (Question("a", "Why?", {"a.md": 1}, answer="so"), Question("b", "How?", {"a.md": 1}, answer="so"))


def tried(moat: MeasuredMoat, path: Path, model: str) -> Evaluation:
    client = HttpClient(moat.client())
    trial = Trial(
        client=client,
        models=(model,),
        tariffs={model: Tariff(Decimal(1), Decimal(1), 100)},
        search=search_function(client, {}, 5, None),
        kept=KeptAnswers(path, QUESTIONS, {}),
        spending=Spending(None),
        scope={},
    )
    return try_models(trial, QUESTIONS)


def moat(*found_for: str) -> MeasuredMoat:
    found: dict[str, Sequence[Found]] = {question: [("a.md", "so")] for question in found_for}
    given = {question.text: answer("d1") for question in QUESTIONS}
    return MeasuredMoat(found={"served": found}, answers=given, documents={"d1": "a.md"})


def test_an_answer_by_another_model_is_an_error_and_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="extractive answered in the place of a/x"):
        tried(moat("Why?", "How?"), tmp_path / "kept.jsonl", "a/x")
    assert '"answer"' not in (tmp_path / "kept.jsonl").read_text()


def test_where_nothing_is_found_no_model_is_asked_and_each_abstains(tmp_path: Path) -> None:
    served = moat("Why?")
    (row,) = tried(served, tmp_path / "kept.jsonl", "extractive").arms
    given = [outcome.answer for outcome in row.outcomes]
    assert [one.verdict if one else None for one in given] == ["correct", "wrongly abstained"]
    assert [body["question"] for _method, path, body in served.requests if path == "/v1/answers"] == ["Why?"]


def test_what_is_kept_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    tried(moat("Why?", "How?"), tmp_path / "kept.jsonl", "extractive")
    assert (tmp_path / "kept.jsonl").stat().st_mode & 0o077 == 0
