"""A question may go on with a conversation: one's own, over the same corpora, as long as it is remembered."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from moat.tables import AnswerRow, CallRow
from tests.fakes.api import Api, problem
from tests.fakes.models import rows, with_model
from tests.fakes.openai_server import FakeOpenAI, Reply, openai_server

FIRST = "When is lunch served in the canteen?"
THEN = "And what should I bring?"


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with openai_server(Reply(("Bring your badge [1].",))) as running:
        yield running


@pytest.fixture
def api(tmp_path: Path, fake: FakeOpenAI) -> Iterator[Api]:
    api = with_model(tmp_path, fake)
    yield api
    api.close()


def ask(client: Any, question: str, **more: Any) -> dict[str, Any]:
    response = client.post("/v1/answers", json={"question": question, **more})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def told(fake: FakeOpenAI) -> str:
    text: str = fake.requests[-1]["messages"][-1]["content"]
    return text


def test_answers_of_a_conversation_share_its_id_and_the_model_is_told_what_was_asked(
    api: Api, fake: FakeOpenAI
) -> None:
    first = ask(api.admin, FIRST)
    assert "<earlier-" not in told(fake)
    then = ask(api.admin, THEN, conversation_id=first["conversation_id"])
    assert then["conversation_id"] == first["conversation_id"]
    assert f"\n{FIRST}\n</earlier-" in told(fake)
    assert first["answer"] not in told(fake), "what it was answered may have come from anywhere"
    assert api.admin.get(f"/v1/answers/{then['id']}").json()["conversation_id"] == first["conversation_id"]
    assert ask(api.admin, FIRST)["conversation_id"] != first["conversation_id"]


def test_conversation_of_another_does_not_exist(api: Api) -> None:
    api.admin.patch("/v1/corpora/default", json={"access": ["everyone"]})
    ann, bob = api.person("ann"), api.person("bob")
    hers = ask(ann, FIRST)["conversation_id"]
    refusals = [
        problem(bob.post("/v1/answers", json={"question": THEN, "conversation_id": id_, "dry_run": dry}), 404)
        for id_ in (hers, str(uuid4()))
        for dry in (False, True)
    ]
    assert {refused["detail"].replace(hers, "ID")[:30] for refused in refusals[:2]} == {
        "There is no conversation ID of"
    }
    assert all("Leave conversation_id out" in refused["hint"] for refused in refusals)


def test_question_asked_of_more_corpora_is_not_told_where_only_some_are_asked(api: Api, fake: FakeOpenAI) -> None:
    api.corpus("secrets")
    both = ask(api.admin, FIRST, corpora=["default", "secrets"])
    ask(api.admin, THEN, corpora=["default"], conversation_id=both["conversation_id"])
    assert "<earlier-" not in told(fake)
    ask(api.admin, "Lunch and badge?", corpora=["default", "secrets"], conversation_id=both["conversation_id"])
    assert f"{FIRST}\n{THEN}\n</earlier-" in told(fake)


def test_model_is_not_told_a_question_of_a_corpus_that_may_not_reach_it(api: Api, fake: FakeOpenAI) -> None:
    api.corpus("secrets")
    api.admin.patch("/v1/corpora/secrets", json={"reach": ["local only"]})
    secret = ask(api.admin, "What is the canteen secret of lunch?", corpora=["secrets"], model="extractive")
    lunch = api.admin.get("/v1/corpora/default/documents").json()["items"][0]["id"]
    for more in ({}, {"document_ids": [lunch]}):
        answered = ask(api.admin, THEN, conversation_id=secret["conversation_id"], **more)
        assert answered["model"] == "fake/large"
        assert "<earlier-" not in told(fake)
    api.admin.patch("/v1/corpora/secrets", json={"reach": ["fake"]})
    ask(api.admin, "Lunch, badge?", conversation_id=secret["conversation_id"])
    assert "What is the canteen secret of lunch?" in told(fake)


def test_number_of_an_earlier_question_is_held_by_nothing(tmp_path: Path) -> None:
    with openai_server(Reply(("Lunch is served in the canteen at 13 [1].",))) as fake:
        api = with_model(tmp_path, fake)
        alone = ask(api.admin, FIRST)
        within = ask(api.admin, FIRST, earlier=["Is lunch served in the canteen at 13?"])
        api.close()
    assert "[unverified]" in alone["answer"]
    assert "[unverified]" in within["answer"]


def test_forgotten_history_ends_its_conversations(api: Api) -> None:
    begun = ask(api.admin, FIRST)["conversation_id"]
    assert api.admin.delete("/v1/users/admin/history").status_code == 202
    problem(api.admin.post("/v1/answers", json={"question": THEN, "conversation_id": begun}), 404)


def test_only_so_many_are_told_and_none_by_setting(tmp_path: Path, fake: FakeOpenAI) -> None:
    for number in (2, 0):
        (tmp_path / str(number)).mkdir()
        api = with_model(tmp_path / str(number), fake, earlier_questions=number)
        begun = ask(api.admin, FIRST)["conversation_id"]
        for question in ("Is lunch in the canteen?", "Is the badge for lunch?", THEN):
            ask(api.admin, question, conversation_id=begun)
        assert told(fake).count("?\n") - 1 == number
        api.close()


def test_dry_run_prices_the_earlier_questions_too(api: Api) -> None:
    begun = ask(api.admin, FIRST)["conversation_id"]
    asked = {"question": THEN, "conversation_id": begun}
    alone = api.admin.post("/v1/answers", json={"question": THEN, "dry_run": True}).json()
    within = api.admin.post("/v1/answers", json={**asked, "dry_run": True}).json()
    assert within["input_tokens"] > alone["input_tokens"]
    assert len(rows(api, AnswerRow)) == 1, "a dry run is no turn"
    ask(api.admin, THEN, conversation_id=begun)
    assert rows(api, CallRow)[-1].ceiling_usd <= Decimal(within["ceiling_usd"])


def test_caller_that_remembers_by_itself_says_what_was_asked(api: Api, fake: FakeOpenAI) -> None:
    ask(api.admin, THEN, earlier=[FIRST])
    assert f"\n{FIRST}\n</earlier-" in told(fake)
    found = api.admin.post("/v1/search", json={"question": THEN, "earlier": [FIRST]})
    assert found.json()["passages"]
    both = {"question": THEN, "earlier": [FIRST], "conversation_id": str(uuid4())}
    assert "send one of them" in problem(api.admin.post("/v1/answers", json=both), 422)["detail"]
    for broken in ("", "\ud83d", "a\0b"):
        content = json.dumps({"question": THEN, "earlier": [broken]})
        sent = api.admin.post("/v1/search", content=content, headers={"Content-Type": "application/json"})
        problem(sent, 422)
    long = {"question": THEN, "earlier": ["x" * 100_000]}
    problem(api.admin.post("/v1/search", json=long), 413)
