"""What an answer would cost, and what it may cost at most: both are known before a model is asked."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from answering.estimate import LONGEST_MARK
from answering.prompt import new_mark
from moat.llm.tokens import count_tokens
from moat.tables import AnswerRow, CallRow
from tests.fakes.api import Api, problem
from tests.fakes.models import COST, PIECES, rows, with_model
from tests.fakes.openai_server import FakeOpenAI, Reply, openai_server

QUESTION = "When is lunch served in the canteen?"
MILLION = Decimal(1_000_000)


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with openai_server(Reply(PIECES)) as running:
        yield running


@pytest.fixture
def paid(tmp_path: Path, fake: FakeOpenAI) -> Iterator[Api]:
    api = with_model(tmp_path, fake)
    yield api
    api.close()


def test_dry_run_tells_the_range_and_asks_no_model(paid: Api, fake: FakeOpenAI) -> None:
    told = paid.admin.post("/v1/answers", json={"question": QUESTION, "dry_run": True, "stream": True}).json()
    assert (told["model"], told["passages"], told["max_output_tokens"], told["kept"]) == ("fake/large", 1, 800, False)
    read = told["input_tokens"]
    # $3 a million read, $0.30 from the cache, $15 written; 400 tokens are half of what the model may write.
    assert Decimal(told["minimum_usd"]) == (int(read / Decimal("1.35")) * Decimal("0.30") + 15) / MILLION
    assert Decimal(told["expected_usd"]) == (read * Decimal(3) + 400 * 15) / MILLION
    most = -(-read * 135 // 100)  # a third more by another tokenizer, rounded up
    assert Decimal(told["ceiling_usd"]) == (most * Decimal(3) + 800 * 15) / MILLION
    assert fake.requests == []
    assert (rows(paid, AnswerRow), rows(paid, CallRow)) == ([], [])


def test_call_is_reserved_at_the_ceiling_that_was_told_and_costs_no_more(paid: Api) -> None:
    told = paid.admin.post("/v1/answers", json={"question": QUESTION, "dry_run": True}).json()
    answered = paid.admin.post("/v1/answers", json={"question": QUESTION}).json()
    (call,) = rows(paid, CallRow)
    assert Decimal(told["ceiling_usd"]) * Decimal("0.98") < call.ceiling_usd <= Decimal(told["ceiling_usd"])
    assert Decimal(answered["cost"]["total_usd"]) == COST
    again = paid.admin.post("/v1/answers", json={"question": QUESTION, "dry_run": True}).json()
    read = again["input_tokens"]
    assert Decimal(again["expected_usd"]) == (read * Decimal(3) + 100 * 15) / MILLION, "as long as the last answer"
    assert "1 answers of this model" in again["why"]


def test_no_prompt_has_more_tokens_than_the_one_that_is_priced() -> None:
    most = count_tokens(LONGEST_MARK)
    assert max(count_tokens(new_mark()) for _ in range(500)) <= most


def test_what_costs_nothing_says_so(paid: Api, fake: FakeOpenAI) -> None:
    quoting = {"question": QUESTION, "dry_run": True, "model": "extractive"}
    nothing = {"question": "Who painted zebras blue yesterday?", "dry_run": True}
    for body, why in ((quoting, "Quoting costs nothing."), (nothing, "Nothing was found")):
        told = paid.admin.post("/v1/answers", json=body).json()
        assert (told["minimum_usd"], told["expected_usd"], told["ceiling_usd"]) == ("0", "0", "0")
        assert why in told["why"]
    assert fake.requests == []


@pytest.mark.parametrize("stream", [False, True])
def test_answer_that_can_cost_more_than_allowed_is_refused_before_the_call(
    paid: Api, fake: FakeOpenAI, stream: bool
) -> None:
    told = paid.admin.post("/v1/answers", json={"question": QUESTION, "dry_run": True}).json()
    ceiling = Decimal(told["ceiling_usd"])
    less = {"question": QUESTION, "stream": stream, "max_cost_usd": str(ceiling - Decimal("0.000000000001"))}
    refused = problem(paid.admin.post("/v1/answers", json=less), 402)
    assert refused["type"] == "urn:moat:call_too_dear"
    assert f"up to ${told['ceiling_usd']}" in refused["detail"]
    assert (fake.requests, rows(paid, CallRow)) == ([], [])
    assert [row.status for row in rows(paid, AnswerRow)] == ["failed"]
    enough = {"question": QUESTION, "max_cost_usd": told["ceiling_usd"]}
    assert paid.admin.post("/v1/answers", json=enough).status_code == 200
    assert len(fake.requests) == 1


def test_quoting_is_within_any_limit_and_a_limit_is_an_amount(paid: Api) -> None:
    free = {"question": QUESTION, "model": "extractive", "max_cost_usd": "0"}
    assert paid.admin.post("/v1/answers", json=free).status_code == 200
    for amount in ("-1", "NaN", "much"):
        problem(paid.admin.post("/v1/answers", json={"question": QUESTION, "max_cost_usd": amount}), 422)


def test_dry_run_shows_no_more_than_an_answer_would(paid: Api) -> None:
    stranger = paid.person("eve")
    paid.admin.patch("/v1/corpora/default", json={"access": ["staff"]})
    told = stranger.post("/v1/answers", json={"question": QUESTION, "dry_run": True}).json()
    assert (told["passages"], told["ceiling_usd"]) == (0, "0")
    problem(stranger.post("/v1/answers", json={"question": QUESTION, "dry_run": True, "corpora": ["default"]}), 404)
